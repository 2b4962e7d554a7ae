"""What the objects say, and when they lie (docs/seldon.md, "Status: what to believe")."""

from __future__ import annotations

from tests.simulated.worlds import cluster, model, server, settled, thing, version, wait


def test_ready_is_still_true_of_the_old_generation_right_after_a_patch() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.apply([model("m", "slow2")])
    assert (thing(simulation, "Model/m")["generation"], thing(simulation, "Model/m")["Ready"][0]) == (2, "True")
    wait(simulation, 0.3)
    assert thing(simulation, "Model/m")["Ready"] == ["False", "ModelProgressing", ""]


def test_what_happens_to_a_generation_that_is_not_the_objects_any_more_is_not_written() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", "slow2")])
    wait(simulation, 2.4)
    told: set[str] = set()
    simulation.listeners.append(lambda _: told.add(thing(simulation, "Model/m")["Ready"][0]))
    simulation.apply([model("m", "slow6")])
    wait(simulation, 2)
    assert version(simulation, "m", 1)["state"] == "ModelAvailable"
    assert told == {"False"}


def test_the_generation_of_the_scheduler_tells_the_truth() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.apply([model("m", replicas=2)])
    assert version(simulation, "m", 1)["generation"] == 1
    wait(simulation, 0.3)
    assert version(simulation, "m", 1)["generation"] == 2


def test_the_message_holds_the_state_and_the_reason_the_text_and_ready_repeats_both_while_false() -> None:
    simulation = cluster(server())
    settled(simulation, model("m", memory="2M"), model("ok"))
    found = thing(simulation, "Model/m")
    assert found["ModelReady"] == found["Ready"]
    assert found["Ready"][:2] == ["False", "ScheduleFailed"]
    assert thing(simulation, "Model/ok")["ModelReady"] == ["True", "ModelAvailable", ""]
    assert thing(simulation, "Model/ok")["Ready"] == ["True", "", ""]


def test_available_replicas_is_absent_not_0_and_replicas_counts_both_kinds() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m"))
    simulation.apply([model("m", "slow2", replicas=2)])
    wait(simulation, 1)
    assert "availableReplicas" not in thing(simulation, "Model/m")
    assert thing(simulation, "Model/m")["replicas"] == 2


def test_a_change_that_alters_no_replica_writes_nothing() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    seen: list[object] = []
    simulation.listeners.append(lambda _: seen.append({**thing(simulation, "Model/m"), "generation": 0}))
    simulation.patch("Model/m", {"spec": {"preloaded": True}})
    wait(simulation, 5)
    assert len({str(status) for status in seen}) == 1


def test_loaded_models_counts_names_on_replicas_without_loads_in_flight_and_a_little_late() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", replicas=2))
    assert thing(simulation, "Server/s")["loadedModels"] == 2
    simulation.apply([model("m", "slow2", replicas=2), model("n", "slow2")])
    wait(simulation, 2.25)
    assert simulation.snapshot()["servers"]["s"]["replicas"]["0"]["models"] == 1
    wait(simulation, 0.2)
    assert thing(simulation, "Server/s")["loadedModels"] == 2
    wait(simulation, 0.3)
    assert thing(simulation, "Server/s")["loadedModels"] == 3


def test_the_replicas_of_a_server_are_those_asked_for_and_its_ready_is_false_while_it_grows() -> None:
    simulation = cluster(server())
    simulation.apply([server(replicas=2)])
    wait(simulation, 1)
    found = thing(simulation, "Server/s")
    assert (found["replicas"], found["Ready"][0], found["StatefulSetOrDeploymentReady"][0]) == (2, "False", "False")
    assert simulation.snapshot()["servers"]["s"]["available"] == 1
