"""What makes a new version, and the states (docs/seldon.md, "What makes a new version", "Counts and reasons")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulated.worlds import cluster, model, on, server, settled, state, thing, version, wait


@pytest.mark.parametrize(
    "change",
    [
        {"storageUri": "v2"},
        {"artifactVersion": 2},
        {"requirements": ["python", "sklearn"]},
        {"modelType": "sklearn"},
        {"memory": "301k"},
        {"server": "s"},
        {"secretName": "key"},
        {"parameters": [{"name": "b", "value": "1"}, {"name": "a", "value": "2"}]},
        {"explainer": {"type": "anchor", "modelRef": "x"}},
        {"llm": {"modelRef": "x"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_what_is_loaded_is_a_new_version(change: dict[str, Any]) -> None:
    parameters = [{"name": "a", "value": "2"}, {"name": "b", "value": "1"}]
    simulation = cluster(server())
    settled(simulation, model("m", requirements=["sklearn", "python"], parameters=parameters))
    simulation.patch("Model/m", {"spec": change})
    wait(simulation, 10)
    assert state(simulation, "m", 2) == "ModelAvailable"
    assert state(simulation, "m", 1) == "ModelTerminated"


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 2},
        {"minReplicas": 1},
        {"maxReplicas": 3},
        {"logger": {"percent": 10}},
        {"memory": "0.3M"},
        {"dataflow": {"cleanTopicsOnDelete": True}},
        {"preloaded": True},
        {"dedicated": True},
        {"schemaUri": "x"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_other_change_is_none_but_raises_the_versions_generation(change: dict[str, Any]) -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m"))
    simulation.patch("Model/m", {"spec": change})
    wait(simulation, 10)
    assert list(simulation.snapshot()["scheduler"]["m"]) == ["1"]
    assert version(simulation, "m", 1)["generation"] == 2
    assert state(simulation, "m", 1) == "ModelAvailable"


def test_going_back_to_an_old_spec_is_a_new_version_again() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"), model("m", "v2"), model("m"))
    assert [state(simulation, "m", n) for n in (1, 2, 3)] == ["ModelTerminated", "ModelTerminated", "ModelAvailable"]


def test_applying_the_same_again_changes_nothing() -> None:
    simulation = cluster(server())
    settled(simulation, model("a", memory="900k"), model("m"))
    simulation.delete("Model/a")
    wait(simulation, 5)
    settled(simulation, model("m"))
    assert thing(simulation, "Model/m")["generation"] == 1
    assert state(simulation, "m", 1) == "ScheduleFailed"


def test_growing_in_place_is_progressing_and_loses_nothing() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", "slow2"))
    simulation.apply([model("m", "slow2", replicas=2)])
    wait(simulation, 1)
    assert state(simulation, "m", 1) == "ModelProgressing"
    assert thing(simulation, "Model/m")["Ready"][0] == "False"
    assert thing(simulation, "Model/m")["availableReplicas"] == 1
    wait(simulation, 5)
    assert state(simulation, "m", 1) == "ModelAvailable"


def test_more_replicas_than_there_are_keeps_what_there_is_and_counts_what_lacks() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", replicas=2), model("m", replicas=3))
    found = version(simulation, "m", 1)
    assert (found["state"], found["available"], found["unavailable"]) == ("ScheduleFailed", 2, 1)
    settled(simulation, model("m", replicas=2))
    assert state(simulation, "m", 1) == "ModelAvailable"


def test_a_new_version_is_available_with_one_replica_if_the_one_before_was_available() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", replicas=2))
    simulation.apply([model("m", "slow6-on-1", replicas=2)])
    wait(simulation, 2)
    found = version(simulation, "m", 2)
    assert (found["state"], found["available"], found["unavailable"]) == ("ModelAvailable", 1, 1)


def test_a_new_version_needs_all_its_replicas_if_the_one_before_was_not_available() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", replicas=2), model("m", replicas=3))
    simulation.apply([model("m", "slow6-on-1", replicas=2)])
    wait(simulation, 2)
    assert state(simulation, "m", 2) == "ModelProgressing"
    wait(simulation, 6)
    assert state(simulation, "m", 2) == "ModelAvailable"


def test_one_failed_replica_makes_the_version_failed_and_fewer_replicas_heal_it() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", "broken-on-1", replicas=2))
    found = version(simulation, "m", 1)
    assert (found["state"], found["available"], found["unavailable"]) == ("ModelFailed", 1, 1)
    settled(simulation, model("m", "broken-on-1", replicas=1))
    assert state(simulation, "m", 1) == "ModelAvailable"
    assert on(simulation, "m") == {"0": "Available", "1": "Unloaded"}


def test_no_replicas_at_all_is_scaled_down() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"), model("m", replicas=0))
    assert state(simulation, "m", 1) == "ModelScaledDown"
    assert thing(simulation, "Model/m")["ModelReady"] == ["False", "ModelScaledDown", ""]
