"""The one line that comes first in every report. Pure words; knows nothing of the form it is shown in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Decision, Verb

_PLANNED = {
    Verb.CREATE: "to create",
    Verb.LOAD: "to load",
    Verb.ROLL_OUT: "to roll out",
    Verb.RECREATE: "to recreate",
    Verb.RESCUE: "to rescue",
    Verb.HEAL: "to heal",
    Verb.CONTINUE: "to continue",
    Verb.CHANGE: "to change",
    Verb.ADOPT: "to adopt",
    Verb.DECOMMISSION: "to decommission",
    Verb.DELETE: "to delete",
}
_STANDING = {
    Verb.BLOCKED: "blocked",
    Verb.REFUSED: "refused",
    Verb.HOLD: "on hold",
    Verb.WAIT: "waiting",
    Verb.IN_SYNC: "in sync",
    Verb.UNMANAGED: "unmanaged",
    Verb.NOT_SELECTED: "not selected",
    Verb.NOT_APPLIED: "not applied",
}
_STATUSES = (Status.FAILED, Status.INTERRUPTED, Status.NOT_RUN, Status.RUNNING)


def summary_of_decisions(decisions: Iterable[Decision]) -> str:
    """Returns such as `1 to roll out, 1 blocked, 4 in sync`."""
    counts = Counter(decision.verb for decision in decisions)
    return _counted(counts, _PLANNED | _STANDING) or "no models and no servers"


def summary_of_standing(decisions: Iterable[Decision]) -> str:
    """Returns the part about what no action is for, such as `1 blocked, 4 in sync`; empty when there is nothing."""
    return _counted(Counter(decision.verb for decision in decisions), _STANDING)


def summary_of_outcomes(outcomes: Sequence[Outcome], standing: str) -> str:
    """Returns such as `3 of 5 actions done, 1 failed, 1 not run; 1 blocked, 4 in sync`.

    Args:
        standing: as `summary_of_standing` says it.
    """
    counts = Counter(outcome.status for outcome in outcomes)
    done = f"{counts[Status.DONE]} of {len(outcomes)} action{'' if len(outcomes) == 1 else 's'} done"
    other = _counted(counts, {status: status.value for status in _STATUSES})
    return (f"{done}, {other}" if other else done) + (f"; {standing}" if standing else "")


def _counted(counts: Counter[Verb] | Counter[Status], words: dict[Verb, str] | dict[Status, str]) -> str:
    return ", ".join(f"{counts[key]} {word}" for key, word in words.items() if counts[key])  # type: ignore[index] # both of one kind
