"""Objects of a real API server: a stand-in for Seldon hands on what it watches there."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.clusters.simulated import Rules, Simulation
from reconciler.clusters.simulated.records import ApiObject

SERVER = {"serverConfig": "mlserver", "replicas": 2}
MODEL = {"storageUri": "artifacts/v1", "memory": "100k"}


def seen(kind: str, name: str, spec: dict[str, Any], generation: int = 1, **more: Any) -> ApiObject:
    return ApiObject(kind, name, "prod", generation, spec, **more)


def world() -> Simulation:
    simulation = Simulation(Rules(memory=1_000_000, overcommit_percentage=0))
    simulation.observed(seen("Server", "mlserver", SERVER))
    simulation.run_until(20)
    simulation.observed(seen("Model", "m", MODEL, 7))
    simulation.run_until(30)
    return simulation


def versions(simulation: Simulation) -> Any:
    return simulation.snapshot()["scheduler"]["m"]


def test_a_new_object_is_taken_in_with_the_generation_it_has() -> None:
    found = world()
    assert versions(found)["1"]["generation"] == 7
    assert versions(found)["1"]["state"] == "ModelAvailable"
    assert found.snapshot()["objects"]["Model/m"]["ModelReady"] == ["True", "ModelAvailable", ""]


def test_a_changed_spec_is_taken_in() -> None:
    found = world()
    found.observed(seen("Model", "m", {**MODEL, "storageUri": "artifacts/v2"}, 8))
    found.run_until(40)
    assert versions(found)["2"]["generation"] == 8


def test_labels_and_annotations_reach_nobody() -> None:
    found = world()
    found.observed(seen("Model", "m", MODEL, 7, labels={"a": "b"}, annotations={"c": "d"}))
    assert found.next_event_at() is None
    assert found.world.objects["Model/m"].labels == {"a": "b"}


def test_what_was_seen_before_the_simulation_wrote_itself_tells_nothing() -> None:
    found = world()
    found.patch("Server/mlserver", {"spec": {"replicas": 1}})  # as the scheduler's autoscaler does
    found.observed(seen("Server", "mlserver", SERVER, 1, labels={"late": "yes"}))
    assert found.world.objects["Server/mlserver"].spec["replicas"] == 1


def test_the_echo_of_what_the_simulation_wrote_is_not_taken_in_again() -> None:
    found = world()
    found.patch("Server/mlserver", {"spec": {"replicas": 1}})
    before = len(found.world.agenda)
    found.observed(seen("Server", "mlserver", {**SERVER, "replicas": 1}, 2))
    assert len(found.world.agenda) == before


def test_a_deletion_is_taken_in_once_and_ends() -> None:
    found = world()
    found.observed(seen("Model", "m", MODEL, 8, deleting=True))
    found.observed(seen("Model", "m", {**MODEL, "memory": "1k"}, 9, deleting=True))
    assert [event.what for event in found.world.agenda].count("take in") == 1
    found.run_until(40)
    assert "Model/m" not in found.world.objects


def test_a_server_that_vanished_drains() -> None:
    found = world()
    found.vanished("Server/mlserver")
    found.run_until(60)
    assert found.snapshot()["servers"] == {}


def test_an_object_that_vanished_before_it_was_taken_in_leaves_nothing() -> None:
    found = world()
    found.observed(seen("Model", "n", MODEL))
    found.vanished("Model/n")
    found.vanished("Model/n")
    found.run_until(40)
    assert "n" not in found.snapshot()["scheduler"]


def test_what_cannot_be_read_is_refused_and_changes_nothing() -> None:
    found = world()
    with pytest.raises(ValueError, match="much"):
        found.observed(seen("Model", "m", {**MODEL, "memory": "much"}, 8))
    assert found.world.objects["Model/m"].spec == MODEL
