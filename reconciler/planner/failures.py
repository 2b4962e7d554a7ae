"""What becomes of a version that failed, and of one that nothing but a gap can replace (rows 9, 10 and 13)."""

from __future__ import annotations

import dataclasses

from reconciler.model.live import Failure
from reconciler.model.manifests import Strategy
from reconciler.model.plan import Decision, Reason, Verb
from reconciler.planner import forms
from reconciler.planner.rescue import back_to_whole
from reconciler.planner.situation import Situation
from reconciler.planner.unit import Priority
from reconciler.planner.verdicts import GAP, Verdict, available, decision_on, named, say, unknown_memory, version_detail


def tried_again(situation: Situation, cause: str) -> Verdict:
    """Once more what failed, as nothing holds it; but first, in a pass of its own, what a stepped rollout left."""
    returning = dataclasses.replace(decision_on(situation, 9, Verb.HEAL, Reason.WAY_BACK), failure=cause)
    unit = back_to_whole(situation, returning)
    if unit is not None:
        return Verdict(returning, unit, due=situation.now)
    if situation.memory is None:
        return unknown_memory(situation, 9)
    if situation.route_at_risk:
        return cannot_be_healed(situation, 9)
    verb = Verb.LOAD if situation.serving is None else Verb.ROLL_OUT
    decision = decision_on(situation, 9, verb, Reason.RETRY, version_detail(situation))
    decision = dataclasses.replace(decision, failure=cause)
    return Verdict(decision, forms.retrigger(situation, decision, Priority.ROLLOUT))


def held(situation: Situation, failure: Failure | None) -> Decision:
    """Returns the decision about a version that is not tried again for now: held, or blocked where it was refused."""
    serving = situation.serving
    detail = f"{named(serving)} goes on serving" if serving else "no version serves"
    again = "a new value of the annotation model-reconciler.io/retry tries at once"
    if failure is not None and failure.refused:
        fixes = (
            "room seems to leak: a restart of Seldon's scheduler clears it (docs/seldon.md, “Capacity”)",
            again,
        )
        return dataclasses.replace(decision_on(situation, 9, Verb.BLOCKED, Reason.LEAK, detail), fixes=fixes)
    decision = decision_on(situation, 9, Verb.HOLD, Reason.FAILED_BEFORE, detail)
    return dataclasses.replace(decision, fixes=(f"mend the manifest or its artifact; {again}",))


def cannot_be_healed(situation: Situation, row: int) -> Verdict:
    """What serves is not whole and not the live version: only taken off first can it make way for another one."""
    serving = situation.serving
    assert serving is not None
    if situation.memory is not None and situation.policy.strategy is Strategy.RECREATE:
        decision = decision_on(situation, row, Verb.RECREATE, Reason.NOT_WHOLE, f"{version_detail(situation)}{GAP}")
        return Verdict(decision, forms.recreate(situation, decision))
    fix = "annotate it model-reconciler.io/strategy: recreate (off the air for the time of the load)"
    return say(situation, row, Verb.BLOCKED, Reason.NOT_WHOLE, f"{named(serving)}: {available(serving)}", (fix,))
