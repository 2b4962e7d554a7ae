"""What has to hold of every plan, whatever it was made from."""

from __future__ import annotations

import dataclasses
import random

from reconciler.model.live import LiveState
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Action, ActionKind, Guards, Plan, Verb
from reconciler.planner import plan, plan_unfinished

_ACTING = {Verb.LOAD, Verb.ROLL_OUT, Verb.RECREATE, Verb.RESCUE, Verb.HEAL, Verb.CHANGE, Verb.CREATE, Verb.ADOPT}
_ACTING |= {Verb.DECOMMISSION, Verb.DELETE}
_WRITES = {ActionKind.LOAD, ActionKind.CHANGE, ActionKind.RETRIGGER, ActionKind.PROBE}


def check(desired: DesiredState, live: LiveState, guards: Guards) -> Plan:
    """Plans (which fails where the replay refuses), and looks at the plan; returns it."""
    result = plan(desired, live, guards)
    _says_something_about_everything(result, desired, live)
    _acts_where_it_says_so(result)
    _keeps_what_is_held(result, live)
    for row in result.capacity:
        assert row.peak <= max(row.limit, row.before), row
    for action in result.actions:
        spec = None if action.model is None or action.kind not in _WRITES else action.model.spec
        assert spec is None or (spec.min_replicas or 0) <= spec.wanted_replicas, action
    assert plan(*shuffled(desired, live, seed=len(result.actions)), guards) == result
    plan_unfinished(live, guards)
    return result


def shuffled(desired: DesiredState, live: LiveState, seed: int) -> tuple[DesiredState, LiveState]:
    """Returns the same states with everything in them that has no order in another order."""
    chance = random.Random(seed)
    desired = dataclasses.replace(
        desired,
        models=tuple(chance.sample(desired.models, len(desired.models))),
        servers=tuple(chance.sample(desired.servers, len(desired.servers))),
        experiments=tuple(chance.sample(desired.experiments, len(desired.experiments))),
        pipelines=tuple(chance.sample(desired.pipelines, len(desired.pipelines))),
    )
    servers = tuple(
        dataclasses.replace(server, replicas=tuple(chance.sample(server.replicas, len(server.replicas))))
        for server in live.servers
    )
    models = tuple(
        dataclasses.replace(model, labels=model.labels[::-1], annotations=model.annotations[::-1])
        for model in live.models
    )
    return desired, dataclasses.replace(
        live,
        models=tuple(chance.sample(models, len(models))),
        servers=tuple(chance.sample(servers, len(servers))),
        experiments=tuple(chance.sample(live.experiments, len(live.experiments))),
        pipelines=tuple(chance.sample(live.pipelines, len(live.pipelines))),
    )


def _says_something_about_everything(result: Plan, desired: DesiredState, live: LiveState) -> None:
    names = {("Model", m.name) for m in desired.models} | {("Model", m.name) for m in live.models}
    names |= {("Server", s.name) for s in desired.servers} | {("Server", s.name) for s in live.servers}
    names |= {(item.kind, item.name) for item in (*desired.carried, *live.carried)}
    assert {(d.kind, d.name) for d in result.decisions} == names
    assert len(result.decisions) == len(names)


def _acts_where_it_says_so(result: Plan) -> None:
    subjects = {_about(action) for action in result.actions}
    for decision in result.decisions:
        acts = f"{decision.kind}/{decision.name}" in subjects
        assert acts or decision.verb not in _ACTING, decision
        assert not acts or decision.verb not in (Verb.IN_SYNC, Verb.UNMANAGED, Verb.NOT_SELECTED), decision


def _about(action: Action) -> str:
    if action.carried is not None:
        return action.subject
    return f"{'Model' if action.server is None else 'Server'}/{action.subject}"


def _keeps_what_is_held(result: Plan, live: LiveState) -> None:
    """What is held is not loaded."""
    held = {decision.name for decision in result.decisions if decision.kind == "Model" and decision.verb is Verb.HOLD}
    for action in result.actions:
        model = live.model(action.subject)
        if action.subject in held and model is not None and model.failure is not None and action.number is None:
            assert action.kind not in _WRITES or action.digest != model.failure.digest, action
