"""Experiments whose weights, default or candidates are wrong."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest

from reconciler.doctor.examination import examine
from reconciler.doctor.finding import Finding
from reconciler.model.carried import LiveExperiment
from reconciler.model.experiments import Candidate, ExperimentSpec, ResourceType
from reconciler.model.live import LiveState
from tests.doctor.recorded import FOLDER
from tests.doctor.test_recorded import seen
from tests.planner.case import live_state
from tests.recordings.choices import RecordedChoices
from tests.recordings.player import play
from tests.recordings.recording import read_recording

MODEL = {"storageUri": "m/1", "requirements": ["sklearn"], "memory": "100k"}
SERVES = {"spec": MODEL, "versions": {1: {"replicas": {0: "Available"}}}, "route": {1: 100}}
UNPLACED = {"spec": MODEL, "versions": {1: {"state": "ScheduleFailed", "server": "", "replicas": {}}}}


def experiment(name: str, spec: ExperimentSpec, namespace: str | None = None, deleting: bool = False) -> LiveExperiment:
    return LiveExperiment(name, spec, namespace=namespace, deleting=deleting)


def of(default: str | None, kind: ResourceType = ResourceType.MODEL, /, **weights: int) -> ExperimentSpec:
    candidates = tuple(Candidate(name, weight) for name, weight in weights.items())
    return ExperimentSpec(candidates, default, resource_type=kind)


def findings(*experiments: LiveExperiment) -> list[Finding]:
    servers = {"mlserver": {"spec": {"replicas": 2, "minReplicas": 2, "memory": "1M"}}}
    live = live_state({"traits": "seldon", "servers": servers, "models": {"a": SERVES, "b": SERVES, "lost": UNPLACED}})
    there = replace(live, experiments=experiments)
    return [found for found in examine(there, "test").findings if found.kind == "Experiment"]


def test_one_that_is_in_order_is_no_hazard() -> None:
    assert findings(experiment("x", of("a", a=90, b=10))) == []


def test_weights_of_0_are_fine_as_long_as_one_is_not() -> None:
    assert findings(experiment("x", of("a", a=0, b=10))) == []


def test_weights_that_are_all_0_freeze_every_route() -> None:
    (found,) = findings(experiment("x", of("b", a=0, b=0), "prod"))
    assert (found.severity, found.hazard) == ("next change is an outage", "experiment-freezes-routes")
    assert found.fixes[0].command == (
        "kubectl patch experiment x -n prod --type merge -p "
        """'{"spec":{"candidates":[{"name":"a","weight":0},{"name":"b","weight":100}]}}'"""
    )


def test_a_default_that_is_no_candidate_is_rejected_without_a_word() -> None:
    (found,) = findings(experiment("x", of("c", a=50, b=50)))
    assert found.hazard == "experiment-default"
    assert found.what == "its default is c, its candidates are a and b"
    assert "still say Ready" in found.consequence


def test_two_with_the_same_default_are_one_too_many() -> None:
    (found,) = findings(experiment("x", of("a", a=1)), experiment("y", of("a", a=1, b=1)))
    assert (found.name, found.what) == ("y", "a is the default of Experiment x as well")


def test_a_candidate_that_cannot_serve_leaves_all_requests_to_the_default() -> None:
    (found,) = findings(experiment("x", of("a", a=1, lost=1, nobody=1)))
    assert found.what == "lost has found no place; nobody does not exist"
    assert found.consequence == "it is not in effect: a, its default, gets all requests for a"
    assert found.models == ("lost", "nobody")


def test_a_default_that_cannot_serve_gets_nothing_answered() -> None:
    (found,) = findings(experiment("x", of("lost", a=1, lost=1)))
    assert "every request for lost, its default, gets 404" in found.consequence


def test_of_pipelines_it_is_only_looked_whether_they_exist() -> None:
    (found,) = findings(experiment("x", of("a", ResourceType.PIPELINE, a=1)))
    assert found.what == "a does not exist"


def test_one_that_is_being_deleted_is_over() -> None:
    assert findings(experiment("x", of("a", a=0), deleting=True)) == []


RECORDED = {
    "experiment-all-zero": {
        "0/0": ["experiment-freezes-routes x"],
        "a new model meanwhile": ["loaded-but-off-the-air late", "experiment-freezes-routes x"],
        "50/50": [],
    },
    "experiment-updates": {
        "update default": [],
        "default does not fit": ["loaded-but-off-the-air e1", "experiment-candidate x"],
        "repaired": [],
        "update candidate": [],
        "candidate does not fit": ["loaded-but-off-the-air e2", "experiment-candidate x"],
        "candidate repaired": [],
    },
    "experiment-weights": {
        "50/50": [],
        "90/10": [],
        "100/0": [],
        "0/100": [],
        "a candidate that does not exist": ["experiment-candidate x"],
        "a default that is not a candidate": ["experiment-default x"],
        "delete the experiment": [],
    },
}
"""By recording, what is told at the end of each step."""


def after_steps(name: str, steps: int) -> LiveState:
    """Returns what is live when so many steps of a recording are over."""
    recording = read_recording(FOLDER / f"{name}.yaml")
    end = play(dataclasses.replace(recording, steps=recording.steps[:steps]), RecordedChoices(recording, {})).end
    assert end is not None
    return seen(end)


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_every_step_of_a_recorded_experiment_is_told_as_what_it_is(name: str) -> None:
    for number, step in enumerate(read_recording(FOLDER / f"{name}.yaml").steps, 1):
        told = examine(after_steps(name, number), "test").findings
        without = [f"{each.hazard} {each.name}" for each in told if each.hazard != "stranded-without-the-last-replica"]
        assert without == RECORDED[name][step.name], step.name


def test_a_model_whose_route_is_frozen_is_told_to_wait_for_the_experiment() -> None:
    (late,) = [f for f in examine(after_steps("experiment-all-zero", 2), "test").findings if f.name == "late"]
    assert late.consequence.endswith("Experiment x freezes every route of the cluster")
    assert [fix.text for fix in late.fixes] == ["repair Experiment x, as told below; then it answers by itself"]
