"""Whether a pass is followed by another at once depends on what it left and on what planning again would do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, ActionKind, Plan, Reason
from reconciler.reports.following import goes_on, may_go_on
from reconciler.reports.report import Context, Report, closed, planned, with_outcome

SHRINK, LOAD, BACK = (
    Action(name, kind, "m", Reason.NEW, 60.0)
    for name, kind in (("shrink", ActionKind.CHANGE), ("load", ActionKind.LOAD), ("back", ActionKind.CHANGE))
)


def plan(*actions: Action, due: float | None = None) -> Plan:
    return Plan("default", "c1", "d", "l", actions=actions, next_step_at=due)


def ended(*statuses: Status, due: float | None = None) -> Report:
    """The report of a pass of two actions that ended so, at the time 10."""
    report = planned(plan(SHRINK, LOAD, due=due), Context("default", "local", 1.0))
    for action, status in zip((SHRINK, LOAD), statuses, strict=True):
        report = with_outcome(report, Outcome(action.id, status))
    return closed(report, 10.0)


@pytest.mark.parametrize(
    ("statuses", "due", "expected"),
    [
        ((Status.DONE, Status.DONE), None, False),
        ((Status.DONE, Status.DONE), 9.0, True),
        ((Status.DONE, Status.DONE), 11.0, False),
        ((Status.DONE, Status.FAILED), None, True),
        ((Status.FAILED, Status.NOT_RUN), 11.0, True),
        ((Status.DONE, Status.INTERRUPTED), 9.0, False),
    ],
)
def test_a_pass_may_go_on_if_something_was_not_done_or_is_due(
    statuses: tuple[Status, Status], due: float | None, expected: bool
) -> None:
    assert may_go_on(ended(*statuses, due=due)) is expected


def test_a_pass_that_had_nothing_to_do_is_not_followed_whatever_is_due() -> None:
    assert not may_go_on(replace(ended(Status.DONE, Status.DONE, due=9.0), actions=()))


def test_another_pass_needs_something_that_was_not_just_tried_in_vain() -> None:
    before = ended(Status.DONE, Status.FAILED)
    assert goes_on(plan(BACK), before)
    assert goes_on(plan(LOAD, BACK), before)
    assert goes_on(plan(SHRINK), before)
    assert not goes_on(plan(LOAD), before)
    assert not goes_on(plan(), before)
