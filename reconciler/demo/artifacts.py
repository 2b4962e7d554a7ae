"""Trains the tiny models that `examples/repo` serves, and writes their artifacts.

The data is synthetic and every seed is fixed: building twice gives the same bytes. Each artifact is a folder
`<model>/<version>/` with `model.joblib` and a `model-settings.json`, whose `version` comes back in every answer as
`model_version`, so that a client can tell who answered. Nothing here knows clusters or Git.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import UsageError


@dataclass(frozen=True, slots=True)
class Artifact:
    """One version of an example model: its place below the artifacts folder, and how many numbers a request has."""

    model: str
    version: str
    features: int
    regression: bool = False

    @property
    def folder(self) -> str:
        """Its `storageUri`."""
        return f"{self.model}/{self.version}"


EXAMPLES = (
    Artifact("churn", "v1", features=4),
    Artifact("churn", "v2", features=4),
    Artifact("fraud", "v1", features=6),
    Artifact("spam", "v1", features=3),
    Artifact("demand", "v1", features=5, regression=True),
    Artifact("demand", "v2", features=5, regression=True),
)
"""Every artifact that the manifests in `examples/repo`, and the edits its README suggests, refer to."""


def build(folder: Path, artifacts: tuple[Artifact, ...] = EXAMPLES) -> None:
    """Trains and writes `artifacts` below `folder`; what is there already is written anew with the same bytes.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    for artifact in artifacts:
        _write(folder / artifact.folder, artifact)


def write_broken(folder: Path, artifact: Artifact) -> None:
    """Writes an artifact that looks like the others and cannot be loaded: an upload that was cut off."""
    _write(folder / artifact.folder, artifact)
    file = folder / artifact.folder / "model.joblib"
    file.write_bytes(file.read_bytes()[:200])


def _write(target: Path, artifact: Artifact) -> None:
    try:
        import joblib  # noqa: PLC0415 - heavy, and needed for training only

        model = _train(artifact)
    except ImportError as error:
        raise UsageError(
            "the example models cannot be trained",
            why=f"{error.name} is not installed; it comes with the extra `local`",
            fix="in a clone, on Python 3.11 or 3.12: pip install '.[local]'",
        ) from error
    target.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, target / "model.joblib")
    settings = {
        "name": artifact.model,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": artifact.version},
    }
    (target / "model-settings.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _train(artifact: Artifact) -> object:
    from numpy.random import default_rng  # noqa: PLC0415 - as above
    from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: PLC0415 - as above

    random = default_rng(zlib.crc32(artifact.folder.encode()))
    inputs = random.normal(size=(200, artifact.features))
    score = inputs @ random.normal(size=artifact.features)
    return LinearRegression().fit(inputs, score) if artifact.regression else LogisticRegression().fit(inputs, score > 0)
