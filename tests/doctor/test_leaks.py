"""Probes tell whether the room that is shown is there, and do no harm."""

from __future__ import annotations

import asyncio

from reconciler.clusters.simulated import Simulation
from reconciler.doctor.finding import Hazard, Severity
from reconciler.doctor.leaks import Asked, ask
from reconciler.model.live import LiveState, Traits
from tests.doctor.recorded import cluster as cluster_of
from tests.doctor.recorded import ended
from tests.simulated.worlds import cluster, model, server, settled, wait


def asked(simulation: Simulation) -> Asked:
    there = cluster_of(simulation)

    async def told() -> Asked:
        return await ask(there, await there.observe())

    return asyncio.run(told())


def leaky(replicas: int = 2) -> Simulation:
    """A load of 250k was deleted in flight on one replica."""
    simulation = cluster(server("s", replicas, minReplicas=replicas))
    simulation.apply([model("m", "slow6", "250k")])
    wait(simulation, 1)
    simulation.delete("Model/m")
    wait(simulation, 30)
    return simulation


def test_room_that_leaked_is_found_and_measured() -> None:
    (found,) = asked(ended("update-during-update")).findings
    assert (found.hazard, found.severity, found.name) == (Hazard.LEAK, Severity.NEXT_CHANGE, "mlserver")
    assert "1 replica shows room for 800k, and a probe for that was refused" in found.what
    assert found.what.endswith("600k were given: about 200k leaked")
    assert found.fixes[0].command == "kubectl rollout restart statefulset seldon-scheduler"


def test_a_leak_on_one_of_two_replicas_is_found() -> None:
    (found,) = asked(leaky()).findings
    assert "2 replicas show room for 1M" in found.what


def test_after_a_restart_of_the_scheduler_there_is_no_leak() -> None:
    simulation = leaky()
    simulation.restart_scheduler()
    wait(simulation, 60)
    assert asked(simulation) == Asked()


def test_where_all_room_is_there_nothing_is_told_and_nothing_is_left() -> None:
    simulation = cluster(server("s", 2, minReplicas=2), autoscaling=True)
    settled(simulation, model("m", memory="300k"))
    before = simulation.snapshot()
    assert asked(simulation) == Asked()
    after = simulation.snapshot()
    assert (after["objects"], after["servers"]) == (before["objects"], before["servers"])


def test_a_server_that_the_autoscaler_would_shrink_for_it_is_not_asked() -> None:
    simulation = cluster(server("s", 2), autoscaling=True)
    settled(simulation, model("m", memory="300k"))
    told = asked(simulation)
    assert told.findings == ()
    assert "Server s was not asked for its room: the autoscaler could shrink it" in told.notes[0]
    assert simulation.snapshot()["objects"]["Server/s"]["generation"] == 1


def test_a_server_with_a_load_in_flight_is_not_asked() -> None:
    simulation = cluster(server("s", 1))
    simulation.apply([model("m", "slow6")])
    wait(simulation, 1)
    told = asked(simulation)
    assert told.findings == ()
    assert "a load is in flight" in told.notes[0]


def test_while_routes_do_not_follow_nothing_is_asked() -> None:
    assert asked(ended("deleted-while-loading")).notes[0].startswith("no probe was sent: Seldon's scheduler")


def test_a_cluster_that_changes_meanwhile_is_not_accused() -> None:
    simulation = leaky()
    there = cluster_of(simulation)

    async def told() -> Asked:
        live = await there.observe()
        settled(simulation, model("late", memory="100k"))
        return await ask(there, live)

    found = asyncio.run(told())
    assert found.findings == ()
    assert found.notes == ("Server s changed while it was asked for its room: ask again",)


def test_where_room_cannot_leak_nothing_is_asked() -> None:
    live = LiveState(0.0, traits=Traits(commands_traffic=True, reuses_versions=True))
    told = asyncio.run(ask(cluster_of(cluster()), live))
    assert told.notes == ("no probe was sent: on this cluster room does not leak",)
