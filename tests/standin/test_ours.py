"""What plain applies lose, the reconciler does on the stand-in without losing one request."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.standin.fixtures import StartSeldon
from tests.standin.ours import Ours
from tests.standin.scenes import begin

SPEED = 10.0

SCENES = [
    ("fleet-naive", 0),
    ("fleet-create", 0),
    ("update-does-not-fit", 0),
    ("two-replicas-one-fails", 1),
    ("more-replicas-than-the-server", 1),
    ("shrink-first-autoscaled", 0),
    ("server-scale-down-strands", 0),
    ("load-too-early", 0),
    ("deleted-while-loading", 1),
    ("third-version-does-not-fit", 0),
    ("server-autoscaler", 0),
]
"""Recordings, and how many of their steps come before us."""


@pytest.mark.parametrize(("name", "after_steps"), SCENES)
def test_no_request_is_lost_and_git_has_its_way_in_the_end(
    name: str, after_steps: int, seldon: StartSeldon, tmp_path: Path
) -> None:
    scene = begin(seldon, name, after_steps=after_steps, speed=SPEED)
    ours = Ours(scene, tmp_path, after_steps)
    with scene.seldon.requests(*scene.models) as requests:
        passes = [ours.adopt()]
        for step in range(after_steps + 1, len(scene.recording.steps) + 1):
            passes += ours.play(step)
        scene.seldon.until_quiet()
    told = "\n".join(each.output for each in passes)
    assert {model: lost for model, lost in requests.lost().items() if ours.keeps(model)} == {}, told
    assert passes[-1].code == 0, told
