"""What is shown while a plan runs."""

from __future__ import annotations

import io

from rich.console import Console

from reconciler.model.outcome import Outcome, Status
from reconciler.reports.live import Progress
from reconciler.reports.report import planned, running
from reconciler.reports.text import show, text
from tests.reports.samples import CONTEXT, LOAD, PLAN, SHIFT, START, applied


def shown(*outcomes: Outcome, terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=terminal, color_system=None, legacy_windows=False)
    with console.capture() as captured, Progress(running(planned(PLAN, CONTEXT)), console, lambda: START) as progress:
        for outcome in outcomes:
            progress.tell(outcome)
    return captured.get()


def test_without_a_terminal_every_change_of_status_is_one_line() -> None:
    lines = shown(
        Outcome(LOAD.id, Status.RUNNING, "0 of 2 replicas available", START),
        Outcome(LOAD.id, Status.RUNNING, "1 of 2 replicas available", START),
        Outcome(LOAD.id, Status.DONE, "2 of 2 replicas available", START, START + 3.21),
        Outcome(SHIFT.id, Status.FAILED, "no route", START, START + 1),
        terminal=False,
    ).splitlines()
    assert lines == [
        "2026-11-22T16:46:40Z 1/6 load iris running",
        "2026-11-22T16:46:40Z 1/6 load iris done: 2 of 2 replicas available (3.2 s)",
        "2026-11-22T16:46:40Z 2/6 shift iris failed: no route (1.0 s)",
    ]


def test_on_a_terminal_the_table_says_what_runs_and_what_it_waits_for() -> None:
    told = shown(Outcome(LOAD.id, Status.RUNNING, "1 of 2 replicas available", START - 5), terminal=True)
    assert "load iris" in told
    assert "1 of 2 replicas available" in told
    assert "0 of 6 actions done, 1 running" in told


def test_a_report_that_goes_to_a_file_or_a_pipe_has_no_blanks_at_line_ends() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=False, color_system=None)
    with console.capture() as captured:
        show(applied(), console)
    assert captured.get() == text(applied(), 100)


def test_on_a_terminal_colours_change_no_word() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        show(applied(), console)
    assert [line.rstrip() for line in captured.get().splitlines()] == text(applied(), 100).splitlines()
