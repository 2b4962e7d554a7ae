"""The end of models and of their objects (docs/seldon.md, "Deleting")."""

from __future__ import annotations

import pytest

from tests.simulated.worlds import cluster, free, model, server, settled, state, thing, wait, who


def test_the_route_goes_at_once_and_the_object_with_the_last_unload() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.delete("Model/m")
    wait(simulation, 1)
    assert who(simulation, "m") == {"404": 1}
    found = thing(simulation, "Model/m")
    assert (found["generation"], found["deleting"], found["Ready"]) == (2, True, ["False", "ModelTerminating", ""])
    assert "replicas" not in found
    assert "availableReplicas" not in found
    wait(simulation, 2)
    assert "Model/m" not in simulation.snapshot()["objects"]
    assert (simulation.snapshot()["scheduler"]["m"], free(simulation)) == ("deleted", 1_000_000)


def test_every_version_is_unloaded() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"), model("m", "v2", memory="800k"))
    simulation.delete("Model/m")
    wait(simulation, 5)
    assert free(simulation) == 1_000_000


def test_a_model_that_was_never_placed_is_gone_at_once() -> None:
    simulation = cluster(server())
    settled(simulation, model("m", memory="2M"))
    simulation.delete("Model/m")
    wait(simulation, 0.3)
    assert simulation.snapshot()["objects"].keys() == {"Server/s"}


def test_a_load_in_flight_is_waited_for() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", "slow6")])
    wait(simulation, 1)
    simulation.delete("Model/m")
    wait(simulation, 4.5)
    assert "Model/m" in simulation.snapshot()["objects"]
    wait(simulation, 1.5)
    assert "Model/m" not in simulation.snapshot()["objects"]


def test_what_is_applied_while_it_is_being_deleted_is_lost_with_it() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.delete("Model/m")
    simulation.apply([model("m", "v2")])
    assert thing(simulation, "Model/m")["generation"] == 3
    wait(simulation, 10)
    assert "Model/m" not in simulation.snapshot()["objects"]
    settled(simulation, model("m", "v2"))
    assert (state(simulation, "m", 1), thing(simulation, "Model/m")["generation"]) == ("ModelAvailable", 1)


def test_deleting_twice_is_deleting_once() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.delete("Model/m")
    simulation.delete("Model/m")
    assert thing(simulation, "Model/m")["generation"] == 2


def test_a_model_whose_replica_is_lost_while_it_ends_is_gone() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m"))
    simulation.delete("Model/m")
    wait(simulation, 1)
    simulation.kill("s", 0)
    wait(simulation, 1)
    assert "Model/m" not in simulation.snapshot()["objects"]


def test_a_load_that_failed_on_a_replica_lost_since_holds_nothing_up() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", "broken-on-1", replicas=2))
    simulation.kill("s", 1)
    wait(simulation, 5)
    simulation.delete("Model/m")
    wait(simulation, 5)
    assert "Model/m" not in simulation.snapshot()["objects"]


def test_what_does_not_exist_cannot_be_deleted() -> None:
    with pytest.raises(KeyError):
        cluster(server()).delete("Model/m")
