"""What stops deletions, whatever the decision table says (docs/planning-decisions.md, "Guards on deletions")."""

from __future__ import annotations

import dataclasses
import math
import re

from reconciler.errors import UsageError
from reconciler.model.codec import carried_policy, model_policy, server_policy
from reconciler.model.live import LiveState
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Decision, Guards, Reason, Verb
from reconciler.planner.carried import CarriedVerdict
from reconciler.planner.servers import ServerVerdict
from reconciler.planner.verdicts import Verdict

_DELETING = (Verb.DECOMMISSION, Verb.DELETE)


def allowed_deletions(max_deletions: str, owned: int) -> int:
    """Returns how many of `owned` objects may go in one pass by `--max-deletions N|P%`; a share allows at least 1.

    Raises:
        UsageError: `max_deletions` is neither a number nor a percentage up to 100 %.
    """
    match = re.fullmatch(r"(\d{1,9})(%?)", max_deletions)
    if match is None or (match[2] and int(match[1]) > 100):
        raise UsageError(
            f"--max-deletions {max_deletions} is not understood",
            why="it is a number of objects or a share of those we own",
            fix="write a number such as 5, or a percentage such as 20%",
        )
    number = int(match[1])
    return max(1, math.floor(owned * number / 100)) if match[2] else number


def guard_deletions(
    models: list[Verdict],
    servers: list[ServerVerdict],
    carried: list[CarriedVerdict],
    desired: DesiredState,
    live: LiveState,
    guards: Guards,
) -> tuple[list[Verdict], list[ServerVerdict], list[CarriedVerdict]]:
    """Returns the verdicts with every deletion refused that a guard stops.

    An annotation protects one object; an empty source and too many deletions stop all of them.
    """
    annotations = {("Model", m.name): dict(m.annotations) for m in live.models}
    annotations |= {("Server", s.name): dict(s.annotations) for s in live.servers}
    annotations |= {(c.kind, c.name): dict(c.annotations) for c in live.carried}

    def protect(decision: Decision) -> Decision:
        if decision.verb not in _DELETING or _may_go(decision.kind, annotations[decision.kind, decision.name]):
            return decision
        fix = "remove the annotation model-reconciler.io/prune from the live object to let it go"
        return _refused(decision, Reason.PROTECTED, "annotation model-reconciler.io/prune: disabled", fix)

    models = [with_model(verdict, protect(verdict.decision)) for verdict in models]
    servers = [_with_server(verdict, protect(verdict.decision)) for verdict in servers]
    carried = [_with_carried(verdict, protect(verdict.decision)) for verdict in carried]
    decisions = [*(v.decision for v in models), *(v.decision for v in servers), *(v.decision for v in carried)]
    going = [decision for decision in decisions if decision.verb in _DELETING]
    stop = _stop(len(going), desired, live, guards)
    if stop is None:
        return models, servers, carried
    reason, detail, fix = stop

    def refuse(decision: Decision) -> Decision:
        return _refused(decision, reason, detail, fix) if decision.verb in _DELETING else decision

    return (
        [with_model(v, refuse(v.decision)) for v in models],
        [_with_server(v, refuse(v.decision)) for v in servers],
        [_with_carried(v, refuse(v.decision)) for v in carried],
    )


def _may_go(kind: str, annotations: dict[str, str]) -> bool:
    if kind == "Model":
        return model_policy(annotations)[0].prune
    return (server_policy if kind == "Server" else carried_policy)(annotations)[0].prune


def _stop(going: int, desired: DesiredState, live: LiveState, guards: Guards) -> tuple[Reason, str, str] | None:
    """Why all deletions are refused: reason, detail, fix; None if they are not."""
    owned = sum(model.instance == guards.instance for model in live.models)
    owned += sum(other.instance == guards.instance for other in (*live.servers, *live.carried))
    allowed = allowed_deletions(guards.max_deletions, owned)
    if not going:
        return None
    if not desired.models and not desired.servers and not desired.carried:
        detail = f"an empty source would delete all {going}; it is taken for a mistake"
        return (
            Reason.EMPTY_SOURCE,
            detail,
            "check the ref and the path; to delete everything, keep one manifest or Server",
        )
    if going > allowed:
        noun = "deletion" if going == 1 else "deletions"
        detail = f"{going} {noun} of {owned} objects, allowed: {allowed} ({guards.max_deletions})"
        return Reason.MAX_DELETIONS, detail, f"if they are meant: --max-deletions {going}"
    return None


def _refused(decision: Decision, reason: Reason, detail: str, fix: str) -> Decision:
    return dataclasses.replace(decision, verb=Verb.REFUSED, reason=reason, detail=detail, fixes=(fix,))


def with_model(verdict: Verdict, decision: Decision) -> Verdict:
    """Returns `verdict` with `decision` instead of a deletion; what was half way is brought back to whole then."""
    if decision is verdict.decision:
        return verdict
    unit = verdict.guarded
    return Verdict(decision, None if unit is None else dataclasses.replace(unit, decision=decision))


def _with_server(verdict: ServerVerdict, decision: Decision) -> ServerVerdict:
    return verdict if decision is verdict.decision else ServerVerdict(decision)


def _with_carried(verdict: CarriedVerdict, decision: Decision) -> CarriedVerdict:
    return verdict if decision is verdict.decision else CarriedVerdict(decision)
