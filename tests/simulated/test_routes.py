"""Who keeps the route, and when (docs/seldon.md, "How a rolling update really runs")."""

from __future__ import annotations

from tests.simulated.worlds import cluster, free, model, on, server, settled, state, thing, wait, who


def test_the_old_version_serves_alone_until_the_new_one_is_available_and_is_then_unloaded() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.apply([model("m", "slow2")])
    wait(simulation, 2)
    assert who(simulation, "m") == {"v1@s-0": 1}
    wait(simulation, 0.5)
    assert who(simulation, "m") == {"slow2@s-0": 1}
    assert on(simulation, "m", 1) == {"0": "Unloading"}
    wait(simulation, 2)
    assert (on(simulation, "m", 1), free(simulation)) == ({"0": "Unloaded"}, 700_000)


def test_all_traffic_goes_to_the_first_available_replica() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", replicas=2))
    simulation.apply([model("m", "slow6-on-1", replicas=2)])
    wait(simulation, 3)
    assert who(simulation, "m") == {"slow6-on-1@s-0": 1}
    wait(simulation, 5)
    assert who(simulation, "m") == {"slow6-on-1@s-0": 0.5, "slow6-on-1@s-1": 0.5}


def test_an_update_that_cannot_be_placed_takes_the_model_off_the_air_for_good() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"), model("m", "v2", memory="800k"))
    assert who(simulation, "m") == {"404": 1}
    assert state(simulation, "m", 1) == "ModelAvailable"


def test_any_version_that_can_be_placed_brings_the_old_one_back_while_it_loads() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"), model("m", "v2", memory="800k"))
    simulation.apply([model("m", "slow2")])
    wait(simulation, 1)
    assert who(simulation, "m") == {"v1@s-0": 1}


def test_a_load_that_fails_leaves_all_traffic_with_the_old_version() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"), model("m", "broken"))
    assert who(simulation, "m") == {"v1@s-0": 1}
    assert "availableReplicas" not in thing(simulation, "Model/m")


def test_a_retrigger_of_a_failed_load_that_finds_no_room_takes_the_old_version_off_the_air() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"), model("m", "broken"), model("n", memory="600k"))
    assert who(simulation, "m") == {"v1@s-0": 1}
    simulation.patch("Model/m", {"spec": {"preloaded": True}})
    wait(simulation, 2)
    assert (state(simulation, "m", 2), who(simulation, "m")) == ("ScheduleFailed", {"404": 1})


def test_an_update_while_the_model_still_grows_is_an_outage_until_it_is_loaded() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", "slow6-on-1"))
    simulation.apply([model("m", "slow6-on-1", replicas=2)])
    wait(simulation, 1)
    assert who(simulation, "m") == {"slow6-on-1@s-0": 1}
    simulation.apply([model("m", "slow2", replicas=2)])
    wait(simulation, 1)
    assert who(simulation, "m") == {"404": 1}
    wait(simulation, 3)
    assert who(simulation, "m") == {"slow2@s-0": 0.5, "slow2@s-1": 0.5}


def test_an_update_from_schedule_failed_is_an_outage_until_it_is_loaded() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", replicas=2), model("m", replicas=3))
    assert who(simulation, "m") == {"v1@s-0": 0.5, "v1@s-1": 0.5}
    simulation.apply([model("m", "slow2", replicas=2)])
    wait(simulation, 1)
    assert who(simulation, "m") == {"404": 1}


def test_when_one_replica_fails_before_the_other_is_available_both_versions_share_by_replicas() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("m", replicas=2), model("m", "broken-on-1-slow6-on-0", replicas=2))
    shares = who(simulation, "m")
    assert shares == {"v1@s-0": 0.333, "v1@s-1": 0.333, "broken-on-1-slow6-on-0@s-0": 0.333}
    settled(simulation, model("m", "broken-on-1-slow6-on-0", replicas=1))
    assert who(simulation, "m") == {"broken-on-1-slow6-on-0@s-0": 1}
    assert state(simulation, "m", 1) == "ModelTerminated"


def test_a_third_version_that_cannot_be_placed_leaves_the_second_loaded_and_off_the_air() -> None:
    simulation = cluster(server())
    settled(simulation, model("m", memory="400k"))
    simulation.apply([model("m", "slow6", "400k")])
    wait(simulation, 2)
    settled(simulation, model("m", "v3", "400k"))
    assert who(simulation, "m") == {"404": 1}
    assert (state(simulation, "m", 2), on(simulation, "m", 2)) == ("ModelTerminating", {"0": "Loaded"})
    settled(simulation, model("m", "v4", "100k"))
    assert who(simulation, "m") == {"v4@s-0": 1}
    assert (on(simulation, "m", 2), free(simulation)) == ({"0": "Unloaded"}, 900_000)


def test_a_version_that_was_never_placed_stays_as_it_is_for_ever() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"), model("m", "v2", memory="800k"), model("m", "v3"))
    assert [state(simulation, "m", n) for n in (1, 2, 3)] == ["ModelTerminated", "ScheduleFailed", "ModelAvailable"]


def test_a_model_nobody_knows_is_not_found() -> None:
    assert who(cluster(server()), "nope") == {"404": 1}
