"""Experiments (docs/seldon.md, "Experiments")."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.clusters.simulated import Simulation
from tests.simulated.worlds import cluster, experiment, model, server, settled, thing, wait, who


@pytest.fixture
def simulation() -> Simulation:
    """Two models of their own Servers, and an experiment of half each."""
    found = cluster(server("s"), server("t"))
    settled(found, model("a", "v1", server="s"), model("b", "v2", server="t"), experiment("x", "a", a=50, b=50))
    return found


def told(simulation: Simulation) -> dict[str, Any]:
    return {name: value[0] for name, value in thing(simulation, "Experiment/x").items() if isinstance(value, list)}


def test_it_takes_over_the_route_of_its_default_and_has_one_of_its_own(simulation: Simulation) -> None:
    half = {"v1@s-0": 0.5, "v2@t-0": 0.5}
    assert (who(simulation, "a"), who(simulation, "x.experiment"), who(simulation, "b")) == (half, half, {"v2@t-0": 1})
    assert set(told(simulation).values()) == {"True"}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": 90, "b": 10}, {"v1@s-0": 0.9, "v2@t-0": 0.1}),
        ({"a": 100, "b": 0}, {"v1@s-0": 1}),
        ({"a": 0, "b": 7}, {"v2@t-0": 1}),
    ],
)
def test_weights_count_relative_to_each_other_and_0_is_exact(
    simulation: Simulation, weights: dict[str, int], expected: dict[str, float]
) -> None:
    settled(simulation, experiment("x", "a", **weights))
    assert who(simulation, "a") == expected


def test_without_a_default_it_only_has_its_own_route(simulation: Simulation) -> None:
    settled(simulation, experiment("x", None, a=50, b=50))
    assert who(simulation, "a") == {"v1@s-0": 1}
    assert who(simulation, "x.experiment") == {"v1@s-0": 0.5, "v2@t-0": 0.5}


def test_a_candidate_that_does_not_exist_deactivates_it(simulation: Simulation) -> None:
    settled(simulation, experiment("x", "a", a=50, nope=50))
    assert (who(simulation, "a"), who(simulation, "x.experiment")) == ({"v1@s-0": 1}, {"404": 1})
    assert thing(simulation, "Experiment/x")["ExperimentReady"] == ["False", "", ""]
    assert thing(simulation, "Experiment/x")["Ready"] == ["False", "", "Candidates not ready"]


def test_a_candidate_that_cannot_be_placed_deactivates_it(simulation: Simulation) -> None:
    settled(simulation, model("b", "v3", "5M", server="t"))
    assert (who(simulation, "a"), who(simulation, "b")) == ({"v1@s-0": 1}, {"404": 1})
    assert thing(simulation, "Experiment/x")["Ready"] == ["False", "", "Server [] not found"]


def test_a_default_that_cannot_be_placed_is_off_the_air_whatever_the_candidates_do(simulation: Simulation) -> None:
    settled(simulation, model("a", "v3", "5M", server="s"))
    assert (who(simulation, "a"), who(simulation, "b")) == ({"404": 1}, {"v2@t-0": 1})


def test_a_rolling_update_keeps_the_weights_though_the_object_is_not_ready_meanwhile(simulation: Simulation) -> None:
    simulation.apply([model("b", "slow2", server="t")])
    wait(simulation, 1)
    assert who(simulation, "a") == {"v1@s-0": 0.5, "v2@t-0": 0.5}
    assert told(simulation) == {
        "CandidatesReady": "False",
        "ExperimentReady": "True",
        "MirrorReady": "True",
        "Ready": "False",
    }
    wait(simulation, 3)
    assert who(simulation, "a") == {"v1@s-0": 0.5, "slow2@t-0": 0.5}
    assert set(told(simulation).values()) == {"True"}


def test_a_candidate_still_loading_for_the_first_time_gets_nothing(simulation: Simulation) -> None:
    simulation.apply([model("c", "slow6", server="t"), experiment("x", "a", a=10, c=90)])
    wait(simulation, 2)
    assert who(simulation, "a") == {"v1@s-0": 1}
    wait(simulation, 6)
    assert who(simulation, "a") == {"v1@s-0": 0.1, "slow6@t-0": 0.9}


def test_all_weights_0_freeze_every_route_until_it_is_repaired(simulation: Simulation) -> None:
    settled(simulation, experiment("x", "a", a=0, b=0), model("late", "v5", server="t"))
    assert who(simulation, "a") == {"v1@s-0": 0.5, "v2@t-0": 0.5}
    assert who(simulation, "late") == {"404": 1}
    assert thing(simulation, "Model/late")["Ready"][0] == "True"
    assert set(told(simulation).values()) == {"True"}
    settled(simulation, experiment("x", "a", a=50, b=50))
    assert who(simulation, "late") == {"v5@t-0": 1}


def test_a_frozen_route_leads_to_a_version_that_is_no_more(simulation: Simulation) -> None:
    settled(simulation, experiment("x", "a", a=0, b=0), model("b", "v3", server="t"))
    assert who(simulation, "b") == {"404": 1}
    assert who(simulation, "a") == {"v1@s-0": 0.5, "404": 0.5}


@pytest.mark.parametrize(
    "bad", [experiment("x", "late", a=50, b=50), experiment("y", "a", a=1)], ids=["no candidate", "taken default"]
)
def test_what_the_scheduler_does_not_like_changes_nothing_and_no_status_says_so(
    simulation: Simulation, bad: dict[str, Any]
) -> None:
    settled(simulation, bad)
    assert who(simulation, "a") == {"v1@s-0": 0.5, "v2@t-0": 0.5}
    assert set(told(simulation).values()) == {"True"}
    assert "Ready" not in simulation.snapshot()["objects"].get("Experiment/y", {})


def test_deleting_it_restores_the_default_a_little_later(simulation: Simulation) -> None:
    simulation.delete("Experiment/x")
    wait(simulation, 1)
    assert (thing(simulation, "Experiment/x")["deleting"], len(who(simulation, "a"))) == (True, 2)
    wait(simulation, 1)
    assert (who(simulation, "a"), who(simulation, "x.experiment")) == ({"v1@s-0": 1}, {"404": 1})
    assert "Experiment/x" not in simulation.snapshot()["objects"]


def test_a_mirror_answers_nobody_but_must_be_there(simulation: Simulation) -> None:
    mirrored = experiment("x", "a", a=100)
    mirrored["spec"]["mirror"] = {"name": "b", "percent": 100}
    settled(simulation, mirrored)
    assert who(simulation, "a") == {"v1@s-0": 1}
    simulation.delete("Model/b")
    wait(simulation, 5)
    assert (told(simulation)["MirrorReady"], told(simulation)["Ready"]) == ("False", "False")


def test_a_deleted_candidate_deactivates_it(simulation: Simulation) -> None:
    simulation.delete("Model/b")
    wait(simulation, 5)
    assert who(simulation, "a") == {"v1@s-0": 1}
    assert told(simulation)["Ready"] == "False"
