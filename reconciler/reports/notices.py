"""What of a report is told on the objects themselves, and as a summary on the cluster. Pure.

Told is what begins, how it ended, and what stands in the way; not what is in sync, nor every single action.
"""

from __future__ import annotations

from collections import defaultdict

from reconciler.model.notice import Notice, Summary
from reconciler.model.outcome import Status
from reconciler.model.plan import ActionKind, Decision, Verb
from reconciler.reports.encode import iso
from reconciler.reports.report import Report, ReportedAction, Verdict

_ROLLOUTS = {Verb.ROLL_OUT, Verb.RECREATE, Verb.CONTINUE}
_DONE = {
    Verb.CREATE: "Created",
    Verb.LOAD: "Loaded",
    Verb.ROLL_OUT: "RolledOut",
    Verb.RECREATE: "RolledOut",
    Verb.CONTINUE: "RolledOut",
    Verb.RESCUE: "Rescued",
    Verb.HEAL: "Healed",
    Verb.CHANGE: "Changed",
    Verb.ADOPT: "Adopted",
}
"""What is told when all actions of a decision are done; what is gone has no object to tell it on."""

_STANDING = {Verb.BLOCKED: "Blocked", Verb.REFUSED: "Refused"}
_LOADS = (ActionKind.LOAD, ActionKind.RETRIGGER)
_ON_SERVERS = frozenset(
    {ActionKind.CREATE_SERVER, ActionKind.UPDATE_SERVER, ActionKind.SHRINK_SERVER, ActionKind.DELETE_SERVER}
)


def notices(report: Report) -> tuple[Notice, ...]:
    """Returns what `report` tells on objects, in the order of its decisions: of a pass that runs, what has begun."""
    actions = defaultdict[tuple[str, str], list[ReportedAction]](list)
    for action in report.actions:
        actions[_object(action)].append(action)
    begun = report.verdict is Verdict.RUNNING
    found = (_notice(each, actions.get((each.kind, each.name), []), begun) for each in report.decisions)
    return tuple(notice for notice in found if notice is not None)


def _object(action: ReportedAction) -> tuple[str, str]:
    """Kind and name of what an action is about: the subject of what is carried along has both."""
    if action.kind in (ActionKind.APPLY, ActionKind.REMOVE):
        kind, _, name = action.subject.partition("/")
        return kind, name
    return "Server" if action.kind in _ON_SERVERS else "Model", action.subject


def _notice(decision: Decision, actions: list[ReportedAction], begun: bool) -> Notice | None:
    if actions and begun:
        return _begun(decision, actions)
    if actions:
        return _ended(decision, actions)
    if decision.verb in _STANDING and not begun:
        fixes = f"; to fix: {decision.fixes[0]}" if decision.fixes else ""
        return _about(decision, _STANDING[decision.verb], f"{_said(decision)}{fixes}", warning=True)
    if decision.failure and not begun:
        return _about(decision, "OnHold", f"this version failed to load: {decision.failure}", warning=True)
    return None


def _begun(decision: Decision, actions: list[ReportedAction]) -> Notice | None:
    if decision.verb in _ROLLOUTS and any(action.kind in _LOADS for action in actions):
        return _about(decision, "RolloutStarted", _said(decision))
    if decision.verb in (Verb.DECOMMISSION, Verb.DELETE):
        return _about(decision, "RemovalStarted", _said(decision))
    return None


def _ended(decision: Decision, actions: list[ReportedAction]) -> Notice | None:
    wrong = [action for action in actions if action.outcome.status is not Status.DONE]
    if not wrong:
        reason = _DONE.get(decision.verb)
        return None if reason is None else _about(decision, reason, _said(decision))
    first = next((each for each in wrong if each.outcome.status is Status.FAILED), wrong[0])
    failed = first.outcome.status is Status.FAILED
    reason = ("LoadFailed" if first.kind in _LOADS else "ActionFailed") if failed else "NotFinished"
    told = f"{first.kind.value}: {first.outcome.detail or first.outcome.status.value}"
    return _about(decision, reason, told, warning=True)


def _said(decision: Decision) -> str:
    return f"{decision.reason.value}: {decision.detail}" if decision.detail else decision.reason.value


def _about(decision: Decision, reason: str, text: str, *, warning: bool = False) -> Notice:
    return Notice(decision.kind, decision.name, reason, text, warning)


def summary(report: Report) -> Summary:
    """Returns `report` in a few words."""
    return Summary(
        report.verdict.value, report.summary, report.context.commit, report.exit_code, iso(report.ended_at) or ""
    )
