"""How people are told of actions, memory, times and verdicts, the same in every form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import ActionKind, Capacity, Decision, EdgeKind, MemoryUse, Verb
from reconciler.model.quantity import format_bytes
from reconciler.reports.report import Context, Report, ReportedAction, Verdict

_ATTENTION = (Verb.REFUSED, Verb.BLOCKED, Verb.HOLD, Verb.WAIT, Verb.NOT_APPLIED)


def headline(report: Report) -> tuple[str, str]:
    """Returns the verdict's word and the summary."""
    word = "Plan" if report.verdict is Verdict.PLANNED else report.verdict.value.capitalize()
    return word, report.summary


def attention(report: Report) -> tuple[Decision, ...]:
    """Returns the decisions that somebody should look at, worst first."""
    found = (d for d in report.decisions if d.verb in _ATTENTION)
    return tuple(sorted(found, key=lambda d: (_ATTENTION.index(d.verb), d.kind, d.name)))


def failures(report: Report) -> tuple[ReportedAction, ...]:
    """Returns the actions that failed."""
    return tuple(action for action in report.actions if action.outcome.status is Status.FAILED)


def unmanaged(report: Report) -> tuple[str, ...]:
    """Returns the names of what lives on the cluster and is neither in Git nor ours."""
    found = (d for d in report.decisions if d.verb is Verb.UNMANAGED)
    return tuple(d.name if d.kind in ("Model", "Server") else f"{d.kind} {d.name}" for d in found)


def action_words(action: ReportedAction) -> str:
    """Returns such as `load iris` or `unload iris version 1`; the number is the cluster's own count of versions."""
    old = action.kind in (ActionKind.DRAIN, ActionKind.UNLOAD) and action.number is not None
    return f"{action.kind.value} {action.subject}{f' version {action.number}' if old else ''}"


def consequence(report: Report, failed: ReportedAction) -> str:
    """Returns what a failed load means for those who use the model; empty for other actions."""
    if failed.kind is not ActionKind.LOAD:
        return ""
    gone = any(
        action.subject == failed.subject
        and action.kind is ActionKind.UNLOAD
        and action.outcome.status is Status.DONE
        and any(edge.action == action.id and edge.kind is EdgeKind.ROLLOUT for edge in failed.after)
        for action in report.actions
    )
    if gone:
        return f"{failed.subject} is off the air: its old version was unloaded first, as strategy recreate allows"
    loading_first = any(d.name == failed.subject and d.verb is Verb.LOAD for d in report.decisions if d.kind == "Model")
    return "no version of it serves" if loading_first else "what served before goes on serving"


def after_words(action: ReportedAction, numbers: Mapping[str, int]) -> str:
    """Returns the numbers of the predecessors, with the kind of edge where it is not the rollout's own order."""
    edges = sorted((numbers.get(edge.action, 0), edge.kind) for edge in action.after)
    return ", ".join(str(number) if kind is EdgeKind.ROLLOUT else f"{number} {kind.value}" for number, kind in edges)


def memory_words(action: ReportedAction) -> str:
    """Returns what the action takes (`+`) and frees (`-`)."""
    return ", ".join([_use("+", use) for use in action.takes] + [_use("-", use) for use in action.frees])


def _use(sign: str, use: MemoryUse) -> str:
    times = f" x{use.replicas}" if use.replicas != 1 else ""
    return f"{sign}{format_bytes(use.amount)}{times}{f' {use.server}' if use.server else ''}"


def reason_words(action: ReportedAction) -> str:
    """Returns the reason and, where there are any, the specifics."""
    return f"{action.reason.value}; {action.detail}" if action.detail else action.reason.value


def numbers_of(report: Report) -> dict[str, int]:
    """Returns the number under which a table lists each action, by its id."""
    return {action.id: number for number, action in enumerate(report.actions, 1)}


def took(outcome: Outcome) -> str:
    """Returns how long an action took, such as `3.2 s`; empty when it has not ended, or never began."""
    if outcome.started is None or outcome.ended is None:
        return ""
    return _seconds(outcome.ended - outcome.started)


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(max(seconds, 0.0), 60)
    return f"{int(minutes)} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def moment(unix: float) -> str:
    """Returns a Unix time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_words(report: Report) -> str:
    """Returns when the pass began and how long it took; empty for a plan, which is the same at any time."""
    began = moment(report.context.started_at)
    if report.ended_at is None and report.verdict is not Verdict.RUNNING:
        return ""
    return (
        began if report.ended_at is None else f"{began}, took {_seconds(report.ended_at - report.context.started_at)}"
    )


def commit_words(context: Context) -> str:
    """Returns the commit as people name it, empty when there is none."""
    subject = f" ({context.subject})" if context.subject else ""
    return f"{context.commit[:8]}{subject}" if context.commit else ""


def share(amount: int, capacity: Capacity) -> str:
    """Returns bytes and their share of the limit, such as `300k (27 %)`."""
    return f"{format_bytes(amount)} ({100 * amount // capacity.limit} %)" if capacity.limit else format_bytes(amount)


def room_words(report: Report) -> str:
    """Returns where the room of server replicas is known from, empty where there is only one way to know."""
    return f"as told by {report.room_source}" if report.room_source else ""
