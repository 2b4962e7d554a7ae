"""What a row of the decision table answers with, and the words that several rows use."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.model.live import LiveVersion
from reconciler.model.plan import ActionKind, Decision, Reason, Verb
from reconciler.model.quantity import format_bytes
from reconciler.planner.situation import Situation
from reconciler.planner.unit import Unit

GAP = "; off the air until the new version is loaded"
"""What has to be said of every form that leaves a gap."""

UNVERIFIED = "Seldon's scheduler does not answer, and no probe may ask it; a version that it cannot place is an outage"
UNVERIFIED_FIXES = ("give the address of Seldon's scheduler with --seldon-scheduler HOST:PORT", "or allow --probe auto")
"""What is said of new versions where nothing confirms that there is room."""

_IN_PLACE = ("replicas", "minReplicas", "maxReplicas", "logger.percent")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and the unit that carries it out (None: nothing to do).

    Attributes:
        due: Unix time to look again, if any. guarded: what is done instead if a guard stops a deletion.
    """

    decision: Decision
    unit: Unit | None = None
    due: float | None = None
    guarded: Unit | None = None


def decision_on(
    situation: Situation, row: int, verb: Verb, reason: Reason, detail: str = "", fixes: tuple[str, ...] = ()
) -> Decision:
    """Returns what `row` decides about the model; `detail` says the specifics to people, `fixes` what would help."""
    source = situation.desired.source if situation.desired else None
    return Decision("Model", situation.name, verb, reason, row, detail, fixes, source=source)


def say(
    situation: Situation, row: int, verb: Verb, reason: Reason, detail: str = "", fixes: tuple[str, ...] = ()
) -> Verdict:
    """Returns a verdict with nothing to do; `fixes` say what would help."""
    return Verdict(decision_on(situation, row, verb, reason, detail, fixes))


def unknown_memory(situation: Situation, row: int) -> Verdict:
    """Returns the verdict about a load whose size nobody knows."""
    fixes = ("set spec.memory to what one replica needs", "or give defaultModelMemory in the settings to reckon with")
    detail = "how much room the load needs is unknown; the scheduler would count it as 0"
    return say(situation, row, Verb.BLOCKED, Reason.UNKNOWN_MEMORY, detail, fixes)


def kept_as_is(situation: Situation, verdict: Verdict) -> Verdict:
    """Returns `verdict`, or that it is blocked: a new version is an outage where it cannot be placed.

    Whether it can nobody confirms, and nothing may be asked. What is under way is finished all the same.
    """
    loads = verdict.unit.actions if verdict.unit is not None else ()
    if not situation.unsafe or not any(a.kind is ActionKind.LOAD and a.number is None for a in loads):
        return verdict
    assert verdict.unit is not None
    decision = replace(
        verdict.decision, verb=Verb.BLOCKED, reason=Reason.UNVERIFIED, detail=UNVERIFIED, fixes=UNVERIFIED_FIXES
    )
    rest = verdict.unit.otherwise
    return Verdict(decision, None if rest is None else replace(rest, decision=decision), verdict.due)


def version_detail(situation: Situation) -> str:
    """What becomes what, and what that takes: `version 1 → iris/v2 (0123456789ab), 2 × 300k`."""
    assert situation.desired is not None
    spec, old = situation.desired.spec, situation.serving
    step = f"{named(old)} → " if old is not None and old.digest != spec.digest else ""
    assumed = " (assumed)" if spec.memory is None else ""
    size = f", {situation.replicas} × {format_bytes(situation.memory)}{assumed}" if situation.memory else ""
    return f"{step}{spec.storage_uri} ({spec.digest}){size}"


def adopted(situation: Situation) -> str:
    """Adoption is always told: what is ours may be pruned."""
    return "; adopted, nobody owned it" if situation.live is not None and situation.live.instance is None else ""


def named(version: LiveVersion) -> str:
    """Returns how people are told of `version`."""
    return f"version {version.number}"


def available(version: LiveVersion) -> str:
    """Returns how whole `version` is, in words."""
    return f"{version.available} of {version.wanted} replicas available"


def in_place_detail(now: tuple[int | None, ...], then: tuple[int | None, ...]) -> str:
    """Returns what changes in place (`ModelSpec.in_place`): `replicas 1 → 2, minReplicas unset → 1`."""
    steps = [
        f"{name} {_or_unset(before)} → {_or_unset(after)}"
        for name, before, after in zip(_IN_PLACE, now, then, strict=True)
        if before != after
    ]
    return ", ".join(steps) or "labels and annotations"


def _or_unset(value: int | None) -> str:
    return "unset" if value is None else str(value)
