"""The scheduler's own autoscaler of Servers (docs/seldon.md, "Servers")."""

from __future__ import annotations

import pytest

from reconciler.clusters.simulated import Simulation
from tests.simulated.worlds import Manifest, cluster, model, on, server, settled, state, thing, who


def size(simulation: Simulation) -> tuple[int, int]:
    found = thing(simulation, "Server/s")
    return found["spec.replicas"], found["replicas"]


@pytest.mark.parametrize(
    ("manifest", "left"),
    [
        (server(replicas=3), 1),
        (server(replicas=3, minReplicas=2), 2),
        (server(replicas=3, minReplicas=3), 3),
        (server(replicas=3, maxReplicas=3), 1),
    ],
    ids=["as installed", "minReplicas 2", "fixed size", "maxReplicas"],
)
def test_an_unload_that_leaves_replicas_empty_shrinks_the_server_down_to_its_minimum(
    manifest: Manifest, left: int
) -> None:
    simulation = cluster(manifest, autoscaling=True)
    settled(simulation, model("m"), model("m", "v2"))
    assert size(simulation) == (left, left)
    assert thing(simulation, "Server/s")["generation"] == (1 if left == 3 else 2)
    assert len(who(simulation, "m")) == 1
    assert "404" not in who(simulation, "m")


def test_switched_off_it_changes_nothing() -> None:
    simulation = cluster(server(replicas=3))
    settled(simulation, model("m"), model("m", "v2"))
    assert size(simulation) == (3, 3)


def test_a_replica_with_a_load_in_flight_is_not_empty() -> None:
    simulation = cluster(server(replicas=2), autoscaling=True)
    settled(simulation, model("a"))
    simulation.apply([model("b", "slow6")])
    settled(simulation, model("a", memory="310k"))
    assert size(simulation)[0] == 2


def test_a_model_that_outgrows_its_server_makes_it_grow_only_with_max_replicas() -> None:
    for most, replicas in ((None, 1), (3, 2)):
        simulation = cluster(server(replicas=1, maxReplicas=most), autoscaling=True)
        settled(simulation, model("m"), model("m", replicas=2))
        assert size(simulation)[0] == replicas
        assert len(who(simulation, "m")) == replicas


def test_it_grows_no_further_than_max_replicas() -> None:
    simulation = cluster(server(replicas=1, maxReplicas=2), autoscaling=True)
    settled(simulation, model("m", minReplicas=1), model("m", replicas=5, minReplicas=1))
    assert (size(simulation)[0], on(simulation, "m")) == (2, {"0": "Available", "1": "Available"})


def test_an_update_that_finds_no_room_makes_nothing_grow() -> None:
    simulation = cluster(server(replicas=1, maxReplicas=3), autoscaling=True)
    settled(simulation, model("m", memory="600k"), model("m", "v2", "600k"))
    assert (size(simulation)[0], state(simulation, "m", 2)) == (1, "ScheduleFailed")


def test_shrinking_a_model_first_loses_the_replica_that_the_new_version_needs() -> None:
    simulation = cluster(server(replicas=2), autoscaling=True)
    settled(simulation, model("m", memory="600k", replicas=2), model("m", memory="600k"), model("m", "v2", "600k"))
    assert who(simulation, "m") == {"404": 1}
