"""A daemon's view tells what is new and keeps quiet about what is not; a single pass is always told."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from reconciler.cli import build
from reconciler.cli.views import DaemonView, PassView
from reconciler.errors import ManifestsInvalid, Problem, ReconcilerError, ReportError
from reconciler.model.plan import Decision, Plan, Reason, Verb
from reconciler.reports.report import Context, Report, closed, failed, planned
from reconciler.settings import Settings

CONTEXT = Context("default", "local", 1000.0, commit="c1")
PROBLEMS = (Problem("a.yaml", 1, "spec", "bad", "rule", "fix"),)


def report(verb: Verb, reason: Reason, commit: str = "c1") -> Report:
    plan = Plan("default", commit, "d", "l", (Decision("Model", "m", verb, reason),))
    return closed(planned(plan, replace(CONTEXT, commit=commit)), 1001.0)


def texts(view_type: type[PassView], *reports: Report) -> list[str]:
    """What the view prints for each of `reports`."""
    stream = io.StringIO()
    shown = []
    with view_type("text", Console(file=stream)) as view:
        for each in reports:
            view.begin(each)
            view.end(each)
            shown.append(stream.getvalue())
            stream.seek(0)
            stream.truncate()
    return shown


@pytest.mark.parametrize(("verb", "reason"), [(Verb.IN_SYNC, Reason.SAME), (Verb.BLOCKED, Reason.NO_ROOM)])
def test_a_daemon_tells_what_stays_as_it_is_once_for_each_commit(verb: Verb, reason: Reason) -> None:
    first, again, other = texts(DaemonView, report(verb, reason), report(verb, reason), report(verb, reason, "c2"))
    assert first
    assert not again
    assert other


def test_a_single_pass_is_always_told() -> None:
    assert all(texts(PassView, report(Verb.IN_SYNC, Reason.SAME), report(Verb.IN_SYNC, Reason.SAME)))


def test_a_failure_is_told_once_until_a_pass_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    view = DaemonView("text", Console(file=io.StringIO()))
    told = []
    for step in ("fail", "fail", "succeed", "fail"):
        if step == "fail":
            view.failed(ReconcilerError("no luck"))
        else:
            view.end(report(Verb.IN_SYNC, Reason.SAME))
        told.append("no luck" in capsys.readouterr().err)
    assert told == [True, False, False, True]


def test_warnings_are_without_colours_when_reports_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    for no_color in (True, False):
        PassView("text", build.console(Settings(no_color=no_color))).warn(ReportError("no luck"))
        assert ("\x1b" in capsys.readouterr().err) != no_color


def test_a_daemons_log_says_when_and_that_it_is_back(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    view = DaemonView("text", Console(file=stream), clock=lambda: 1000.0)
    view.end(report(Verb.IN_SYNC, Reason.SAME))
    assert stream.getvalue().startswith("1970-01-01T00:16:40Z commit c1\nNothing to do")
    view.failed(ReconcilerError("no luck"))
    assert capsys.readouterr().err.startswith("1970-01-01T00:16:40Z error: no luck\n")
    for said in ("1970-01-01T00:16:40Z back, 1 in sync\n", ""):
        stream.seek(0)
        stream.truncate()
        view.end(report(Verb.IN_SYNC, Reason.SAME))
        assert stream.getvalue() == said


def test_invalid_manifests_are_told_once_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    view = DaemonView("text", Console(file=stream))
    for _ in range(2):
        view.end(failed(ManifestsInvalid(PROBLEMS), CONTEXT))
        view.failed(ManifestsInvalid(PROBLEMS))
    assert capsys.readouterr().err.count("a.yaml:1") == 1
    assert stream.getvalue() == ""


def test_a_program_that_reads_json_is_told_of_invalid_manifests_too(capsys: pytest.CaptureFixture[str]) -> None:
    with PassView("json", Console()) as view:
        view.end(failed(ManifestsInvalid(PROBLEMS), CONTEXT))
    assert json.loads(capsys.readouterr().out)["status"] == "invalid"
