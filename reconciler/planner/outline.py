"""A plan before it is written down: what is decided about everything, and who takes memory from where.

The planner makes one to plan by, and one more for every fix that it tries (see `fixes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.live import LiveState
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Action, Decision, Guards, Reason, Verb
from reconciler.planner.autoscaling import stranding
from reconciler.planner.carried import CarriedVerdict, decide_carried
from reconciler.planner.carried_order import carry, with_edges
from reconciler.planner.guards import guard_deletions
from reconciler.planner.ordering import Arrangement, arrange
from reconciler.planner.references import Needed, keep_what_is_needed
from reconciler.planner.refusals import Refusals, of_carried, of_model, of_server
from reconciler.planner.retirement import retire
from reconciler.planner.servers import Outlook, ServerVerdict, decide_server, outlook
from reconciler.planner.shortfall import shortfall
from reconciler.planner.situation import Situation
from reconciler.planner.table import decide, unfinished
from reconciler.planner.unit import Unit
from reconciler.planner.verdicts import Verdict, kept_as_is

_KINDS = ("Server", "Model", "Pipeline", "Experiment")
"""In the order in which a plan tells of them."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What a plan will say and do.

    Attributes:
        verdicts: of the decision table, by model, before guards and selection: what fixes are tried with.
        decisions: servers first, then models, pipelines, experiments, each by name.
        late: the actions that shrink or delete servers. due: Unix time to look again, if any.
        short: by model, the units that found no room, or would have others lose theirs.
    """

    verdicts: Mapping[str, Verdict]
    decisions: tuple[Decision, ...]
    actions: tuple[Action, ...]
    late: tuple[Action, ...]
    arrangement: Arrangement
    due: float | None
    short: Mapping[str, Unit]


def outline(
    desired: DesiredState,
    live: LiveState,
    guards: Guards,
    known: Mapping[str, Verdict] | None = None,
    refusals: Refusals | None = None,
) -> Outline:
    """Decides about every model and server, and arranges what follows.

    Args:
        known: verdicts on models that are the same as in another outline, and need not be asked for again.
        refusals: of the cluster, which would not take what is written to these objects.

    Raises:
        UsageError: `guards.max_deletions` is not understood.
    """
    verdicts = _decide_models(desired, live, guards, known or {})
    models = [of_model(_selected(verdict, guards), refusals or {}) for verdict in verdicts.values()]
    servers = [of_server(verdict, refusals or {}) for verdict in _decide_servers(desired, live, guards)]
    carried = [of_carried(verdict, refusals or {}) for verdict in decide_carried(desired, live, guards)]
    if guards.only:
        servers = [_untouched(verdict) if verdict.late else verdict for verdict in servers]
        carried = [_left_out(verdict) if verdict.action else verdict for verdict in carried]
    models, servers, carried = guard_deletions(models, servers, carried, desired, live, guards)
    needed = keep_what_is_needed(models, carried, desired, live)
    if guards.only:
        servers = _servers_needed(needed.models, servers, live, guards)
    return _arranged(verdicts, needed, servers, live, guards)


def outline_unfinished(live: LiveState, guards: Guards) -> Outline:
    """The same without a valid commit: only what was under way is decided about."""
    unsure = bool(live.unverified)
    situations = (Situation(m.name, None, m, guards, live.traits, "", live.observed_at, unsure) for m in live.models)
    found = {s.name: verdict for s in situations if (verdict := unfinished(s)) is not None}
    return _arranged(found, Needed(list(found.values()), []), [], live, guards)


def _arranged(
    verdicts: Mapping[str, Verdict],
    needed: Needed,
    servers: list[ServerVerdict],
    live: LiveState,
    guards: Guards,
) -> Outline:
    models = needed.models
    units = {verdict.decision.name: verdict.unit for verdict in models if verdict.unit}
    arrangement, told = _safely(list(units.values()), outlook(live, tuple(servers)), guards, live)
    short = {name: units[name] for name in told}
    for unit in (*arrangement.blocked, *arrangement.replaced):
        name = unit.decision.name
        told[name], short[name] = shortfall(unit, arrangement), unit
    settled = {unit.decision.name: unit.decision for unit in arrangement.placed} | told
    decisions = [settled.get(verdict.decision.name, verdict.decision) for verdict in models]
    due = [v.due for v in models if v.due is not None and not _idle(v, told, live)]
    retired = [_with_retirement(verdict, live, arrangement) for verdict in servers]
    for verdict, before in zip(retired, servers, strict=True):
        decisions.append(verdict.decision)
        due += [live.observed_at] if before.late and verdict.decision.verb is Verb.WAIT else []
    carried = carry(needed.carried, live, arrangement)
    decisions += [verdict.decision for verdict in carried]
    due += _after_this_pass(needed, carried, arrangement, live)
    early = [verdict.early for verdict in retired if verdict.early]
    late = [verdict.late for verdict in retired if verdict.late]
    actions = [action for unit in arrangement.placed for action in unit.actions]
    actions += [verdict.action for verdict in carried if verdict.action]
    return Outline(
        verdicts,
        tuple(sorted(decisions, key=lambda d: (_KINDS.index(d.kind), d.name))),
        with_edges((*early, *late, *actions), needed.edges),
        tuple(late),
        arrangement,
        min(due, default=None),
        short,
    )


def _after_this_pass(
    needed: Needed, carried: list[CarriedVerdict], arrangement: Arrangement, live: LiveState
) -> list[float]:
    """Returns when to look again at what waits for something that this plan does first: at once."""
    acting = {verdict.ref for verdict in carried if verdict.action} | {
        f"Model/{unit.decision.name}" for unit in arrangement.placed
    }
    return [live.observed_at] if any(users & acting for users in needed.awaited.values()) else []


def _safely(
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


def _idle(verdict: Verdict, told: Mapping[str, Decision], live: LiveState) -> bool:
    """What is due now and finds no room is not due: a pass after this one would find no more."""
    return verdict.decision.name in told and verdict.due is not None and verdict.due <= live.observed_at


def _with_retirement(verdict: ServerVerdict, live: LiveState, arrangement: Arrangement) -> ServerVerdict:
    if verdict.late is None:
        return verdict
    decision, action = retire(verdict, live, arrangement)
    return ServerVerdict(decision, late=action)


def _decide_models(
    desired: DesiredState, live: LiveState, guards: Guards, known: Mapping[str, Verdict]
) -> dict[str, Verdict]:
    manifests = {manifest.name: manifest for manifest in desired.models}
    models = {model.name: model for model in live.models}

    def situation(name: str) -> Situation:
        desire, model, unsure = manifests.get(name), models.get(name), bool(live.unverified)
        return Situation(name, desire, model, guards, live.traits, desired.commit, live.observed_at, unsure)

    names = sorted(manifests.keys() | models.keys())
    return {name: known[name] if name in known else _decided(situation(name)) for name in names}


def _decided(situation: Situation) -> Verdict:
    return kept_as_is(situation, decide(situation))


def _decide_servers(desired: DesiredState, live: LiveState, guards: Guards) -> list[ServerVerdict]:
    manifests = {manifest.name: manifest for manifest in desired.servers}
    servers = {server.name: server for server in live.servers}
    return [
        decide_server(
            name, manifests.get(name), servers.get(name), guards, desired.commit, live.server_configs, live.traits
        )
        for name in sorted(manifests.keys() | servers.keys())
    ]


def _selected(verdict: Verdict, guards: Guards) -> Verdict:
    decision = verdict.decision
    if not guards.only or decision.name in guards.only:
        return verdict
    return Verdict(
        Decision(decision.kind, decision.name, Verb.NOT_SELECTED, Reason.NOT_SELECTED, source=decision.source)
    )


def _servers_needed(
    models: list[Verdict], servers: list[ServerVerdict], live: LiveState, guards: Guards
) -> list[ServerVerdict]:
    """With `--only`, servers are left alone, unless a selected model would find no room without what Git gives them."""
    units = [verdict.unit for verdict in models if verdict.unit]
    alone = [_untouched(verdict) for verdict in servers]
    if not arrange(units, outlook(live, tuple(alone)), guards.headroom, live.models).blocked:
        return alone
    return [verdict if verdict.early else _untouched(verdict) for verdict in servers]


def _left_out(verdict: CarriedVerdict) -> CarriedVerdict:
    decision = verdict.decision
    return CarriedVerdict(
        Decision(decision.kind, decision.name, Verb.NOT_SELECTED, Reason.NOT_SELECTED, source=decision.source)
    )


def _untouched(verdict: ServerVerdict) -> ServerVerdict:
    if verdict.early is None and verdict.late is None:
        return verdict
    decision = verdict.decision
    return ServerVerdict(
        Decision("Server", decision.name, Verb.NOT_SELECTED, Reason.NOT_SELECTED, source=decision.source)
    )
