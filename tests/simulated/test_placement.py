"""Where the scheduler places (docs/seldon.md, "Placement", "Room is not what is free")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulated.worlds import Scripted, cluster, free, model, on, server, settled, state, version, wait

NO_ROOM = "Failed to schedule model as no matching server had enough suitable replicas"
NO_SERVER = "Failed to schedule model as no matching servers are available"


def test_the_replica_with_most_room_is_taken_first_and_of_equal_ones_the_lowest() -> None:
    simulation = cluster(server(replicas=3))
    settled(simulation, model("a"), model("b", memory="100k"), model("c", replicas=2))
    assert [list(on(simulation, name)) for name in "abc"] == [["0"], ["1"], ["1", "2"]]


def test_shrinking_keeps_the_replicas_with_most_room_among_those_that_have_the_version() -> None:
    simulation = cluster(server(replicas=3))
    settled(simulation, model("a", memory="200k"), model("b", memory="100k"), model("m", replicas=3, memory="50k"))
    settled(simulation, model("m", replicas=1, memory="50k"))
    assert on(simulation, "m") == {"0": "Unloaded", "1": "Unloaded", "2": "Available"}


def test_an_exact_fit_fits_and_one_byte_more_does_not() -> None:
    simulation = cluster(server())
    settled(simulation, model("a", memory="400k"), model("b", memory="600001"), model("c", memory="600k"))
    assert [state(simulation, name, 1) for name in "bc"] == ["ScheduleFailed", "ModelAvailable"]


def test_memory_that_is_not_set_counts_as_nothing() -> None:
    simulation = cluster(server())
    settled(simulation, model("a", memory="1M"))
    simulation.apply([{"kind": "Model", "name": "b", "spec": {"storageUri": "v1"}}])
    wait(simulation, 5)
    assert state(simulation, "b", 1) == "ModelAvailable"


def test_all_replicas_are_placed_or_none() -> None:
    simulation = cluster(server(replicas=2))
    settled(simulation, model("a", memory="800k"), model("m", replicas=2))
    assert version(simulation, "m", 1)["replicas"] == {}
    assert state(simulation, "m", 1) == "ScheduleFailed"


def test_with_min_replicas_as_many_as_fit_are_placed() -> None:
    simulation = cluster(server(replicas=3))
    settled(simulation, model("a", memory="800k"), model("m", replicas=3, minReplicas=1))
    assert on(simulation, "m") == {"1": "Available", "2": "Available"}
    assert state(simulation, "m", 1) == "ModelAvailable"


def test_the_whole_number_on_another_server_goes_before_min_replicas_on_this_one() -> None:
    simulation = cluster(server("s", 1), server("t", 2))
    settled(simulation, model("m", replicas=2, minReplicas=1))
    assert version(simulation, "m", 1)["server"] == "t"


def test_of_several_servers_that_match_chance_chooses() -> None:
    simulation = cluster(server("s"), server("t"), choices=Scripted(servers=["t"]))
    settled(simulation, model("m"))
    assert version(simulation, "m", 1)["server"] == "t"


def test_the_server_that_runs_the_version_comes_before_what_chance_chooses() -> None:
    choices = Scripted(servers=["s"])
    simulation = cluster(server("s", 2), server("t", 2), choices=choices)
    settled(simulation, model("m"))
    choices.servers = ["t"]
    settled(simulation, model("m", replicas=2))
    assert on(simulation, "m") == {"0": "Available", "1": "Available"}
    assert version(simulation, "m", 1)["server"] == "s"


def test_where_the_chosen_server_has_no_room_the_next_one_is_tried() -> None:
    simulation = cluster(server("s"), server("t"), choices=Scripted(servers=["t"]))
    settled(simulation, model("a", memory="900k"), model("m", memory="900k"))
    assert [version(simulation, name, 1)["server"] for name in "am"] == ["t", "s"]


def test_a_model_that_outgrows_its_server_moves_to_another_as_a_new_version() -> None:
    simulation = cluster(server("s", 1), server("t", 2))
    settled(simulation, model("m"), model("m", replicas=2))
    assert version(simulation, "m", 2)["server"] == "t"
    assert state(simulation, "m", 1) == "ModelTerminated"


@pytest.mark.parametrize("spec", [{"requirements": ["torch"]}, {"server": "nope"}, {"modelType": "torch"}])
def test_without_a_server_that_matches_the_reason_says_so(spec: dict[str, Any]) -> None:
    simulation = cluster(server())
    settled(simulation, model("m", **spec))
    assert simulation.snapshot()["objects"]["Model/m"]["ModelReady"] == ["False", "ScheduleFailed", NO_SERVER]


def test_without_room_the_reason_says_so() -> None:
    simulation = cluster(server())
    settled(simulation, model("m", memory="2M"))
    assert simulation.snapshot()["objects"]["Model/m"]["Ready"] == ["False", "ScheduleFailed", NO_ROOM]


def test_capabilities_replace_those_of_the_config_and_extra_ones_are_added() -> None:
    simulation = cluster(server("s", capabilities=["a"], extraCapabilities=["b"]))
    for needs, expected in ((["a", "b"], "ModelAvailable"), (["sklearn"], "ScheduleFailed")):
        settled(simulation, model("m", requirements=needs))
        versions = simulation.snapshot()["scheduler"]["m"]
        assert versions[max(versions)]["state"] == expected


def test_a_load_in_flight_counts_twice_once_anything_there_is_reported() -> None:
    simulation = cluster(server())
    simulation.apply([model("b", "slow6", "450k")])
    wait(simulation, 1)
    assert simulation.room("s", 0) == 550_000
    simulation.apply([model("a", memory="100k")])
    wait(simulation, 1)
    assert (free(simulation), simulation.room("s", 0)) == (450_000, 0)
    wait(simulation, 6)
    assert (free(simulation), simulation.room("s", 0)) == (450_000, 450_000)


def test_a_burst_of_models_leaves_one_unplaced_though_there_is_room_for_all() -> None:
    simulation = cluster(server(), take_in_every=0.02)
    simulation.apply([model(f"m{i}", memory="100k") for i in range(8)])
    wait(simulation, 20)
    assert [state(simulation, f"m{i}", 1) for i in range(8)].count("ScheduleFailed") == 1


def test_an_unload_counts_until_it_is_over() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    simulation.delete("Model/m")
    wait(simulation, 2)
    assert simulation.room("s", 0) == 700_000
    wait(simulation, 0.3)
    assert simulation.room("s", 0) == 1_000_000


def test_memory_and_overcommit_of_a_pod_go_before_those_of_the_rules() -> None:
    pod = {
        "containers": [
            {"name": "mlserver", "resources": {"requests": {"memory": "2M"}}},
            {"name": "agent", "env": [{"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": "50"}]},
        ]
    }
    simulation = cluster(server(podSpec=pod))
    assert simulation.snapshot()["servers"]["s"]["replicas"]["0"] == {
        "total": 2_000_000,
        "free": 3_000_000,
        "models": 0,
    }
