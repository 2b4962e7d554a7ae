"""What the simulated cluster shows: what the real one shows, and no more."""

from __future__ import annotations

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.view import live_state
from reconciler.health import on_the_air
from reconciler.model.live import LiveModel, LiveState, ReplicaState, VersionState
from reconciler.model.manifests import ModelSpec
from tests.simulated.worlds import cluster, experiment, model, server, settled, wait

EPOCH = 1_700_000_000.0


def seen(simulation: Simulation) -> LiveState:
    return live_state(simulation.world, EPOCH)


def seen_model(simulation: Simulation, name: str = "m") -> LiveModel:
    found = seen(simulation).model(name)
    assert found is not None
    return found


def rooms(simulation: Simulation, name: str = "s") -> list[int]:
    found = seen(simulation).server(name)
    assert found is not None
    return [replica.room for replica in found.replicas]


def test_it_is_observed_at_its_beginning_and_its_own_seconds() -> None:
    simulation = cluster(server())
    assert seen(simulation).observed_at == EPOCH + simulation.now


def test_a_version_has_the_digest_of_the_spec_it_was_made_of() -> None:
    simulation = cluster(server())
    settled(simulation, model("m", "v1"))
    simulation.apply([model("m", "slow6")])
    wait(simulation, 1)
    old, new = seen_model(simulation).versions
    first, second = (ModelSpec(uri, requirements=("sklearn",), memory=300_000) for uri in ("v1", "slow6"))
    assert (old.number, old.digest, old.state) == (1, first.digest, VersionState.AVAILABLE)
    assert (new.number, new.digest, new.replicas) == (2, second.digest, ((0, ReplicaState.LOADING),))
    assert seen_model(simulation).spec.storage_uri == "slow6"


def test_versions_that_are_over_are_left_out() -> None:
    simulation = cluster(server())
    settled(simulation, model("m", "v1"))
    settled(simulation, model("m", "v2"))
    assert [version.number for version in seen_model(simulation).versions] == [2]


def test_a_route_is_in_percent_and_empty_when_nobody_answers() -> None:
    simulation = cluster(server())
    settled(simulation, model("m", "v1", "600k"))
    assert seen_model(simulation).route == ((1, 100),)
    settled(simulation, model("m", "v2", "600k"))
    assert seen_model(simulation).route == ()
    assert not on_the_air(seen_model(simulation))


def test_a_load_in_flight_takes_its_room_and_one_that_leaked_is_not_shown() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", "slow6", "450k")])
    wait(simulation, 1)
    assert rooms(simulation) == [550_000]
    simulation.delete("Model/m")
    wait(simulation, 20)
    assert rooms(simulation) == [1_000_000]
    assert simulation.room("s", 0) == 550_000


def test_a_draining_replica_still_answers_and_takes_nothing_new() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("fill", "v1", "100k"), model("m", "v1"))
    simulation.patch("Server/s", {"spec": {"replicas": 1}})
    wait(simulation, 1)
    found = seen(simulation).server("s")
    assert found is not None
    assert [replica.ready for replica in found.replicas] == [True, False]
    assert on_the_air(seen_model(simulation))


def test_a_replica_that_starts_is_shown_with_its_limit_and_not_ready() -> None:
    simulation = cluster(server())
    simulation.patch("Server/s", {"spec": {"replicas": 2}})
    wait(simulation, 1)
    found = seen(simulation).server("s")
    assert found is not None
    assert [(r.index, r.limit, r.ready) for r in found.replicas] == [(0, 1_000_000, True), (1, 1_000_000, False)]


def test_a_deleted_server_is_shown_until_its_last_replica_has_ended() -> None:
    simulation = cluster(server("s"), server("other"))
    simulation.delete("Server/s")
    wait(simulation, 1)
    found = seen(simulation).server("s")
    assert found is not None
    assert found.deleting
    wait(simulation, 20)
    assert seen(simulation).server("s") is None


def test_in_an_experiment_the_route_is_that_of_the_models_own_versions() -> None:
    simulation = cluster(server())
    settled(simulation, model("a", "v1", "100k"))
    settled(simulation, model("b", "v2", "100k"))
    simulation.apply([experiment("x", "a", a=0, b=100)])
    wait(simulation, 5)
    assert (seen_model(simulation, "a").route, seen_model(simulation, "b").route) == (((1, 100),), ((1, 100),))


def test_a_deleted_object_tells_since_when_and_a_replica_what_it_has_without_overcommit() -> None:
    simulation = cluster(server(), overcommit=30)
    settled(simulation, model("m", "v1"))
    simulation.delete("Model/m")
    began = simulation.now
    wait(simulation, 1)
    assert seen_model(simulation).deleting_since == EPOCH + began
    found = seen(simulation).server("s")
    assert found is not None
    assert [(replica.memory, replica.limit) for replica in found.replicas] == [(1_000_000, 1_300_000)]
