"""Physical memory and overcommit (docs/seldon.md, "Memory and overcommit")."""

from __future__ import annotations

from reconciler.clusters.simulated import Artifact
from reconciler.clusters.simulated.eviction import make_room
from reconciler.clusters.simulated.records import Load, Replica
from tests.simulated.worlds import cluster, free, model, server, settled, state, thing, wait, who


def replica(**loaded: int) -> Replica:
    return Replica(0, memory=1000, limit=1300, capabilities=[], reported=1300, loaded=dict(loaded))


def test_models_within_the_overcommit_are_placed_and_all_serve() -> None:
    simulation = cluster(server(), overcommit=30)
    settled(simulation, *(model(name, memory="400k") for name in "abc"))
    assert free(simulation) == 100_000
    assert [who(simulation, name) for name in "abc"] == [{"v1@s-0": 1}] * 3


def test_a_model_beyond_the_overcommit_is_not_placed() -> None:
    simulation = cluster(server(), overcommit=30)
    settled(simulation, model("a", memory="1M"), model("b", memory="300001"))
    assert state(simulation, "b", 1) == "ScheduleFailed"


def test_a_model_bigger_than_the_physical_memory_is_placed_and_fails_to_load() -> None:
    simulation = cluster(server(), overcommit=30)
    settled(simulation, model("huge", memory="1200k"))
    assert thing(simulation, "Model/huge")["Ready"] == ["False", "ModelFailed", "empty cache, cannot evict"]
    assert simulation.room("s", 0) == 1_300_000


def test_the_least_recently_used_are_evicted_and_no_more_than_needed() -> None:
    found = replica(a_1=400, b_1=400, c_1=200)
    assert make_room(found, 300)
    assert found.evicted == ["a_1"]
    assert found.free == 300


def test_loads_in_flight_cannot_be_evicted() -> None:
    found = replica(a_1=400)
    found.loads["b_1"] = Load(1, 500)
    assert not make_room(found, 600)
    assert found.evicted == ["a_1"]


def test_a_load_mended_in_its_last_try_needs_physical_memory_like_any_other() -> None:
    simulation = cluster(server(), overcommit=30)
    settled(simulation, model("a", memory="600k"))
    simulation.apply([model("b", "broken", "600k")])
    wait(simulation, 2)
    simulation.set_artifact("broken", Artifact())
    wait(simulation, 5)
    assert state(simulation, "b", 1) == "ModelAvailable"
    assert simulation.dump()["servers"]["s"]["replicas"]["0"]["evicted"] == ["a_1"]
