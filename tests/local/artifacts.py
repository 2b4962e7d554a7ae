"""Small artifacts, made afresh for every test run: sklearn models, and a runtime that answers as it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_RUNTIME = """
import asyncio
import os
import time

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceResponse


class Told(MLModel):
    async def load(self):
        told = self.settings.parameters.extra
        await asyncio.sleep(told.get("load_seconds", 0))
        time.sleep(told.get("load_blocks", 0))
        if told.get("exit"):
            os._exit(3)
        if told.get("refuse"):
            raise ValueError(told["refuse"])
        return True

    async def predict(self, payload):
        told = self.settings.parameters.extra
        asked = payload.parameters.model_dump() if payload.parameters else {}
        await asyncio.sleep(asked.get("seconds", 0))
        time.sleep(told.get("blocks", 0))
        if told.get("fail"):
            raise ValueError("cannot answer")
        answer = told["answer"] * told.get("repeat", 1)
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("answer", [answer])])
"""


def told(folder: Path, answer: str, **extra: Any) -> Path:
    """Makes an artifact whose model answers `answer`; see the runtime for what `extra` can ask."""
    folder.mkdir(parents=True)
    (folder / "told.py").write_text(_RUNTIME)
    settings = {"name": "any", "implementation": "told.Told", "parameters": {"extra": {"answer": answer, **extra}}}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    return folder


def sklearn(folder: Path, answer: int) -> Path:
    """Makes an sklearn artifact without settings whose model always predicts `answer`."""
    import joblib
    from sklearn.dummy import DummyClassifier

    folder.mkdir(parents=True)
    model = DummyClassifier(strategy="constant", constant=answer).fit([[0.0], [1.0]], [answer, answer + 1])
    joblib.dump(model, folder / "model.joblib")
    return folder


def broken(folder: Path) -> Path:
    """Makes an sklearn artifact that cannot be read."""
    folder.mkdir(parents=True)
    (folder / "model.joblib").write_bytes(b"this is not a model")
    return folder


def all_of_them(base: Path) -> Path:
    """Makes every artifact that the tests use below `base`."""
    told(base / "one", "one")
    told(base / "two", "two")
    told(base / "slow-load", "slow", load_seconds=1.5)
    told(base / "slower-load", "slower", load_seconds=15)
    told(base / "blocking", "blocking", blocks=0.5)
    told(base / "hanging", "never", load_blocks=3600)
    told(base / "wrong", "wrong", fail=True)
    told(base / "deadly", "deadly", exit=True, load_seconds=0.2)
    told(base / "refusing", "never", refuse="the weights are of another shape\nand more " + "x" * 900)
    told(base / "big", "x" * 1000, repeat=3000)
    sklearn(base / "sklearn", 7)
    broken(base / "broken")
    return base
