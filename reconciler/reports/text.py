"""Reports as text for a terminal. Colours underline what the words say; without them nothing is lost."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reconciler.errors import Problem
from reconciler.model.outcome import Status
from reconciler.model.plan import Decision, Verb
from reconciler.model.quantity import format_bytes
from reconciler.reports.report import Report, ReportedAction, Verdict
from reconciler.reports.words import (
    action_words,
    after_words,
    attention,
    commit_words,
    consequence,
    failures,
    headline,
    memory_words,
    moment,
    numbers_of,
    reason_words,
    room_words,
    share,
    time_words,
    took,
    unmanaged,
)

_WIDE = 110
"""Columns from which a report that has begun shows reasons beside outcomes."""
_VERDICT_STYLES = {
    Verdict.PLANNED: "bold cyan",
    Verdict.RUNNING: "bold cyan",
    Verdict.DONE: "bold green",
    Verdict.NOTHING_TO_DO: "bold green",
    Verdict.BLOCKED: "bold yellow",
}
STATUS_STYLES = {
    Status.PENDING: "dim",
    Status.RUNNING: "cyan",
    Status.DONE: "green",
    Status.FAILED: "bold red",
    Status.NOT_RUN: "yellow",
    Status.INTERRUPTED: "yellow",
}
_VERB_STYLES = {Verb.BLOCKED: "bold yellow", Verb.REFUSED: "bold red"}


def show(report: Report, console: Console) -> None:
    """Prints `report`; width, colours and destination are those of `console`."""
    if console.is_terminal:
        _print(report, console)
    else:
        console.print(Text(text(report, console.width)), end="", soft_wrap=True)


def text(report: Report, width: int = 100) -> str:
    """Returns `report` as plain text without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        _print(report, console)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _print(report: Report, console: Console) -> None:
    for part in _parts(report, console.width):
        console.print(part, highlight=False, soft_wrap=False)


def _parts(report: Report, width: int) -> Iterator[RenderableType]:
    word, summary = headline(report)
    yield Text.assemble((word, _VERDICT_STYLES.get(report.verdict, "bold red")), ": ", (summary, "bold"))
    yield _about(report)
    if report.error is not None:
        yield _section("Error", [_error(report)])
    if report.problems:
        yield _section("Problems", [_problem(problem) for problem in report.problems])
    if report.actions:
        yield _section("Actions", [_actions(report, width)])
    worries = [_failure(report, action) for action in failures(report)]
    worries += [_attention(decision) for decision in attention(report)]
    if worries:
        yield _section("Needs attention", worries)
    if report.capacity and (report.actions or worries):
        yield _section("Memory per server replica, at most, as planned", [_capacity(report)])
    yield from _notes(report)


def _section(title: str, parts: list[RenderableType]) -> RenderableType:
    return Group(Text(""), Text(title, style="bold"), *(Padding(part, (0, 0, 0, 2)) for part in parts))


def _about(report: Report) -> RenderableType:
    context = report.context
    place = " ".join(filter(None, (context.repository, context.ref, context.path and f"in {context.path}")))
    rows = {
        "repository": place,
        "commit": commit_words(context),
        "cluster": f"{context.cluster}, as instance {context.instance}",
        "room": room_words(report),
        "unverified": report.unverified,
        "time": time_words(report),
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        if value:
            grid.add_row(Text(f"  {name}", style="dim"), Text(value, overflow="fold"))
    return grid


def _actions(report: Report, width: int) -> RenderableType:
    numbers, begun = numbers_of(report), report.verdict is not Verdict.PLANNED
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("Action", overflow="fold", min_width=14)
    if begun:
        table.add_column("Outcome", ratio=3, overflow="fold")
        table.add_column("Time", justify="right", no_wrap=True)
    if not begun or width >= _WIDE:
        table.add_column("Reason", ratio=2, overflow="fold")
    if not begun:
        table.add_column("Memory", overflow="fold")
        table.add_column("After", overflow="fold")
    for action in report.actions:
        cells: list[Text] = [Text(str(numbers[action.id])), Text(action_words(action))]
        cells += [_outcome(action), Text(took(action.outcome))] if begun else []
        cells += [Text(reason_words(action))] if not begun or width >= _WIDE else []
        cells += [] if begun else [Text(memory_words(action)), Text(after_words(action, numbers))]
        table.add_row(*cells)
    return table


def _outcome(action: ReportedAction) -> Text:
    status, detail = action.outcome.status, action.outcome.detail
    return Text.assemble((status.value, STATUS_STYLES[status]), f": {detail}" if detail else "")


def _attention(decision: Decision) -> RenderableType:
    where = f"  {decision.source}" if decision.source else ""
    head = Text.assemble(
        (decision.verb.value, _VERB_STYLES.get(decision.verb, "bold")),
        f" {decision.kind} ",
        (decision.name, "bold"),
        (where, "dim"),
    )
    lines = [f"{decision.reason.value}{f': {decision.detail}' if decision.detail else ''}"]
    lines += [f"last failure: {decision.failure}"] if decision.failure else []
    return Group(head, *(_indented(line) for line in lines), *(_indented(fix, "fix: ") for fix in decision.fixes))


def _failure(report: Report, action: ReportedAction) -> RenderableType:
    where = f"  {action.source}" if action.source else ""
    head = Text.assemble(("failed", "bold red"), " ", (action_words(action), "bold"), (where, "dim"))
    lines = [action.outcome.detail or "no cause was given", consequence(report, action)]
    return Group(head, *(_indented(line) for line in lines if line))


def _indented(line: str, prefix: str = "") -> RenderableType:
    return Padding(Text.assemble((prefix, "green"), line, overflow="fold"), (0, 0, 0, 2))


def _capacity(report: Report) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("Replica", overflow="fold")
    for name in ("Before", "At peak", "After", "Limit"):
        table.add_column(name, justify="right")
    for each in report.capacity:
        amounts = (share(amount, each) for amount in (each.before, each.peak, each.after))
        table.add_row(Text(f"{each.server}/{each.replica}"), *amounts, format_bytes(each.limit))
    return table


def _problem(problem: Problem) -> RenderableType:
    parts = [_indented(problem.why)] if problem.why else []
    return Group(Text(str(problem), style="bold"), *parts, *([_indented(problem.fix, "fix: ")] if problem.fix else []))


def _error(report: Report) -> RenderableType:
    error = report.error
    if error is None:
        return Text("")
    parts = [_indented(error.why)] if error.why else []
    return Group(Text(error.what, style="bold red"), *parts, *([_indented(error.fix, "fix: ")] if error.fix else []))


def _notes(report: Report) -> Iterator[RenderableType]:
    lines = [("warning: ", "yellow", warning) for warning in report.warnings]
    if names := unmanaged(report):
        lines.append(("unmanaged, left as they are: ", "dim", ", ".join(names)))
    if report.next_step_at is not None:
        lines.append(("next step due: ", "dim", moment(report.next_step_at)))
    if lines:
        yield Group(Text(""), *(Text.assemble((title, style), line) for title, style, line in lines))
