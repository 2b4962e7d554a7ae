"""Objects that the cluster would not take: they stay as they are, and the plan says in whose words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.model.admission import Refusal
from reconciler.model.plan import Decision, Reason, Verb
from reconciler.planner.carried import CarriedVerdict, without_action
from reconciler.planner.servers import ServerVerdict
from reconciler.planner.verdicts import Verdict

Refusals = Mapping[tuple[str, str], Refusal]
"""By kind and name."""


def by_object(refusals: Iterable[Refusal]) -> Refusals:
    """Returns `refusals` by kind and name."""
    return {(refusal.kind, refusal.name): refusal for refusal in refusals}


def of_model(verdict: Verdict, refusals: Refusals) -> Verdict:
    """Returns `verdict`, or that the model stays as it is because its object would not be taken."""
    refusal = refusals.get(("Model", verdict.decision.name))
    return verdict if refusal is None or verdict.unit is None else Verdict(_blocked(verdict.decision, refusal))


def of_server(verdict: ServerVerdict, refusals: Refusals) -> ServerVerdict:
    """Returns `verdict`, or that the server stays as it is because its object would not be taken."""
    refusal = refusals.get(("Server", verdict.decision.name))
    touched = verdict.early is not None or verdict.late is not None
    return ServerVerdict(_blocked(verdict.decision, refusal)) if refusal is not None and touched else verdict


def of_carried(verdict: CarriedVerdict, refusals: Refusals) -> CarriedVerdict:
    """Returns `verdict`, or that what is carried along stays as it is because its object would not be taken."""
    refusal = refusals.get((verdict.decision.kind, verdict.decision.name))
    if refusal is None or verdict.action is None:
        return verdict
    return without_action(verdict, Verb.BLOCKED, Reason.NOT_ADMITTED, refusal.detail, refusal.fix)


def _blocked(decision: Decision, refusal: Refusal) -> Decision:
    fixes = (refusal.fix,) if refusal.fix else ()
    return Decision(
        decision.kind,
        decision.name,
        Verb.BLOCKED,
        Reason.NOT_ADMITTED,
        row=decision.row,
        detail=refusal.detail,
        fixes=fixes,
        source=decision.source,
    )
