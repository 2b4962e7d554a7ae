"""The journal writes a report before the first action and at the end; a sink that fails is a warning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import ClusterError, ManifestsInvalid, Problem, ReportError
from reconciler.journal import Journal, Sinks
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, ActionKind, Decision, Plan, Reason, Verb
from reconciler.reports.report import Context, Report
from reconciler.reports.sinks import BranchSink, FileSink

LOAD = Action("load-m", ActionKind.LOAD, "m", Reason.NEW, 60)
PLAN = Plan("default", "c1", "d", "l", (Decision("Model", "m", Verb.LOAD, Reason.NEW),), (LOAD,))
IDLE = Plan("default", "c1", "d", "l", (Decision("Model", "m", Verb.IN_SYNC, Reason.SAME),))
BLOCKED = Plan("default", "c1", "d", "l", (Decision("Model", "m", Verb.BLOCKED, Reason.NO_ROOM),))


class Branch:
    """A publisher that keeps files in memory; it refuses to when told so."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.messages: list[str] = []
        self.refuses = False

    def publish(self, branch: str, files: Mapping[str, bytes | None], message: str) -> str:
        if self.refuses:
            raise ReportError("cannot be pushed")
        for name, content in files.items():
            if content is None:
                self.files.pop(name, None)
            else:
                self.files[name] = content
        self.messages.append(message)
        return "commit"

    def read(self, branch: str, file: str) -> bytes | None:
        return self.files.get(file)

    def list(self, branch: str, folder: str) -> tuple[str, ...]:
        return tuple(name for name in self.files if name.startswith(folder))


class Listener:
    """A view that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begin(self, report: Report) -> None:
        self.told.append("begin")

    def tell(self, outcome: Outcome) -> None:
        self.told.append(outcome.status)

    def warn(self, error: ReportError) -> None:
        self.told.append(f"warning: {error.what}")

    def end(self, report: Report) -> None:
        self.told.append("end")


class Clock:
    """Goes on by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def journal(branch: Branch, listener: Listener, *, file: Path | None = None, clock: Clock | None = None) -> Journal:
    sinks = Sinks(FileSink(file) if file else None, BranchSink(branch, "reports", "default"))
    clock = clock or Clock()
    return Journal(lambda: Context("default", "local", clock(), commit="c1"), sinks, listener, clock)


async def test_it_is_written_before_the_first_action_and_at_the_end() -> None:
    branch, listener = Branch(), Listener()
    pages = journal(branch, listener)
    await pages.opened(PLAN)
    assert branch.messages == ["default: running, 0 of 1 action done"]
    pages.noted(Outcome("load-m", Status.RUNNING))
    pages.noted(Outcome("load-m", Status.DONE))
    report = await pages.closed()
    assert branch.messages[1:] == ["default: done, 1 of 1 action done"]
    assert report.exit_code == 0
    assert listener.told == ["begin", "running", "done", "end"]


async def test_a_pass_with_nothing_to_do_writes_nothing(tmp_path: Path) -> None:
    branch, file = Branch(), tmp_path / "report.json"
    pages = journal(branch, Listener(), file=file)
    await pages.opened(IDLE)
    await pages.closed()
    assert branch.messages == []
    assert not file.exists()


async def test_what_stays_blocked_is_written_to_the_branch_once() -> None:
    branch = Branch()
    for _ in range(2):
        pages = journal(branch, Listener())
        await pages.opened(BLOCKED)
        assert (await pages.closed()).exit_code == 4
    assert len(branch.messages) == 1


async def test_a_push_that_fails_is_a_warning_and_exit_code_1_if_nothing_else_is_wrong() -> None:
    branch, listener = Branch(), Listener()
    branch.refuses = True
    pages = journal(branch, listener)
    await pages.opened(PLAN)
    pages.noted(Outcome("load-m", Status.DONE))
    assert (await pages.closed()).exit_code == 1
    assert listener.told.count("warning: cannot be pushed") == 2


async def test_a_push_that_fails_hides_no_worse_exit_code() -> None:
    branch = Branch()
    branch.refuses = True
    pages = journal(branch, Listener())
    await pages.opened(PLAN)
    pages.noted(Outcome("load-m", Status.FAILED, "broken"))
    assert (await pages.closed()).exit_code == 5


async def test_the_file_is_kept_current_while_actions_run(tmp_path: Path) -> None:
    file, clock = tmp_path / "report.json", Clock()
    pages = journal(Branch(), Listener(), file=file, clock=clock)
    await pages.opened(PLAN)
    clock.now += 5
    pages.noted(Outcome("load-m", Status.RUNNING))
    assert json.loads(file.read_text())["actions"][0]["outcome"]["status"] == "running"


async def test_a_report_left_by_a_killed_pass_is_closed_by_the_next() -> None:
    branch = Branch()
    await journal(branch, Listener()).opened(PLAN)
    clock = Clock()
    clock.now += 60
    pages = journal(branch, Listener(), clock=clock)
    await pages.opened(IDLE)
    assert "interrupted" in branch.messages[-1]
    assert json.loads(branch.files["default/latest.json"])["status"] == "interrupted"


async def test_an_error_in_the_middle_closes_the_report_as_failed() -> None:
    branch = Branch()
    pages = journal(branch, Listener())
    await pages.opened(PLAN)
    report = await pages.closed(ClusterError("it is gone"))
    assert report.exit_code == 1
    assert "failed" in branch.messages[-1]


async def test_an_invalid_commit_is_reported_once() -> None:
    branch = Branch()
    error = ManifestsInvalid((Problem("a.yaml", 1, "spec", "bad", "rule", "fix"),))
    for _ in range(2):
        pages = journal(branch, Listener())
        await pages.opened(Plan("default", "", "", ""))
        report = await pages.closed(error)
        assert report.exit_code == 3
    assert len(branch.messages) == 1
    assert b"a.yaml" in branch.files["default/latest.md"]
