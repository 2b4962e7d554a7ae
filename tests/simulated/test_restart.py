"""A restart of the scheduler (docs/seldon.md, "Servers" and "Room leaks")."""

from __future__ import annotations

from tests.simulated.worlds import cluster, experiment, model, on, server, settled, state, thing, version, wait, who


def test_it_interrupts_no_request_and_keeps_version_numbers() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"), model("m", "v2"))
    asked: list[dict[str, float]] = []
    simulation.listeners.append(lambda _: asked.append(who(simulation, "m")))
    simulation.restart_scheduler()
    wait(simulation, 20)
    assert all(answers == {"v2@s-0": 1} for answers in asked)
    assert list(simulation.snapshot()["scheduler"]["m"]) == ["2"]
    assert state(simulation, "m", 2) == "ModelAvailable"


def test_it_clears_leaks_and_retries_what_waits_whose_route_comes_late() -> None:
    simulation = cluster(server())
    simulation.apply([model("leak", "slow2", "450k")])
    wait(simulation, 1)
    simulation.delete("Model/leak")
    wait(simulation, 5)
    settled(simulation, model("m", memory="600k"))
    assert state(simulation, "m", 1) == "ScheduleFailed"
    simulation.restart_scheduler()
    wait(simulation, 5)
    assert (state(simulation, "m", 1), who(simulation, "m")) == ("ModelAvailable", {"404": 1})
    assert thing(simulation, "Model/m")["Ready"][0] == "True"
    wait(simulation, 6)
    assert who(simulation, "m") == {"v1@s-0": 1}
    assert simulation.room("s", 0) == 400_000


def test_until_the_operator_tells_it_the_objects_it_knows_no_size_of_a_server() -> None:
    simulation = cluster(server())
    simulation.restart_scheduler()
    wait(simulation, 1.5)
    assert simulation.snapshot()["servers"]["s"]["expected"] == -1
    wait(simulation, 1)
    assert simulation.snapshot()["servers"]["s"]["expected"] == 1


def test_what_is_written_meanwhile_is_taken_in_when_it_is_back() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.restart_scheduler()
    wait(simulation, 0.5)
    simulation.apply([model("m", "v2")])
    simulation.apply([model("n", "v3")])
    wait(simulation, 20)
    assert (who(simulation, "m"), who(simulation, "n")) == ({"v2@s-0": 1}, {"v3@s-0": 1})


def test_a_load_in_flight_is_requested_again() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m"))
    simulation.apply([model("m", "slow6")])
    wait(simulation, 1)
    simulation.restart_scheduler()
    wait(simulation, 2.5)
    assert on(simulation, "m", 2) == {"1": "Loading"}
    wait(simulation, 15)
    assert who(simulation, "m") == {"slow6@s-1": 1}
    assert [simulation.room("s", i) for i in (0, 1)] == [1_000_000, 700_000]


def test_a_version_that_was_not_placed_comes_back_as_not_placed() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"), model("m", "v2", "800k"))
    simulation.restart_scheduler()
    wait(simulation, 15)
    assert (state(simulation, "m", 2), version(simulation, "m", 2)["generation"]) == ("ScheduleFailed", 2)
    assert who(simulation, "m") == {"404": 1}


def test_experiments_go_on() -> None:
    simulation = cluster(server())
    settled(simulation, model("a", "v1", "100k"), model("b", "v2", "100k"), experiment("x", "a", a=50, b=50))
    simulation.restart_scheduler()
    wait(simulation, 20)
    assert who(simulation, "a") == {"v1@s-0": 0.5, "v2@s-0": 0.5}


def test_until_envoy_has_connected_again_its_routes_lead_to_replicas_that_are_lost() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m"))
    simulation.restart_scheduler()
    wait(simulation, 5)
    simulation.kill("s", 0)
    wait(simulation, 1)
    assert (on(simulation, "m"), who(simulation, "m")) == ({"1": "Available"}, {"503": 1})
    wait(simulation, 5)
    assert who(simulation, "m") == {"v1@s-1": 1}


def test_a_restart_in_the_middle_of_a_restart_begins_again() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.restart_scheduler()
    wait(simulation, 1.5)
    simulation.restart_scheduler()
    wait(simulation, 1.5)
    assert simulation.snapshot()["servers"]["s"]["expected"] == -1
    wait(simulation, 10)
    assert (state(simulation, "m", 1), who(simulation, "m")) == ("ModelAvailable", {"v1@s-0": 1})
