"""Where reports are kept, and for how long."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from reconciler.errors import ReportError, UsageError
from reconciler.model.outcome import Status
from reconciler.reports.report import Report, Verdict, closed, planned
from reconciler.reports.report_json import report_from_json, report_json
from reconciler.reports.sinks import BranchSink, FileSink, history_name, same_news
from tests.reports.samples import CONTEXT, IDLE, REPORTS, START, STUCK, applied, halfway, rejected


@dataclass
class Branch:
    """A branch in memory."""

    files: dict[str, bytes] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def publish(self, branch: str, files: Mapping[str, bytes | None], message: str) -> str:
        for name, content in files.items():
            if content is None:
                del self.files[name]
            else:
                self.files[name] = content
        self.messages.append(message)
        return "c0ffee"

    def read(self, branch: str, file: str) -> bytes | None:
        return self.files.get(file)

    def list(self, branch: str, folder: str) -> tuple[str, ...]:
        return tuple(name for name in sorted(self.files) if name.startswith(f"{folder}/"))


def at(report: Report, seconds: float) -> Report:
    return replace(report, context=replace(report.context, started_at=START + seconds))


def blocked(**context: str) -> Report:
    return closed(planned(STUCK, replace(CONTEXT, **context)), START + 1)  # type: ignore[arg-type] # by name


@pytest.mark.parametrize(("name", "beginning"), [("r.json", "{"), ("r.md", "## Incomplete"), ("r.txt", "Incomplete")])
def test_a_file_is_written_in_the_form_that_its_ending_names(tmp_path: Path, name: str, beginning: str) -> None:
    FileSink(tmp_path / name).write(applied())
    assert (tmp_path / name).read_text().startswith(beginning)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_unknown_ending_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no report format"):
        FileSink(tmp_path / "report.pdf")


def test_a_file_that_cannot_be_written_keeps_what_it_had(tmp_path: Path) -> None:
    with pytest.raises(ReportError) as caught:
        FileSink(tmp_path / "absent" / "r.json").write(applied())
    assert (caught.value.why, bool(caught.value.fix)) == ("No such file or directory", True)
    (tmp_path / "r.json").mkdir()
    with pytest.raises(ReportError):
        FileSink(tmp_path / "r.json").write(applied())
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_a_report_is_the_latest_and_in_the_history_in_one_commit() -> None:
    branch = Branch()
    BranchSink(branch, "reports", "prod").write(applied())
    history = "prod/history/20261122T164640.000Z-1a2b3c4d"
    assert sorted(branch.files) == [f"{history}.json", f"{history}.md", "prod/latest.json", "prod/latest.md"]
    assert branch.messages == ["prod: incomplete, " + applied().summary]


def test_the_end_of_a_pass_replaces_its_beginning_in_the_history() -> None:
    branch = Branch()
    sink = BranchSink(branch, "reports", "prod")
    sink.write(halfway())
    sink.write(applied())
    assert len(branch.files) == 4


def test_the_history_is_kept_for_a_set_number_of_reports() -> None:
    branch = Branch()
    sink = BranchSink(branch, "reports", "prod", keep=2)
    for seconds in range(5):
        sink.write(at(applied(), seconds))
    kept = [name for name in sorted(branch.files) if "/history/" in name]
    assert kept == [
        f"prod/history/2026112{t}-1a2b3c4d.{e}" for t in ("2T164643.000Z", "2T164644.000Z") for e in ("json", "md")
    ]
    assert len(branch.messages) == 5


def test_the_report_of_a_killed_pass_is_closed_by_the_next() -> None:
    branch = Branch()
    sink = BranchSink(branch, "reports", "prod")
    sink.write(halfway())
    report = sink.close_interrupted(START + 100)
    assert report is not None
    assert (report.verdict, report.exit_code) == (Verdict.INTERRUPTED, 5)
    statuses = [action.outcome.status for action in report.actions]
    assert statuses == [Status.DONE, Status.INTERRUPTED, *[Status.NOT_RUN] * 4]
    for name in ("latest", f"history/{history_name(halfway())}"):
        assert json.loads(branch.files[f"prod/{name}.json"])["status"] == "interrupted"
    assert sink.close_interrupted(START + 200) is None


def test_a_pass_killed_after_its_last_action_is_interrupted_all_the_same() -> None:
    branch = Branch()
    sink = BranchSink(branch, "reports", "prod")
    sink.write(replace(applied(), verdict=Verdict.RUNNING, ended_at=None))
    report = sink.close_interrupted(START + 100)
    assert report is not None
    assert (report.verdict, report.exit_code) == (Verdict.INTERRUPTED, 5)


@pytest.mark.parametrize("content", [None, b"", b"not json", b"[]"])
def test_what_is_no_report_is_not_closed_and_does_not_stop_a_pass(content: bytes | None) -> None:
    branch = Branch({"prod/latest.json": content} if content is not None else {})
    assert BranchSink(branch, "reports", "prod").close_interrupted(START) is None
    assert branch.messages == []


def test_what_stays_blocked_or_invalid_is_told_once() -> None:
    for report in (blocked(), rejected(), REPORTS["failed"]()):
        assert same_news(report_json(report), at(report, 60))
        assert not same_news(None, report)
    assert not same_news(report_json(blocked()), rejected())


def test_another_commit_another_decision_or_an_action_is_news() -> None:
    old = report_json(blocked())
    assert not same_news(old, blocked(commit="f" * 40))
    assert not same_news(old, closed(planned(IDLE, CONTEXT), START))
    assert not same_news(report_json(applied()), applied())
    branch = Branch({"prod/latest.json": old})
    assert not BranchSink(branch, "reports", "prod").is_news(blocked())


def test_the_latest_report_can_be_read_back() -> None:
    branch = Branch()
    sink = BranchSink(branch, "reports", "prod")
    assert sink.latest() is None
    sink.write(rejected())
    latest = sink.latest()
    assert latest is not None
    assert latest == report_from_json(report_json(rejected()))
