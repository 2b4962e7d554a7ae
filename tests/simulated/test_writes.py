"""What our actions write to a simulated cluster: no more than they must, and nothing that is an outage by itself."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.writes import annotate, perform
from reconciler.errors import ActionRefused
from reconciler.model.codec import model_spec_from_json
from reconciler.model.manifests import ModelManifest
from reconciler.model.plan import ActionKind
from reconciler.model.records import FAILED_ANNOTATION, ROLLOUT_ANNOTATION
from tests.local import serving
from tests.simulated import worlds
from tests.simulated.worlds import cluster, server, settled, wait


def manifest(uri: str = "v1", memory: int = 300_000, **fields: Any) -> ModelManifest:
    fields.setdefault("requirements", ("sklearn",))
    return serving.model("m", uri, memory=memory, **fields)


def write(simulation: Simulation, kind: ActionKind, wanted: ModelManifest | None = None, **fields: Any) -> None:
    digest = wanted.spec.digest if wanted else ""
    perform(simulation, serving.action(kind, "m", model=wanted, digest=digest, **fields))
    wait(simulation, 10)


def live(simulation: Simulation) -> dict[str, Any]:
    return simulation.world.objects["Model/m"].spec


def test_a_load_writes_only_what_the_manifest_has() -> None:
    simulation = cluster(server())
    write(simulation, ActionKind.LOAD, manifest())
    assert live(simulation) == {"storageUri": "v1", "requirements": ["sklearn"], "memory": "300000", "replicas": 1}


def test_a_change_in_place_makes_no_new_version_where_only_order_or_notation_differs_from_live() -> None:
    simulation = cluster(server(capabilities=["a", "b"]))
    parameters = [{"name": "x", "value": "1"}, {"name": "y", "value": "2"}]
    settled(simulation, worlds.model("m", requirements=["b", "a"], parameters=parameters[::-1]))
    spec = {**worlds.model("m", requirements=["a", "b"], parameters=parameters)["spec"], "maxReplicas": 3}
    wanted = manifest(**_fields(spec))
    write(simulation, ActionKind.CHANGE, wanted)
    assert live(simulation)["maxReplicas"] == 3
    assert live(simulation)["memory"] == "300k"
    assert simulation.world.models["m"].latest.number == 1


def _fields(spec: dict[str, Any]) -> dict[str, Any]:
    read = model_spec_from_json(spec)
    return {name: getattr(read, name) for name in ("requirements", "parameters", "max_replicas")}


def test_what_others_wrote_stays_and_what_we_wrote_before_goes_with_the_manifest() -> None:
    simulation = cluster(server())
    write(simulation, ActionKind.LOAD, manifest(annotations={"ours": "1"}, max_replicas=3))
    simulation.patch("Model/m", {"spec": {"logger": {"percent": 5}}, "metadata": {"annotations": {"theirs": "2"}}})
    write(simulation, ActionKind.CHANGE, manifest())
    assert live(simulation)["logger"] == {"percent": 5}
    assert "maxReplicas" not in live(simulation)
    assert simulation.world.objects["Model/m"].annotations == {"theirs": "2"}


def test_a_failure_on_record_stays_through_writes_and_a_rollout_goes_with_the_manifest_that_lacks_it() -> None:
    simulation = cluster(server())
    write(simulation, ActionKind.LOAD, manifest(annotations={ROLLOUT_ANNOTATION: "under way"}))
    annotate(simulation, "m", FAILED_ANNOTATION, "it failed")
    write(simulation, ActionKind.CHANGE, manifest())
    assert simulation.world.objects["Model/m"].annotations == {FAILED_ANNOTATION: "it failed"}
    annotate(simulation, "m", FAILED_ANNOTATION, None)
    annotate(simulation, "nobody", FAILED_ANNOTATION, "x")
    assert simulation.world.objects["Model/m"].annotations == {}


@pytest.mark.parametrize("kind", [ActionKind.LOAD, ActionKind.RETRIGGER])
def test_a_version_that_waits_for_room_is_asked_for_again_by_a_field_that_nobody_reads(kind: ActionKind) -> None:
    simulation = cluster(server())
    settled(simulation, worlds.model("other", memory="800k"))
    write(simulation, ActionKind.LOAD, manifest())
    assert simulation.world.models["m"].latest.server == ""
    simulation.delete("Model/other")
    wait(simulation, 10)
    write(simulation, kind, manifest())
    assert simulation.world.models["m"].latest.number == 1
    assert simulation.world.models["m"].latest.server == "s"
    generation = simulation.world.objects["Model/m"].generation
    write(simulation, ActionKind.CHANGE, manifest())
    assert simulation.world.objects["Model/m"].generation == generation


def test_adopting_writes_no_spec() -> None:
    simulation = cluster(server())
    settled(simulation, worlds.model("m"))
    write(simulation, ActionKind.ADOPT, manifest("v2", labels={"a": "b"}))
    found = simulation.world.objects["Model/m"]
    assert (found.spec["storageUri"], found.generation, found.labels) == ("v1", 1, {"a": "b"})


def test_a_probe_sees_room_that_leaked_and_leaves_no_trace() -> None:
    simulation = cluster(server())
    write(simulation, ActionKind.PROBE, manifest(memory=1_000_000))
    simulation.apply([worlds.model("leak", "slow6", "450k")])
    wait(simulation, 1)
    simulation.delete("Model/leak")
    wait(simulation, 20)
    before = simulation.snapshot()["servers"], simulation.room("s", 0)
    write(simulation, ActionKind.PROBE, manifest(memory=550_000))
    with pytest.raises(ActionRefused, match="no room for m"):
        write(simulation, ActionKind.PROBE, manifest(memory=550_001))
    wait(simulation, 10)
    assert (simulation.snapshot()["servers"], simulation.room("s", 0)) == before
    assert simulation.snapshot()["objects"].keys() == {"Server/s"}


def test_deleting_does_not_wait_and_what_is_gone_is_no_error() -> None:
    simulation = cluster(server())
    settled(simulation, worlds.model("m"))
    for kind in (ActionKind.DECOMMISSION, ActionKind.WITHDRAW, ActionKind.WAIT_DELETED):
        perform(simulation, serving.action(kind, "m"))
    assert simulation.world.objects["Model/m"].deleting
    wait(simulation, 10)
    perform(simulation, serving.action(ActionKind.DECOMMISSION, "m"))


def test_only_what_is_there_is_changed_or_adopted_and_an_action_without_a_manifest_is_refused() -> None:
    simulation = cluster(server())
    for kind in (ActionKind.CHANGE, ActionKind.ADOPT):
        with pytest.raises(ActionRefused, match="there is no Model m"):
            write(simulation, kind, manifest())
    for kind in (ActionKind.LOAD, ActionKind.ADOPT, ActionKind.CREATE_SERVER):
        with pytest.raises(ActionRefused, match="says nothing to write"):
            write(simulation, kind)
