"""Experiments in a plan: told as not applied, and of no other consequence."""

from __future__ import annotations

import dataclasses

from reconciler.model.experiments import Candidate, ExperimentSpec, Mirror
from reconciler.model.manifests import ExperimentManifest, Source
from reconciler.model.plan import Decision, Guards, Reason, Verb
from reconciler.planner import plan
from tests.planner.case import Json, desired_state, live_state

LIVE: Json = {"servers": {"s": {"spec": {"serverConfig": "mlserver"}}}}
DESIRED = desired_state([{"kind": "Model", "name": "iris", "spec": {"storageUri": "iris/1", "memory": "1k"}}])
SOURCE = Source("experiments.yaml", 3)


def experiment(name: str, default: str | None = "iris", mirror: Mirror | None = None) -> ExperimentManifest:
    spec = ExperimentSpec((Candidate("iris", 90), Candidate("next", 10)), default, mirror)
    return ExperimentManifest(name, spec, SOURCE)


def decisions(*experiments: ExperimentManifest, only: frozenset[str] = frozenset()) -> tuple[Decision, ...]:
    desired = dataclasses.replace(DESIRED, experiments=experiments)
    return plan(desired, live_state(LIVE), Guards(only=only)).decisions


def test_every_experiment_is_told_as_not_applied_after_servers_and_models() -> None:
    found = decisions(experiment("b"), experiment("a", None, Mirror("shadow", 5)))
    assert [(d.kind, d.name) for d in found] == [
        ("Server", "s"),
        ("Model", "iris"),
        ("Experiment", "a"),
        ("Experiment", "b"),
    ]
    assert all((d.verb, d.reason, d.source) == (Verb.NOT_APPLIED, Reason.NOT_CARRIED, SOURCE) for d in found[2:])
    assert found[2].detail == "iris 90, next 10 by weight; 5 % copied to shadow"
    assert found[3].detail == "iris 90, next 10 by weight, in the place of iris"


def test_an_experiment_changes_nothing_but_the_digest() -> None:
    without, having = (
        plan(dataclasses.replace(DESIRED, experiments=experiments), live_state(LIVE), Guards())
        for experiments in ((), (experiment("a"),))
    )
    assert having.actions == without.actions
    assert having.exit_code == without.exit_code == 0
    assert having.desired != without.desired


def test_a_plan_for_one_model_says_it_as_well() -> None:
    assert decisions(experiment("a"), only=frozenset({"iris"}))[-1].verb is Verb.NOT_APPLIED
