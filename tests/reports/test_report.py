"""How a report's verdict, exit code and texts follow from the plan and its outcomes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors import ClusterUnavailable, LockHeld
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Plan
from reconciler.reports.markdown import markdown
from reconciler.reports.plan_json import plan_json
from reconciler.reports.report import Report, Verdict, closed, exit_code, failed, planned, running, with_outcome
from reconciler.reports.report_json import report_json
from reconciler.reports.text import text
from tests.reports.samples import CONTEXT, HELD, IDLE, LOAD, PLAN, REPORTS, SECRET, SHIFT, START, STUCK, applied

CALM = Plan("default", "", "d", "l", actions=(LOAD, SHIFT))


def after(*statuses: Status) -> Report:
    report = running(planned(CALM, CONTEXT))
    for action, status in zip(CALM.actions, statuses, strict=True):
        report = with_outcome(report, Outcome(action.id, status))
    return closed(report, START)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((), 0),
        ((0, 2), 2),
        ((2, 4), 4),
        ((4, 5), 5),
        ((5, 6), 6),
        ((6, 7), 7),
        ((7, 3), 3),
        ((3, 1), 1),
        ((2, 5, 1), 1),
    ],
)
def test_of_several_exit_codes_the_one_that_tells_most_counts(codes: tuple[int, ...], expected: int) -> None:
    assert exit_code(*codes) == expected


@pytest.mark.parametrize(
    ("statuses", "verdict", "code"),
    [
        ((Status.DONE, Status.DONE), Verdict.DONE, 0),
        ((Status.FAILED, Status.NOT_RUN), Verdict.INCOMPLETE, 5),
        ((Status.DONE, Status.INTERRUPTED), Verdict.INTERRUPTED, 5),
    ],
)
def test_the_verdict_follows_from_the_outcomes(statuses: tuple[Status, ...], verdict: Verdict, code: int) -> None:
    report = after(*statuses)
    assert (report.verdict, report.exit_code) == (verdict, code)


def test_a_plan_without_actions_is_nothing_to_do_unless_something_is_blocked_or_held() -> None:
    held = replace(STUCK, decisions=(HELD,))
    verdicts = [
        (report.verdict, report.exit_code) for report in (planned(plan, CONTEXT) for plan in (IDLE, STUCK, held))
    ]
    assert verdicts == [(Verdict.NOTHING_TO_DO, 0), (Verdict.BLOCKED, 4), (Verdict.INCOMPLETE, 5)]
    assert [closed(planned(plan, CONTEXT), START).verdict for plan in (IDLE, STUCK, held)] == [v for v, _ in verdicts]


def test_what_is_blocked_counts_even_if_every_action_was_done() -> None:
    report = planned(replace(CALM, decisions=STUCK.decisions), CONTEXT)
    for action in CALM.actions:
        report = with_outcome(report, Outcome(action.id, Status.DONE))
    assert (closed(report, START).verdict, closed(report, START).exit_code) == (Verdict.BLOCKED, 4)


def test_an_error_ends_a_pass_with_its_own_exit_code() -> None:
    held = failed(LockHeld("another reconciler works here", why="it holds the lock", fix="wait"), CONTEXT)
    assert (held.verdict, held.exit_code, held.summary) == (Verdict.FAILED, 7, "another reconciler works here")


def test_the_summary_counts_what_was_done_and_what_stands() -> None:
    assert applied().summary == "5 of 6 actions done, 1 failed; 1 blocked, 1 on hold, 1 in sync, 1 unmanaged"


def everything_told() -> str:
    forms = [
        form for make in REPORTS.values() for form in (text(make()), markdown(make()), report_json(make()).decode())
    ]
    return "".join(forms) + plan_json(PLAN).decode()


def test_no_form_tells_a_password_or_a_secret_parameter() -> None:
    told = everything_told()
    assert "hunter2" not in told
    assert SECRET not in told


def test_a_secret_that_a_cluster_repeats_in_its_error_is_left_out() -> None:
    detail = f"401 for https://u:pw12@host/x?sig=1 with {SECRET}, Authorization: Bearer abcdef, password='p q'"
    report = with_outcome(planned(PLAN, CONTEXT), Outcome(LOAD.id, Status.FAILED, detail))
    told = report.actions[0].outcome.detail
    assert [word for word in ("pw12", SECRET, "abcdef", "'p") if word in told] == []
    assert told.startswith("401 for https://***@host/x")


def test_errors_and_warnings_are_cleaned_as_well() -> None:
    error = ClusterUnavailable("no answer from https://u:pw12@host", why="token=abc", fix="look at https://u:pw12@host")
    report = closed(planned(PLAN, CONTEXT), START, warnings=["https://u:pw12@host"], error=error)
    assert "pw12" not in report_json(report).decode()
    assert "abc" not in (report.error.why if report.error else "abc")


def test_control_characters_of_a_cluster_reach_no_terminal() -> None:
    report = with_outcome(planned(PLAN, CONTEXT), Outcome(LOAD.id, Status.FAILED, "\x1b[2Jred\u202e\x00"))
    assert report.actions[0].outcome.detail == "\ufffd[2Jred\ufffd\ufffd"
