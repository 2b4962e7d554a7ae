"""Reading recordings: strict about what must be there, lenient and outspoken about what more there is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.recordings.operations import Apply, Delete, Kill, Patch, RestartScheduler, SetArtifacts, Wait
from tests.recordings.recording import parse_recording, read_recording
from tests.recordings.shape import MalformedRecording

WHOLE: dict[str, Any] = {
    "scenario": "small",
    "memory": 1000,
    "servers": [{"kind": "Server", "name": "s", "spec": {"serverConfig": "mlserver", "replicas": 1}}],
    "before": {"objects": {}, "scheduler": {}, "servers": {}},
    "steps": [{"step": "one", "do": [{"delete": "Model/m"}], "seconds": 3}],
}


def altered(**fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(WHOLE), **fields}


def test_every_operation_is_read() -> None:
    operations = [
        {"apply": [{"kind": "Model", "name": "m", "spec": {}}]},
        {"delete": "Model/m"},
        {"patch": "Model/m", "merge": {"spec": {"preloaded": True}}},
        {"wait": 1.5},
        {"artifact": {"mend": {}}},
        {"restart": "scheduler"},
        {"kill": "mlserver/1"},
    ]
    assert parse_recording(altered(setup=operations)).setup == (
        Apply(({"kind": "Model", "name": "m", "spec": {}},)),
        Delete("Model/m"),
        Patch("Model/m", {"spec": {"preloaded": True}}),
        Wait(1.5),
        SetArtifacts({"mend": {}}),
        RestartScheduler(),
        Kill("mlserver", 1),
    )


def test_unknown_fields_are_noted_once_each() -> None:
    step = {"step": "one", "seconds": 1, "mood": "good", "seen": [{"at": 0, "weather": 1}, {"at": 1, "weather": 2}]}
    assert parse_recording(altered(extra=1, steps=[step])).notes == (
        "the file has an unknown field 'extra'",
        "a step has an unknown field 'mood'",
        "an entry of seen has an unknown field 'weather'",
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"memory": "1M"}, "memory is not a number"),
        ({"servers": "all"}, "servers is not a list"),
        ({"steps": [3]}, "step 1 is not a mapping"),
        ({"steps": [{"step": "one"}]}, "one: seconds is not a number"),
        ({"setup": [{"scale": "mlserver/2"}]}, "setup: unknown operation scale"),
        ({"setup": [{}]}, "setup: unknown operation without a name"),
        ({"setup": [{"apply": [{"name": "m"}]}]}, "setup: an object to apply has no kind or no name"),
        ({"setup": [{"delete": "m"}]}, "setup: 'm' is not Kind/name"),
        ({"setup": [{"kill": "mlserver/x"}]}, "setup: 'mlserver/x' is not server/replica"),
        ({"setup": [{"restart": "agent"}]}, "setup: only the scheduler can be restarted, not 'agent'"),
        ({"before": {"scheduler": {"m": 3}}}, "before.scheduler: m is not a mapping"),
        (
            {"before": {"scheduler": {"m": {"1": {"replicas": [1]}}}}},
            "before: version 1 of m: replicas is not a mapping",
        ),
        ({"answersBefore": {"m": {"404": "many"}}}, "answersBefore is not a number"),
    ],
)
def test_what_cannot_be_played_is_malformed_and_says_why(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(MalformedRecording) as error:
        parse_recording(altered(**fields))
    assert str(error.value) == told


@pytest.mark.parametrize("text", ["- 1", "a: [", "\0", "plain"])
def test_a_file_that_is_no_recording_is_malformed_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MalformedRecording) as error:
        read_recording(path)
    assert "\n" not in str(error.value)
