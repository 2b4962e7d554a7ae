"""The API server's part: server-side apply, merge patches, generations (docs/seldon.md, "Status: what to believe")."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.clusters.simulated import Simulation
from tests.simulated.worlds import Scripted, cluster, model, server, settled, state, thing, wait


def spec(simulation: Simulation, ref: str) -> Any:
    return simulation.dump()["objects"][ref]["spec"]


def test_an_apply_removes_what_it_gave_before_and_leaves_what_others_wrote() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", maxReplicas=3, logger={"percent": 5})])
    simulation.patch("Model/m", {"spec": {"preloaded": True, "logger": {"mode": "all"}}})
    simulation.apply([model("m", logger={"percent": 6})])
    found = spec(simulation, "Model/m")
    assert "maxReplicas" not in found
    assert (found["preloaded"], found["logger"]) == (True, {"percent": 6, "mode": "all"})


def test_a_field_that_somebody_else_changed_is_his_until_it_is_applied_again() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", maxReplicas=2, logger={"percent": 5})])
    simulation.patch("Model/m", {"spec": {"maxReplicas": 4, "logger": {"percent": 6}}})
    simulation.apply([model("m")])
    assert spec(simulation, "Model/m") == {**model("m")["spec"], "maxReplicas": 4, "logger": {"percent": 6}}
    simulation.apply([model("m", maxReplicas=3)])
    simulation.apply([model("m")])
    assert "maxReplicas" not in spec(simulation, "Model/m")


def test_labels_and_annotations_are_kept_on_the_object_and_merged_alike() -> None:
    simulation = cluster(server())
    manifest = {"kind": "Model", "metadata": {"name": "m", "labels": {"a": "1"}, "annotations": {"b": "2"}}}
    simulation.apply([{**manifest, "spec": {"storageUri": "v1"}}])
    simulation.patch("Model/m", {"metadata": {"labels": {"c": "3"}, "annotations": {"b": None}}})
    found = simulation.dump()["objects"]["Model/m"]
    assert (found["labels"], found["annotations"], found["generation"]) == ({"a": "1", "c": "3"}, {}, 1)


def test_a_merge_patch_removes_what_is_null() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", minReplicas=1)])
    simulation.patch("Model/m", {"spec": {"minReplicas": None}})
    assert "minReplicas" not in spec(simulation, "Model/m")
    assert thing(simulation, "Model/m")["generation"] == 2


def test_what_is_applied_is_not_what_is_kept() -> None:
    simulation = cluster(server())
    manifest = model("m", requirements=["sklearn"])
    simulation.apply([manifest])
    manifest["spec"]["requirements"].append("torch")
    assert spec(simulation, "Model/m")["requirements"] == ["sklearn"]


def test_what_does_not_exist_cannot_be_patched() -> None:
    with pytest.raises(KeyError):
        cluster(server()).patch("Model/m", {"spec": {}})


@pytest.mark.parametrize("order", [["a", "b"], ["b", "a"]])
def test_of_several_objects_applied_together_chance_says_which_is_taken_in_first(order: list[str]) -> None:
    simulation = cluster(server(), choices=Scripted(order=order))
    simulation.apply([model("a", memory="600k"), model("b", memory="600k")])
    wait(simulation, 5)
    assert [state(simulation, name, 1) for name in order] == ["ModelAvailable", "ScheduleFailed"]


def test_two_writes_before_the_operator_looks_are_one_version() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.apply([model("m", "v2")])
    simulation.apply([model("m", "v3")])
    wait(simulation, 5)
    assert list(simulation.snapshot()["scheduler"]["m"]) == ["1", "2"]
    assert thing(simulation, "Model/m")["generation"] == 3


@pytest.mark.parametrize(
    "bad",
    [
        model("m", memory="much"),
        server("t", podSpec={"containers": [{"name": "mlserver", "resources": {"requests": {"memory": "much"}}}]}),
        {"kind": "Model"},
        {"name": "m"},
    ],
    ids=["memory of a model", "memory of a server", "no name", "no kind"],
)
def test_what_the_api_server_would_not_take_is_refused_and_nothing_is_applied(bad: dict[str, Any]) -> None:
    simulation = cluster(server())
    before = simulation.dump()
    with pytest.raises((ValueError, KeyError)):
        simulation.apply([model("n"), bad])
    assert simulation.dump() == before


def test_a_patch_the_api_server_would_not_take_changes_nothing() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    before = simulation.dump()
    with pytest.raises(ValueError, match="much"):
        simulation.patch("Model/m", {"spec": {"memory": "much"}})
    assert simulation.dump() == before
