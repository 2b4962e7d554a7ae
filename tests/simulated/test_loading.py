"""Loads, unloads, retries and leaks (docs/seldon.md, "The order of states", "When the scheduler tries again")."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.clusters.simulated import Artifact, Simulation
from tests.simulated.worlds import cluster, free, model, on, server, settled, state, thing, version, wait, who


def states_of(simulation: Simulation, name: str, seconds: float, number: int = 1, replica: str = "0") -> list[str]:
    """Returns the states that a replica goes through."""
    seen: list[str] = []

    def look(_: float) -> None:
        versions = simulation.snapshot()["scheduler"].get(name)
        found = versions.get(str(number)) if isinstance(versions, dict) else None
        current = found["replicas"].get(replica) if found else None
        if current and seen[-1:] != [current]:
            seen.append(current)

    simulation.listeners.append(look)
    wait(simulation, seconds)
    return seen


def test_a_load_goes_through_its_states_in_order() -> None:
    simulation = cluster(server())
    simulation.apply([model("m")])
    assert states_of(simulation, "m", 5) == ["LoadRequested", "Loading", "Loaded", "Available"]


def test_an_unload_goes_through_its_states_in_order() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.apply([model("m", "v2")])
    assert states_of(simulation, "m", 5) == ["Available", "UnloadRequested", "Unloading", "Unloaded"]


@pytest.mark.parametrize(("uri", "seconds"), [("broken", 4.2), ("missing", 0.3)])
def test_a_load_fails_after_tries_or_at_once_when_there_is_nothing_to_load(uri: str, seconds: float) -> None:
    simulation = cluster(server())
    simulation.apply([model("m", uri)])
    wait(simulation, seconds - 0.2)
    assert state(simulation, "m", 1) == "ModelProgressing"
    wait(simulation, 0.2)
    assert (state(simulation, "m", 1), on(simulation, "m")) == ("ModelFailed", {"0": "LoadFailed"})


def test_free_memory_drops_at_loaded_and_comes_back_at_unloaded() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", "slow2")])
    wait(simulation, 2)
    assert free(simulation) == 1_000_000
    wait(simulation, 2)
    assert free(simulation) == 700_000
    simulation.delete("Model/m")
    wait(simulation, 2)
    assert free(simulation) == 700_000
    wait(simulation, 1)
    assert free(simulation) == 1_000_000


def test_a_failing_load_takes_nothing_off_a_report_and_gives_its_room_back() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", "broken", "600k")])
    wait(simulation, 1)
    settled(simulation, model("a", memory="100k"))
    assert (free(simulation), simulation.room("s", 0)) == (900_000, 900_000)


def test_loads_on_one_replica_run_in_parallel() -> None:
    simulation = cluster(server())
    simulation.apply([model(f"m{i}", "slow2", "50k") for i in range(5)])
    wait(simulation, 3)
    assert {state(simulation, f"m{i}", 1) for i in range(5)} == {"ModelAvailable"}


@pytest.mark.parametrize("change", [{"labels": {"a": "b"}}, {"annotations": {"a": "b"}}])
def test_labels_and_annotations_retry_nothing(change: dict[str, Any]) -> None:
    simulation = cluster(server())
    settled(simulation, model("a", memory="900k"), model("m"))
    simulation.delete("Model/a")
    wait(simulation, 5)
    simulation.patch("Model/m", {"metadata": change})
    wait(simulation, 5)
    assert (state(simulation, "m", 1), thing(simulation, "Model/m")["generation"]) == ("ScheduleFailed", 1)


def test_freed_memory_retries_nothing_and_neither_does_another_load_but_a_field_never_read_does() -> None:
    simulation = cluster(server())
    settled(simulation, model("a", memory="900k"), model("m"))
    simulation.delete("Model/a")
    wait(simulation, 5)
    settled(simulation, model("c", memory="100k"))
    assert state(simulation, "m", 1) == "ScheduleFailed"
    simulation.patch("Model/m", {"spec": {"preloaded": True}})
    wait(simulation, 5)
    assert who(simulation, "m") == {"v1@s-0": 1}


def test_a_retrigger_fetches_a_failed_artifact_again_and_leaves_a_healthy_model_alone() -> None:
    simulation = cluster(server())
    settled(simulation, model("m", "broken"))
    simulation.set_artifact("broken", Artifact())
    simulation.patch("Model/m", {"spec": {"preloaded": True}})
    wait(simulation, 5)
    assert who(simulation, "m") == {"broken@s-0": 1}
    simulation.patch("Model/m", {"spec": {"preloaded": False}})
    assert states_of(simulation, "m", 5) == ["Available"]


def test_an_artifact_that_is_mended_during_the_tries_is_loaded() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", "broken")])
    wait(simulation, 2)
    simulation.set_artifact("broken", Artifact())
    wait(simulation, 5)
    assert state(simulation, "m", 1) == "ModelAvailable"


def test_a_changed_artifact_under_the_same_uri_triggers_nothing() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.set_artifact("v1", Artifact(fails=True))
    wait(simulation, 10)
    assert state(simulation, "m", 1) == "ModelAvailable"


def test_a_load_deleted_in_flight_keeps_its_room_for_good_while_free_shows_all() -> None:
    simulation = cluster(server())
    simulation.apply([model("a", "slow6", "450k")])
    wait(simulation, 1)
    simulation.delete("Model/a")
    wait(simulation, 20)
    assert (free(simulation), simulation.room("s", 0)) == (1_000_000, 550_000)


def test_a_load_superseded_in_flight_is_unloaded_at_its_end_and_leaks() -> None:
    simulation = cluster(server())
    settled(simulation, model("m", memory="200k"))
    simulation.apply([model("m", "slow6", "200k")])
    wait(simulation, 2)
    simulation.apply([model("m", "v3", "200k")])
    wait(simulation, 4)
    assert (on(simulation, "m", 2), on(simulation, "m", 1)) == ({"0": "Unloading"}, {"0": "Unloaded"})
    wait(simulation, 1)
    assert on(simulation, "m", 2) == {"0": "Unloaded"}
    assert (free(simulation), simulation.room("s", 0)) == (800_000, 600_000)


def test_a_replica_asked_for_again_while_it_unloads_is_loaded_after_that() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", replicas=2), model("m", replicas=1))
    simulation.apply([model("m", replicas=2)])
    wait(simulation, 1)
    simulation.apply([model("m", replicas=1)])
    wait(simulation, 1)
    simulation.apply([model("m", replicas=2)])
    wait(simulation, 10)
    assert on(simulation, "m") == {"0": "Available", "1": "Available"}
    assert who(simulation, "m") == {"v1@s-0": 0.5, "v1@s-1": 0.5}


def test_a_probe_tells_whether_there_is_room_and_leaves_no_trace() -> None:
    simulation = cluster(server())
    settled(simulation, model("m", memory="500k"))
    for memory, expected in (("500k", "ModelFailed"), ("500001", "ScheduleFailed")):
        simulation.apply([model("probe", "missing", memory)])
        wait(simulation, 0.5)
        assert state(simulation, "probe", 1) == expected
        simulation.delete("Model/probe")
        wait(simulation, 3)
    assert simulation.room("s", 0) == 500_000
    assert version(simulation, "m", 1)["state"] == "ModelAvailable"
