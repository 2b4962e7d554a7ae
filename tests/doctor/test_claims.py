"""What the doctor foretells comes true on the simulated cluster, and its fixes keep it from coming."""

from __future__ import annotations

from reconciler.clusters.simulated import Simulation
from reconciler.doctor.finding import Finding, Hazard
from reconciler.health import on_the_air
from tests.doctor.test_recorded import carry_out, findings, seen
from tests.simulated.worlds import cluster, model, server, settled, wait

EVERYTHING = 60.0


def found(simulation: Simulation, hazard: Hazard) -> Finding:
    return next(each for each in findings(simulation) if each.hazard is hazard)


def ever_off(simulation: Simulation, name: str) -> bool:
    """Lets time pass; returns whether the model was off the air at any moment of it."""
    end, off = simulation.now + EVERYTHING, False
    while (due := simulation.next_event_at()) is not None and due <= end:
        simulation.step()
        live = seen(simulation).model(name)
        off = off or live is None or not on_the_air(live)
    return off


def half_failed() -> Simulation:
    simulation = cluster(server("s", 2))
    settled(simulation, model("m", "v1", replicas=2), model("m", "broken-on-1", replicas=2))
    return simulation


def test_a_good_update_takes_off_the_air_what_is_not_whole() -> None:
    simulation = half_failed()
    assert found(simulation, Hazard.NOT_WHOLE).name == "m"
    simulation.apply([model("m", "slow2", replicas=2)])
    assert ever_off(simulation, "m")


def test_what_was_healed_first_stays_on_the_air() -> None:
    simulation = half_failed()
    carry_out(simulation, found(simulation, Hazard.NOT_WHOLE).fixes[0].command)
    simulation.apply([model("m", "slow2")])
    assert not ever_off(simulation, "m")


def too_many() -> Simulation:
    simulation = cluster(server("s", 2))
    settled(simulation, model("m", "v1", replicas=2))
    simulation.patch("Model/m", {"spec": {"replicas": 3}})
    wait(simulation, 15)
    return simulation


def test_a_good_update_takes_off_the_air_what_asks_for_too_many_replicas() -> None:
    simulation = too_many()
    assert found(simulation, Hazard.TOO_MANY_REPLICAS).name == "m"
    simulation.apply([model("m", "slow2", replicas=2)])
    assert ever_off(simulation, "m")


def test_what_asks_for_no_more_than_there_are_stays_on_the_air() -> None:
    simulation = too_many()
    carry_out(simulation, found(simulation, Hazard.TOO_MANY_REPLICAS).fixes[0].command)
    simulation.apply([model("m", "slow2", replicas=2)])
    assert not ever_off(simulation, "m")


def about_to_shrink() -> Simulation:
    """Replica 0 holds `fill`, replica 1 nothing any more, replica 2 `big`, which has no room on replica 0."""
    simulation = cluster(server("s", 3), autoscaling=False)
    settled(simulation, model("fill", memory="500k"), model("gone", memory="650k"), model("big", memory="600k"))
    simulation.delete("Model/gone")
    wait(simulation, 15)
    plain = simulation.dump()
    plain["rules"]["server_autoscaling"] = True
    return Simulation.load(plain)


def test_a_server_without_a_fixed_size_shrinks_with_the_next_update() -> None:
    simulation = about_to_shrink()
    assert found(simulation, Hazard.AUTOSCALER).name == "s"
    simulation.patch("Model/fill", {"spec": {"artifactVersion": 2}})
    wait(simulation, EVERYTHING)
    assert simulation.snapshot()["servers"]["s"]["expected"] < 3


def test_a_server_that_was_given_a_fixed_size_does_not() -> None:
    simulation = about_to_shrink()
    carry_out(simulation, found(simulation, Hazard.AUTOSCALER).fixes[0].command)
    simulation.patch("Model/fill", {"spec": {"artifactVersion": 2}})
    wait(simulation, EVERYTHING)
    assert simulation.snapshot()["servers"]["s"]["expected"] == 3


def test_who_is_stranded_without_the_last_replica_is_off_the_air_without_it() -> None:
    simulation = cluster(server("s", 2, minReplicas=2))
    settled(simulation, model("a", memory="700k"), model("b", memory="600k"), model("c", memory="100k"))
    stranded = found(simulation, Hazard.LAST_REPLICA).models
    simulation.patch("Server/s", {"spec": {"replicas": 1, "minReplicas": 1}})
    wait(simulation, EVERYTHING)
    assert stranded == tuple(each.name for each in seen(simulation).models if not on_the_air(each))


def test_the_only_replica_of_a_server_takes_everything_with_it_until_it_is_back() -> None:
    simulation = cluster(server("s", 1))
    settled(simulation, model("a", memory="100k"), model("b", memory="100k"))
    assert found(simulation, Hazard.LAST_REPLICA).models == ("a", "b")
    simulation.kill("s", 0)
    assert ever_off(simulation, "a")
