"""Experiments and Pipelines in a plan: what the case files do not show (`cases/carried-*.yaml`)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from reconciler.model.experiments import Candidate, ExperimentSpec, Mirror
from reconciler.model.live import LiveState
from reconciler.model.manifests import ExperimentManifest, Source
from reconciler.model.plan import Action, ActionKind, Decision, EdgeKind, Guards, Plan, Reason, Verb
from reconciler.planner import plan, plan_unfinished
from reconciler.planner.replay import violations
from tests.planner.case import NOW, Json, desired_state, live_state, planned, read_case

CASES = Path(__file__).parent / "cases"
LIVE: Json = {"servers": {"s": {"spec": {"serverConfig": "mlserver"}}}}
DESIRED = desired_state([{"kind": "Model", "name": "iris", "spec": {"storageUri": "iris/1", "memory": "1k"}}])
SOURCE = Source("experiments.yaml", 3)


def experiment(name: str, default: str | None = "iris", mirror: Mirror | None = None) -> ExperimentManifest:
    spec = ExperimentSpec((Candidate("iris", 90), Candidate("next", 10)), default, mirror)
    return ExperimentManifest(name, spec, SOURCE)


def decisions(*experiments: ExperimentManifest, only: frozenset[str] = frozenset()) -> tuple[Decision, ...]:
    desired = dataclasses.replace(DESIRED, experiments=experiments)
    return plan(desired, live_state(LIVE), Guards(only=only)).decisions


def test_where_the_cluster_has_none_every_experiment_is_told_as_not_applied_after_servers_and_models() -> None:
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


def test_where_the_cluster_has_none_an_experiment_changes_nothing_but_the_digest() -> None:
    without, having = (
        plan(dataclasses.replace(DESIRED, experiments=experiments), live_state(LIVE), Guards())
        for experiments in ((), (experiment("a"),))
    )
    assert having.actions == without.actions
    assert having.exit_code == without.exit_code == 0
    assert having.desired != without.desired


def test_a_plan_for_one_model_says_it_as_well() -> None:
    assert decisions(experiment("a"), only=frozenset({"iris"}))[-1].verb is Verb.NOT_APPLIED


def good(name: str) -> tuple[Plan, LiveState]:
    case = read_case(CASES / f"{name}.yaml")
    return planned(case), live_state(case["live"])


@pytest.mark.parametrize(
    ("name", "due"),
    [
        ("carried-candidate-replaced", True),
        ("carried-explainer-before-its-model", True),
        ("carried-model-still-named", False),
        ("carried-removed-before-its-model", False),
    ],
)
def test_what_waits_for_this_plan_is_due_at_once_and_what_is_refused_is_not(name: str, due: bool) -> None:
    assert good(name)[0].next_step_at == (NOW if due else None)


def test_a_commit_that_is_not_valid_changes_no_experiment() -> None:
    assert plan_unfinished(good("carried-removed-before-its-model")[1], Guards()).actions == ()


def test_what_is_carried_along_is_part_of_the_fingerprint_but_not_whether_it_is_ready() -> None:
    live = good("carried-in-sync")[1]
    desired = desired_state([])
    (other, split) = live.experiments
    ready = dataclasses.replace(live, experiments=(dataclasses.replace(other, ready=True), split))
    gone = dataclasses.replace(live, experiments=(split,))
    prints = [plan(desired, state, Guards()).live for state in (live, ready, gone)]
    assert prints[0] == prints[1] != prints[2]


def _without_edges(found: Plan, of: ActionKind) -> Plan:
    actions = tuple(dataclasses.replace(a, after=()) if a.kind is of else a for a in found.actions)
    return dataclasses.replace(found, actions=actions)


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("carried-created-after-its-models", ActionKind.APPLY, "names next, which does not answer"),
        ("carried-pipelines-in-order", ActionKind.APPLY, "does not answer"),
        ("carried-renamed", ActionKind.APPLY, "has the same default as Experiment/old"),
        ("carried-removed-before-its-model", ActionKind.DECOMMISSION, "goes while Experiment/split names it"),
        ("carried-pipeline-removed", ActionKind.REMOVE, "goes while Experiment/both names it"),
    ],
)
def test_the_replay_refuses_a_plan_without_the_edges_of_what_is_carried_along(
    name: str, kind: ActionKind, why: str
) -> None:
    found, live = good(name)
    assert violations(found, live, Guards()) == ()
    assert any(why in text for text in violations(_without_edges(found, kind), live, Guards()))


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (ExperimentSpec((Candidate("iris", 0), Candidate("next", 0)), "iris"), "would freeze every route"),
        (ExperimentSpec((Candidate("iris", 1), Candidate("next", 1)), "wine"), "has a default that is no candidate"),
    ],
)
def test_the_replay_refuses_what_would_freeze_routes_or_be_rejected_without_a_word(
    spec: ExperimentSpec, why: str
) -> None:
    found, live = good("carried-created-after-its-models")

    def changed(action: Action) -> Action:
        given = action.carried
        written = dataclasses.replace(given, spec=spec) if isinstance(given, ExperimentManifest) else given
        return dataclasses.replace(action, carried=written)

    broken = dataclasses.replace(found, actions=tuple(map(changed, found.actions)))
    assert any(why in text for text in violations(broken, live, Guards()))


def test_the_replay_refuses_a_reference_to_what_nobody_names() -> None:
    found, live = good("carried-created-after-its-models")
    first = found.actions[0]

    def changed(action: Action) -> Action:
        edges = tuple(dataclasses.replace(edge, kind=EdgeKind.REFERENCE) for edge in action.after)
        return action if action is first else dataclasses.replace(action, after=edges)

    broken = dataclasses.replace(found, actions=tuple(map(changed, found.actions)))
    assert any("neither names the other" in text for text in violations(broken, live, Guards()))
