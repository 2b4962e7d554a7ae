"""What plain applies lose, the reconciler does on the stand-in without losing one request."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.standin.fixtures import StartSeldon
from tests.standin.ours import Ours
from tests.standin.scenes import begin

SPEED = 10.0

SCENES = [
    ("fleet-naive", 0, 0),
    ("fleet-create", 0, 0),
    ("update-does-not-fit", 0, 4),
    ("two-replicas-one-fails", 1, 0),
    ("more-replicas-than-the-server", 1, 0),
    ("shrink-first-autoscaled", 0, 0),
    ("server-scale-down-strands", 0, 0),
    ("load-too-early", 0, 0),
    ("deleted-while-loading", 1, 0),
    ("third-version-does-not-fit", 0, 0),
    ("server-autoscaler", 0, 0),
]
"""Recordings, how many of their steps come before us, and the exit code of the last pass."""


@pytest.mark.parametrize(("name", "after_steps", "code"), SCENES)
def test_no_request_is_lost(name: str, after_steps: int, code: int, seldon: StartSeldon, tmp_path: Path) -> None:
    scene = begin(seldon, name, after_steps=after_steps, speed=SPEED)
    ours = Ours(scene, tmp_path, after_steps)
    with scene.seldon.requests(*scene.models) as requests:
        passes = [ours.adopt()]
        for step in range(after_steps + 1, len(scene.recording.steps) + 1):
            passes += ours.play(step)
        scene.seldon.until_quiet()
    told = "\n".join(each.output for each in passes)
    assert {model: lost for model, lost in requests.lost().items() if ours.keeps(model)} == {}, told
    assert passes[-1].code == code, told
