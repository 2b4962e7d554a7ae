"""The comparer finds a difference in every kind of field, and none where there is none."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.recordings.compare import changes, differences, is_subsequence
from tests.recordings.fields import after, normal_text
from tests.recordings.played import Played, PlayedStage
from tests.recordings.recording import Recording, parse_recording

RECORDED = Path(__file__).parent.parent / "recorded"
ALL = sorted(RECORDED.glob("*.yaml"))


def document(name: str) -> Any:
    return yaml.load((RECORDED / f"{name}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)


def true_play(recording: Recording) -> Played:
    """A simulation that goes through exactly what was recorded."""
    state, stages = recording.before, []
    for step in recording.steps:
        states = [state]
        for _, changed in step.seen:
            state = after(state, changed)
            states.append(state)
        stages.append(PlayedStage(tuple(states), _shares(step.answers), {}))
    before = PlayedStage((recording.before,), {}, _shares(recording.answers_before))
    return Played(before, tuple(stages))


def _shares(answers: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, float]]:
    return {
        model: {who: count / sum(counts.values()) for who, count in counts.items()} for model, counts in answers.items()
    }


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_simulation_that_goes_through_what_was_recorded_differs_in_nothing(path: Path) -> None:
    recording = parse_recording(document(path.stem))
    assert not recording.notes
    assert differences(recording, true_play(recording)) == []


def _step(index: int, entry: int, *path: str) -> Callable[[Any], Any]:
    """Returns a way to what changed in an entry of a step."""

    def find(found: Any) -> Any:
        found = found["steps"][index]["seen"][entry]["changed"]
        for key in path:
            found = found[key]
        return found

    return find


UPDATE, AUTOSCALER = "update-fits", "server-autoscaler"
ALTERED: dict[str, tuple[str, Callable[[Any], Any], str, Any, str]] = {
    "condition": (UPDATE, _step(0, 1, "objects", "Model/m"), "Ready", ["False", "ModelFailed", ""], "Ready"),
    "reason": ("update-does-not-fit", _step(0, 0, "objects", "Model/m"), "Ready", ["False", "", "because"], "Ready"),
    "object generation": (UPDATE, _step(0, 0, "objects", "Model/m"), "generation", 7, "Model/m generation"),
    "status field": (UPDATE, _step(0, 1, "objects", "Model/m"), "availableReplicas", 2, "availableReplicas"),
    "status field gone": (UPDATE, _step(0, 1, "objects", "Model/m"), "replicas", None, "Model/m replicas"),
    "object gone": (UPDATE, _step(0, 1, "objects"), "Model/m", "gone", "Model/m exists"),
    "server generation": (AUTOSCALER, _step(0, 3, "objects", "Server/mlserver"), "generation", 3, "generations"),
    "server spec": (AUTOSCALER, _step(0, 3, "objects", "Server/mlserver"), "spec.replicas", 2, "spec.replicas"),
    "deleting": ("load-too-early", _step(0, 0, "objects", "Model/other"), "deleting", False, "deleting"),
    "version state": (UPDATE, _step(0, 1, "scheduler", "m", "2"), "state", "ModelFailed", "m 2 state"),
    "version generation": (UPDATE, _step(0, 1, "scheduler", "m", "2"), "generation", 3, "m 2 generation"),
    "version server": ("move-to-another-server", _step(0, 1, "scheduler", "m", "2"), "server", "nope", "m 2 server"),
    "available": (UPDATE, _step(0, 1, "scheduler", "m", "2"), "available", 2, "m 2 available"),
    "unavailable": (UPDATE, _step(0, 1, "scheduler", "m", "2"), "unavailable", 1, "m 2 unavailable"),
    "replica state": (UPDATE, _step(0, 1, "scheduler", "m", "2"), "replicas", {"0": "Loaded"}, "m 2 replica 0"),
    "replica index": (UPDATE, _step(0, 1, "scheduler", "m", "2"), "replicas", {"1": "Available"}, "m 2 replica"),
    "version of a deleted model": ("probe", _step(1, 0, "scheduler"), "probe", {"1": {"state": "Model"}}, "probe 1"),
    "free": (UPDATE, _step(0, 1, "servers", "mlserver", "replicas", "0"), "free", 1, "replica 0 free"),
    "total": (UPDATE, _step(0, 1, "servers", "mlserver", "replicas", "0"), "total", 1, "replica 0 total"),
    "models": (UPDATE, _step(0, 1, "servers", "mlserver", "replicas", "0"), "models", 2, "replica 0 models"),
    "expected": (AUTOSCALER, _step(0, 4, "servers", "mlserver"), "expected", 3, "mlserver expected"),
    "available replicas": (AUTOSCALER, _step(0, 6, "servers", "mlserver"), "available", 2, "mlserver available"),
    "server gone": ("server-deleted", _step(0, 3, "servers"), "other", {"available": 0}, "other available"),
    "loaded models": ("update-does-not-fit", _step(2, 2, "objects", "Server/mlserver"), "loadedModels", 2, "loaded"),
    "experiment": ("experiment-weights", _step(0, 0, "objects", "Experiment/x"), "Ready", ["False", "", ""], "x Ready"),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(ALTERED))
def test_an_altered_recording_is_told_by_the_altered_field(kind: str) -> None:
    name, find, key, value, named = ALTERED[kind]
    original = document(name)
    altered = copy.deepcopy(original)
    assert find(altered).get(key, ...) != value
    find(altered)[key] = value
    found = differences(parse_recording(altered), true_play(parse_recording(original)))
    assert any(named in difference.what for difference in found), found


def test_a_state_before_that_differs_is_told() -> None:
    original = document("update-fits")
    altered = copy.deepcopy(original)
    altered["before"]["servers"]["mlserver"]["replicas"]["0"]["free"] = 1
    found = differences(parse_recording(altered), true_play(parse_recording(original)))
    assert str(found[0]) == "before: servers mlserver replica 0 free: recorded 1, the simulation ends with 700000"


@pytest.mark.parametrize(
    ("counts", "differs"),
    [
        ({"slow3@mlserver-0": 501, "v1@mlserver-0": 268}, False),
        ({"slow3@mlserver-0": 501, "v1@mlserver-0": 268, "503": 1}, False),
        ({"slow3@mlserver-0": 501, "v1@mlserver-0": 268, "404": 20}, True),
        ({"slow3@mlserver-0": 501, "v1@mlserver-0": 1}, False),
        ({"slow3@mlserver-0": 501}, True),
        ({"slow3@mlserver-1": 501, "v1@mlserver-0": 268}, True),
        ({}, False),
    ],
)
def test_answers_differ_when_somebody_answered_who_should_not_or_nobody_who_should(
    counts: dict[str, int], differs: bool
) -> None:
    original = document("update-fits")
    altered = copy.deepcopy(original)
    for entry in altered["steps"][0]["seen"]:
        entry["answersSoFar"] = {}
    altered["steps"][0]["answersAfter"] = {"m": counts}
    found = differences(parse_recording(altered), true_play(parse_recording(original)))
    assert [difference.what for difference in found] == (["answers of m"] if differs else [])


def test_answers_before_the_first_step_are_compared_too() -> None:
    original = document("update-fits")
    altered = copy.deepcopy(original)
    altered["answersBefore"] = {"m": {"404": 40}}
    found = differences(parse_recording(altered), true_play(parse_recording(original)))
    assert [(difference.name, difference.what) for difference in found] == [("before", "answers of m")]


def test_values_that_the_sampling_missed_are_no_difference_but_their_order_is() -> None:
    assert is_subsequence("ac", "abc")
    assert is_subsequence("aba", "abca")
    assert not is_subsequence("ca", "abc")
    assert not is_subsequence("aa", "abc")
    assert changes([1, 1, 2, 2, 1]) == [1, 2, 1]


def test_texts_that_differ_by_paths_numbers_or_a_servers_own_words_are_the_same() -> None:
    told = "failed to sync/copy artifacts/x to .../mlserver-{}/rclone/{}: Failed request to host:127.0.0.1 port:5572"
    assert normal_text(told.format(0, 3607770423)) == normal_text(told.format(1, 17))
    assert normal_text("rpc error: code = Internal desc = a") == normal_text("rpc error: code = Internal desc = b")
    assert normal_text("no matching servers are available") != normal_text("no matching server had enough")
    assert normal_text("empty cache, cannot evict") == "empty cache, cannot evict"
