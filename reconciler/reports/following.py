"""Whether a pass is followed by another one at once (docs/decisions/0011-passes-that-follow-at-once.md). Pure."""

from __future__ import annotations

from reconciler.model.outcome import Status
from reconciler.model.plan import Plan
from reconciler.reports.report import Report

MOST_PASSES = 4
"""Passes under one lock at most. The longest way there is: go back, try again, fail, go back."""


def may_go_on(report: Report) -> bool:
    """Returns whether planning again may settle what a pass left: an action not done, or a step due by its end.

    One that was interrupted was told to end, or its time was over.
    """
    statuses = {action.outcome.status for action in report.actions}
    if Status.INTERRUPTED in statuses:
        return False
    ended, due = report.ended_at, report.next_step_at
    is_due = due is not None and ended is not None and due <= ended
    return bool(statuses) and (is_due or statuses != {Status.DONE})


def goes_on(plan: Plan, before: Report) -> bool:
    """Returns whether `plan`, made right after the pass `before`, does anything that was not just tried in vain."""
    in_vain = {action.id for action in before.actions if action.outcome.status is not Status.DONE}
    return any(action.id not in in_vain for action in plan.actions)
