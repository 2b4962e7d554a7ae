"""One plan, as a story: decide, arrange, retire servers, replay."""

from __future__ import annotations

import heapq

from reconciler.errors import PlanUnsafe, UsageError
from reconciler.model.live import LiveState
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Action, ActionKind, Decision, Guards, Plan, Reason, Verb
from reconciler.planner.autoscaling import stranding
from reconciler.planner.capacity import capacity
from reconciler.planner.experiments import experiment_decisions
from reconciler.planner.fingerprint import fingerprint
from reconciler.planner.guards import guard_deletions
from reconciler.planner.ordering import Arrangement, arrange
from reconciler.planner.replay import violations
from reconciler.planner.retirement import retire
from reconciler.planner.servers import Outlook, ServerVerdict, decide_server, outlook
from reconciler.planner.shortfall import blocked
from reconciler.planner.situation import Situation
from reconciler.planner.table import Verdict, decide, unfinished
from reconciler.planner.unit import Unit

_ORDER = {kind: number for number, kind in enumerate(ActionKind)}


def plan(desired: DesiredState, live: LiveState, guards: Guards) -> Plan:
    """Returns the plan that brings `live` to `desired` as far as room and guards allow.

    Raises:
        UsageError: `guards` are impossible (`max_deletions`), or `guards.only` names a model that is nowhere.
        PlanUnsafe: the replay checker refused the result: a bug in this package, nothing was changed.
    """
    _check_selection(desired, live, guards)
    models = [_selected(verdict, guards) for verdict in _decide_models(desired, live, guards)]
    servers = _decide_servers(desired, live, guards)
    if guards.only:
        servers = [_untouched(verdict) if verdict.late else verdict for verdict in servers]
    models, servers = guard_deletions(models, servers, desired, live, guards)
    units = [verdict.unit for verdict in models if verdict.unit]
    if guards.only:
        servers = _servers_needed(units, servers, live, guards)
    arrangement, stranding_others = _arranged(units, outlook(live, tuple(servers)), guards, live)
    shortfalls = {unit.decision.name: blocked(unit, arrangement) for unit in arrangement.blocked} | stranding_others
    told = {unit.decision.name: unit.decision for unit in arrangement.placed} | shortfalls
    decisions = [told.get(v.decision.name, v.decision) for v in models]
    due = [v.due for v in models if v.due is not None and not _idle(v, shortfalls, live)]
    retired = [_with_retirement(verdict, live, arrangement) for verdict in servers]
    early = [verdict.early for verdict in retired if verdict.early]
    late = [verdict.late for verdict in retired if verdict.late]
    for verdict, before in zip(retired, servers, strict=True):
        decisions.append(verdict.decision)
        due += [live.observed_at] if before.late and verdict.decision.verb is Verb.WAIT else []
    actions = [*early, *late, *(action for unit in arrangement.placed for action in unit.actions)]
    result = Plan(
        instance=guards.instance,
        commit=desired.commit,
        desired=desired.digest,
        live=fingerprint(live),
        decisions=(
            *sorted(decisions, key=lambda d: (d.kind != "Server", d.name)),
            *experiment_decisions(desired),
        ),
        actions=in_order(actions),
        capacity=capacity(arrangement, live, late),
        next_step_at=min(due, default=None),
        guards=guards,
    )
    return _replayed(result, live, guards)


def _idle(verdict: Verdict, shortfalls: dict[str, Decision], live: LiveState) -> bool:
    """What is due now and finds no room is not due: a pass after this one would find no more."""
    return verdict.decision.name in shortfalls and verdict.due is not None and verdict.due <= live.observed_at


def _arranged(
    units: list[Unit], outlooks: tuple[Outlook, ...], guards: Guards, live: LiveState
) -> tuple[Arrangement, dict[str, Decision]]:
    """Returns the arrangement of all units but those that would have an autoscaler strand others, and why for these."""
    left_out: dict[str, Decision] = {}
    while True:
        chosen = [unit for unit in units if unit.decision.name not in left_out]
        arrangement = arrange(chosen, outlooks, guards.headroom, live.models)
        found = stranding(arrangement, outlooks, live)
        if not found:
            return arrangement, left_out
        left_out |= found


def _with_retirement(verdict: ServerVerdict, live: LiveState, arrangement: Arrangement) -> ServerVerdict:
    if verdict.late is None:
        return verdict
    decision, action = retire(verdict, live, arrangement)
    return ServerVerdict(decision, late=action)


def plan_unfinished(live: LiveState, guards: Guards) -> Plan:
    """Returns the plan for a commit that is not valid: it changes nothing, but what was under way is finished.

    Raises:
        PlanUnsafe: the replay checker refused the result.
    """
    found = (
        unfinished(Situation(model.name, None, model, guards, live.traits, "", live.observed_at))
        for model in live.models
    )
    verdicts = [verdict for verdict in found if verdict is not None]
    arrangement = arrange([v.unit for v in verdicts if v.unit], outlook(live, ()), guards.headroom, live.models)
    result = Plan(
        instance=guards.instance,
        commit="",
        desired="",
        live=fingerprint(live),
        decisions=tuple(verdict.decision for verdict in verdicts),
        actions=in_order([action for unit in arrangement.placed for action in unit.actions]),
        capacity=capacity(arrangement, live, []),
        guards=guards,
    )
    return _replayed(result, live, guards)


def _replayed(result: Plan, live: LiveState, guards: Guards) -> Plan:
    found = violations(result, live, guards)
    if found:
        raise PlanUnsafe(
            f"the plan does not survive its replay: {found[0]}",
            why=f"{len(found)} violation(s); the planner and its checker disagree, which is a bug",
            fix="please report it, with the manifests and the output of `reconciler status -o json`",
        )
    return result


def in_order(actions: list[Action]) -> tuple[Action, ...]:
    """Returns `actions` so that each follows its predecessors, otherwise in the default order: by kind, then name."""
    waiting = {action.id: {edge.action for edge in action.after} for action in actions}
    followers: dict[str, list[str]] = {}
    for action in actions:
        for edge in action.after:
            followers.setdefault(edge.action, []).append(action.id)
    by_id = {action.id: action for action in actions}
    ready = [(_ORDER[by_id[i].kind], i) for i, before in waiting.items() if not before]
    heapq.heapify(ready)
    result: list[Action] = []
    while ready:
        _, current = heapq.heappop(ready)
        result.append(by_id[current])
        for follower in followers.get(current, []):
            waiting[follower].discard(current)
            if not waiting[follower]:
                heapq.heappush(ready, (_ORDER[by_id[follower].kind], follower))
    if len(result) < len(actions):
        circle = ", ".join(sorted(set(waiting) - {action.id for action in result})[:10])
        raise PlanUnsafe(f"the plan has a cycle among {circle}", why="its edges contradict each other, which is a bug")
    return tuple(result)


def _decide_models(desired: DesiredState, live: LiveState, guards: Guards) -> list[Verdict]:
    manifests = {manifest.name: manifest for manifest in desired.models}
    models = {model.name: model for model in live.models}
    return [
        decide(
            Situation(
                name, manifests.get(name), models.get(name), guards, live.traits, desired.commit, live.observed_at
            )
        )
        for name in sorted(manifests.keys() | models.keys())
    ]


def _decide_servers(desired: DesiredState, live: LiveState, guards: Guards) -> list[ServerVerdict]:
    manifests = {manifest.name: manifest for manifest in desired.servers}
    servers = {server.name: server for server in live.servers}
    return [
        decide_server(name, manifests.get(name), servers.get(name), guards, desired.commit, live.server_configs)
        for name in sorted(manifests.keys() | servers.keys())
    ]


def _check_selection(desired: DesiredState, live: LiveState, guards: Guards) -> None:
    known = {manifest.name for manifest in desired.models} | {model.name for model in live.models}
    unknown = sorted(guards.only - known)
    if unknown:
        raise UsageError(
            f"--only names {', '.join(unknown)}, which is neither in Git nor on the cluster",
            why="a plan can only be restricted to models that exist",
            fix="check the spelling" + (f"; there are: {', '.join(sorted(known)[:20])}" if known else ""),
        )


def _selected(verdict: Verdict, guards: Guards) -> Verdict:
    decision = verdict.decision
    if not guards.only or decision.name in guards.only:
        return verdict
    return Verdict(
        Decision(decision.kind, decision.name, Verb.NOT_SELECTED, Reason.NOT_SELECTED, source=decision.source)
    )


def _servers_needed(
    units: list[Unit], servers: list[ServerVerdict], live: LiveState, guards: Guards
) -> list[ServerVerdict]:
    """With `--only`, servers are left alone, unless a selected model would find no room without what Git gives them."""
    alone = [_untouched(verdict) for verdict in servers]
    if not arrange(units, outlook(live, tuple(alone)), guards.headroom, live.models).blocked:
        return alone
    return [verdict if verdict.early else _untouched(verdict) for verdict in servers]


def _untouched(verdict: ServerVerdict) -> ServerVerdict:
    if verdict.early is None and verdict.late is None:
        return verdict
    decision = verdict.decision
    return ServerVerdict(
        Decision("Server", decision.name, Verb.NOT_SELECTED, Reason.NOT_SELECTED, source=decision.source)
    )
