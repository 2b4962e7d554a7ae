"""Where the real system chose at random, the player follows the recording: it finds out what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.recordings.artifacts import named_artifact, told_artifact
from tests.recordings.choices import RecordedChoices, servers_seen
from tests.recordings.compare import differences
from tests.recordings.operations import Apply
from tests.recordings.orders import play_as_recorded
from tests.recordings.played import Played
from tests.recordings.player import play
from tests.recordings.recording import Recording, Step, parse_recording
from tests.recordings.shape import MalformedRecording

SERVERS = ("alpha", "beta", "gamma")


def _object(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "spec": spec}


def scenario(servers: int, *applies: list[dict[str, Any]]) -> Recording:
    """A scenario of which nothing is recorded yet: some Servers of 1M, then one apply per step."""
    raw = {
        "memory": 1_000_000,
        "serverAutoscaling": False,
        "servers": [_object("Server", name, serverConfig="mlserver", replicas=1) for name in SERVERS[:servers]],
        "before": {},
        "steps": [{"step": str(i), "do": [{"apply": objects}], "seconds": 15} for i, objects in enumerate(applies)],
    }
    return parse_recording(raw)


def models(**memory: str) -> list[dict[str, Any]]:
    return [
        _object("Model", name, storageUri="artifacts/v1", requirements=["sklearn"], memory=amount)
        for name, amount in memory.items()
    ]


def recorded(recording: Recording, played: Played) -> Recording:
    """The recording that somebody would have made of `played`."""
    steps = tuple(
        Step(step.name, step.operations, step.seconds, tuple((0.0, s) for s in _whole(stage.states)), {})
        for step, stage in zip(recording.steps, played.steps, strict=True)
    )
    return Recording(
        recording.scenario,
        recording.memory,
        recording.overcommit_percentage,
        recording.server_autoscaling,
        recording.servers,
        recording.setup,
        played.setup.states[-1],
        {},
        steps,
    )


def _whole(states: Any) -> list[Any]:
    return [states[len(states) // 2], states[-1]]


@pytest.mark.parametrize("order", [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"], ["c", "b", "a"]])
def test_the_order_in_which_objects_were_taken_in_is_found_from_what_found_room(order: list[str]) -> None:
    blank = scenario(1, models(a="400k", b="500k", c="600k"))
    truth = recorded(blank, play(blank, RecordedChoices(blank, {1: order})))
    _, found = play_as_recorded(truth)
    assert found == []


@pytest.mark.parametrize("pace", [0.02, 0.06, 0.1])
def test_a_burst_that_left_one_model_unplaced_and_one_that_did_not_are_both_followed(pace: float) -> None:
    blank = scenario(1, models(**{f"m{i}": "100k" for i in range(8)}))
    truth = recorded(blank, play(blank, RecordedChoices(blank, {1: [f"m{i}" for i in (3, 1, 0, 2, 7, 5, 6, 4)]}), pace))
    _, found = play_as_recorded(truth)
    assert found == []


@pytest.mark.parametrize("chosen", SERVERS)
def test_the_server_that_took_a_version_is_chosen_again(chosen: str) -> None:
    blank = scenario(3, models(a="400k"))

    class Always(RecordedChoices):
        def server(self, model: str, names: Any) -> str:
            return chosen if chosen in names else str(names[0])

    truth = recorded(blank, play(blank, Always(blank, {})))
    assert servers_seen(truth)[1] == {"a": [chosen]}
    played, found = play_as_recorded(truth)
    assert found == []
    assert played.steps[0].states[-1]["scheduler"]["a"]["1"]["server"] == chosen


def test_an_outcome_that_no_order_explains_differs() -> None:
    blank = scenario(1, models(a="400k", b="500k"))
    truth = recorded(blank, play(blank, RecordedChoices(blank, {})))
    wrong: Mapping[str, Any] = {**truth.steps[0].seen[-1][1]["scheduler"]["a"]["1"], "state": "ModelFailed"}
    truth.steps[0].seen[-1][1]["scheduler"]["a"]["1"] = wrong
    assert play_as_recorded(truth)[1]


def test_a_model_applied_with_its_server_is_played_as_one_apply() -> None:
    blank = scenario(1, [*models(a="100k"), _object("Server", "late", serverConfig="mlserver", replicas=1)])
    assert isinstance(blank.steps[0].operations[0], Apply)
    played = play(blank, RecordedChoices(blank, {}))
    assert differences(recorded(blank, played), played) == []


def test_artifacts_behave_as_their_names_say() -> None:
    assert named_artifact("v1").seconds_on(0) == 0
    assert named_artifact("slow6").seconds_on(1) == 6
    assert (named_artifact("slow6-on-1").seconds_on(0), named_artifact("slow6-on-1").seconds_on(1)) == (0, 6)
    assert named_artifact("broken").fails
    both = named_artifact("broken-on-1-slow6-on-0")
    assert (both.fails, set(both.fails_on), both.seconds_on(0), both.seconds_on(1)) == (False, {1}, 6, 0)
    assert named_artifact("mend").fails
    assert named_artifact("does-not-exist").missing


def test_what_an_artifact_is_told_to_do_from_now_on_replaces_what_its_name_says() -> None:
    assert not told_artifact("mend", {}).fails
    assert told_artifact("v1", {"seconds": 3}).load_seconds == 3
    with pytest.raises(MalformedRecording, match="unknown behaviour sing"):
        told_artifact("v1", {"sing": True})
