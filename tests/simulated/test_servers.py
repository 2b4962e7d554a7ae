"""Servers that grow, shrink, restart, get lost or are deleted (docs/seldon.md, "Servers")."""

from __future__ import annotations

import pytest

from tests.simulated.worlds import Scripted, cluster, free, model, on, server, settled, state, thing, version, wait, who


def test_a_new_server_is_not_ready_until_its_replicas_have_been_there_for_a_while() -> None:
    simulation = cluster(server("s"))
    simulation.apply([server("t", 2)])
    wait(simulation, 1)
    assert simulation.snapshot()["servers"]["t"] == {"expected": 2, "available": 0, "replicas": {}}
    assert (thing(simulation, "Server/t")["Ready"][0], thing(simulation, "Server/t")["loadedModels"]) == ("False", 0)
    wait(simulation, 4)
    assert simulation.snapshot()["servers"]["t"]["available"] == 2
    assert thing(simulation, "Server/t")["Ready"][0] == "False"
    wait(simulation, 5)
    assert thing(simulation, "Server/t")["Ready"] == ["True", "", ""]


def test_growing_retries_by_itself_what_was_not_placed_or_failed_or_is_not_whole() -> None:
    simulation = cluster(server(replicas=1))
    settled(simulation, model("a", memory="900k"), model("waits"), model("partly", "v1", "50k", 2, minReplicas=1))
    settled(simulation, model("fails", "broken", "10k"))
    settled(simulation, server(replicas=2))
    assert on(simulation, "waits") == {"1": "Available"}
    assert on(simulation, "partly") == {"0": "Available", "1": "Available"}
    assert on(simulation, "fails")["1"] == "LoadFailed"


def test_shrinking_removes_the_highest_index_and_moves_its_models_without_a_failed_request() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("a", memory="500k"), model("m", "slow2"))
    assert on(simulation, "m") == {"1": "Available"}
    simulation.listeners.append(lambda _: asked.append(who(simulation, "m")))
    asked: list[dict[str, float]] = []
    simulation.apply([server(replicas=1)])
    wait(simulation, 1)
    assert (on(simulation, "m"), state(simulation, "m", 1)) == ({"1": "Draining"}, "ModelAvailable")
    wait(simulation, 1)
    assert (on(simulation, "m"), state(simulation, "m", 1)) == ({"0": "Loading", "1": "Draining"}, "ModelProgressing")
    assert "availableReplicas" not in thing(simulation, "Model/m")
    wait(simulation, 10)
    assert on(simulation, "m") == {"0": "Available"}
    assert all("404" not in answers and "503" not in answers for answers in asked)
    assert thing(simulation, "Server/s")["Ready"][0] == "True"


def test_what_does_not_fit_on_the_rest_serves_until_the_pod_ends_and_is_then_off_the_air_for_good() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("a", memory="700k"), model("m", memory="600k"))
    simulation.apply([server(replicas=1)])
    wait(simulation, 3)
    found = version(simulation, "m", 1)
    assert (found["state"], found["server"], found["available"], found["unavailable"]) == ("ScheduleFailed", "s", 1, 0)
    assert who(simulation, "m") == {"v1@s-1": 1}
    wait(simulation, 10)
    found = version(simulation, "m", 1)
    assert (found["server"], found["replicas"], found["available"], found["unavailable"]) == ("", {}, 0, 1)
    assert who(simulation, "m") == {"404": 1}
    settled(simulation, server(replicas=2))
    assert who(simulation, "m") == {"v1@s-1": 1}


def test_a_model_on_all_replicas_goes_schedule_failed_and_keeps_the_remaining_ones() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", replicas=2), server(replicas=1))
    assert (state(simulation, "m", 1), on(simulation, "m")) == ("ScheduleFailed", {"0": "Available"})
    assert who(simulation, "m") == {"v1@s-0": 1}


def test_a_replica_wanted_again_before_it_drains_stays() -> None:
    simulation = cluster(server(replicas=2))
    there: set[int] = set()
    simulation.listeners.append(lambda _: there.add(simulation.snapshot()["servers"]["s"]["available"]))
    simulation.apply([server(replicas=1)])
    wait(simulation, 0.3)
    simulation.apply([server(replicas=2)])
    wait(simulation, 15)
    assert there == {2}


def test_a_server_whose_growth_is_called_off_is_ready_again() -> None:
    simulation = cluster(server())
    simulation.apply([server(replicas=2)])
    wait(simulation, 1)
    assert thing(simulation, "Server/s")["Ready"][0] == "False"
    simulation.apply([server()])
    wait(simulation, 10)
    assert thing(simulation, "Server/s")["Ready"][0] == "True"
    assert simulation.snapshot()["servers"]["s"]["available"] == 1


def test_a_replica_wanted_again_while_it_drains_ends_and_starts_again() -> None:
    simulation = cluster(server(replicas=2))
    simulation.apply([server(replicas=1)])
    wait(simulation, 1)
    simulation.apply([server(replicas=2)])
    wait(simulation, 2)
    assert simulation.snapshot()["servers"]["s"]["available"] == 1
    wait(simulation, 10)
    assert simulation.snapshot()["servers"]["s"]["available"] == 2


def test_a_lost_replica_takes_its_models_off_the_air_until_they_are_loaded_elsewhere() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", "slow2"))
    simulation.kill("s", 0)
    assert who(simulation, "m") == {"404": 1}
    assert on(simulation, "m") == {"1": "LoadRequested"}
    wait(simulation, 3)
    assert who(simulation, "m") == {"slow2@s-1": 1}


def test_a_model_whose_server_lost_its_only_replica_moves_to_another_as_a_new_version() -> None:
    simulation = cluster(server("s"), server("t"), choices=Scripted(servers=["s"]))
    settled(simulation, model("m"))
    simulation.kill("s", 0)
    wait(simulation, 5)
    assert who(simulation, "m") == {"v1@t-0": 1}
    assert (state(simulation, "m", 1), version(simulation, "m", 2)["server"]) == ("ModelTerminated", "t")


def test_a_model_of_two_replicas_that_loses_one_goes_on_with_the_other() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", replicas=2))
    simulation.kill("s", 1)
    wait(simulation, 5)
    assert who(simulation, "m") == {"v1@s-0": 1}
    assert (state(simulation, "m", 1), on(simulation, "m")) == ("ScheduleFailed", {"0": "Available"})


def test_a_replica_that_does_not_exist_cannot_be_lost() -> None:
    with pytest.raises(KeyError):
        cluster(server()).kill("s", 7)


def test_a_deleted_server_is_gone_at_once_and_its_models_move_where_they_can() -> None:
    simulation = cluster(server("s"), server("t"), choices=Scripted(servers=["s"]))
    settled(simulation, model("moves"), model("pinned", server="s"))
    simulation.delete("Server/s")
    wait(simulation, 0.5)
    assert "Server/s" not in simulation.snapshot()["objects"]
    assert who(simulation, "pinned") == {"v1@s-0": 1}
    wait(simulation, 15)
    assert list(simulation.snapshot()["servers"]) == ["t"]
    assert (who(simulation, "moves"), who(simulation, "pinned")) == ({"v1@t-0": 1}, {"404": 1})
    assert version(simulation, "moves", 2)["generation"] == 1
    settled(simulation, server("s"))
    assert who(simulation, "pinned") == {"v1@s-0": 1}


def test_a_new_pod_spec_restarts_the_replicas_one_after_the_other() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m"))
    pod = {"containers": [{"name": "mlserver", "resources": {"requests": {"memory": "2M"}}}]}
    simulation.apply([server(replicas=2, podSpec=pod)])
    least = 2
    for _ in range(60):
        wait(simulation, 0.5)
        least = min(least, simulation.snapshot()["servers"]["s"]["available"])
        assert "404" not in who(simulation, "m")
    assert least == 1
    assert thing(simulation, "Server/s")["Ready"][0] == "True"
    assert {free(simulation, replica=i) + 300_000 * (str(i) in on(simulation, "m")) for i in (0, 1)} == {2_000_000}


def test_a_server_of_one_replica_restarts_with_downtime() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.apply([server(podSpec={"nodeName": "x"})])
    wait(simulation, 6)
    assert who(simulation, "m") == {"404": 1}
    wait(simulation, 10)
    assert who(simulation, "m") == {"v1@s-0": 1}
