"""What of a report is told on the objects themselves."""

from __future__ import annotations

import pytest

from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, ActionKind, Decision, Plan, Reason, Verb
from reconciler.reports.notices import notices, summary
from reconciler.reports.report import Context, closed, planned, running, with_outcome

ROLL = Decision("Model", "iris", Verb.ROLL_OUT, Reason.NEW_VERSION, detail="abc → def")
LOAD = Action("load:iris:def", ActionKind.LOAD, "iris", Reason.NEW_VERSION, 60.0)
CONTEXT = Context("default", "kubernetes", 0.0, commit="c1")


def _plan(*decisions: Decision, actions: tuple[Action, ...] = ()) -> Plan:
    return Plan("default", "c1", "", "", decisions, actions)


def _told(plan: Plan, *outcomes: Outcome) -> list[tuple[str, str, bool]]:
    report = running(planned(plan, CONTEXT))
    for outcome in outcomes:
        report = with_outcome(report, outcome)
    return [(each.reason, each.text, each.warning) for each in notices(closed(report, 1.0))]


def test_a_rollout_is_told_when_it_begins() -> None:
    report = running(planned(_plan(ROLL, actions=(LOAD,)), CONTEXT))
    assert [each.reason for each in notices(report)] == ["RolloutStarted"]


def test_a_rollout_is_told_when_it_is_done() -> None:
    told = _told(_plan(ROLL, actions=(LOAD,)), Outcome(LOAD.id, Status.DONE))
    assert told == [("RolledOut", "Git asks for another version: abc → def", False)]


@pytest.mark.parametrize(("status", "reason"), [(Status.FAILED, "LoadFailed"), (Status.NOT_RUN, "NotFinished")])
def test_what_went_wrong_is_a_warning(status: Status, reason: str) -> None:
    told = _told(_plan(ROLL, actions=(LOAD,)), Outcome(LOAD.id, status, "no such artifact"))
    assert told == [(reason, "load: no such artifact", True)]


def test_what_is_blocked_is_a_warning_with_its_fix() -> None:
    blocked = Decision("Model", "iris", Verb.BLOCKED, Reason.NO_ROOM, detail="short of 1M", fixes=("scale it", "or"))
    assert _told(_plan(blocked)) == [("Blocked", "not enough room: short of 1M; to fix: scale it", True)]


def test_what_the_cluster_says_of_a_failure_is_told_without_secrets() -> None:
    said = "cannot fetch https://me:hunter22@example.org/m with token=abcd1234"
    clean = "cannot fetch https://***@example.org/m with token=***"
    failed = _told(_plan(ROLL, actions=(LOAD,)), Outcome(LOAD.id, Status.FAILED, said))
    held = _told(_plan(Decision("Model", "iris", Verb.HOLD, Reason.NEW_VERSION, failure=said)))
    assert failed == [("LoadFailed", f"load: {clean}", True)]
    assert held == [("OnHold", f"this version failed to load: {clean}", True)]


def test_what_is_in_sync_is_not_told() -> None:
    assert _told(_plan(Decision("Model", "iris", Verb.IN_SYNC, Reason.SAME))) == []


def test_the_summary_says_commit_and_exit_code() -> None:
    report = closed(running(planned(_plan(ROLL, actions=(LOAD,)), CONTEXT)), 1.0)
    assert (summary(report).commit, summary(report).exit_code, summary(report).ended[:4]) == ("c1", 5, "1970")
