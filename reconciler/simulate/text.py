"""A simulation as text for a terminal. Colours underline what the characters say; without them nothing is lost."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reconciler.model.clean import printable
from reconciler.model.plan import Decision
from reconciler.model.quantity import format_bytes
from reconciler.simulate import bar
from reconciler.simulate.history import History
from reconciler.simulate.report import Report, chance_words, convergence, fate, what_became

LEGEND = "1 2 the version that answers   + both   × off the air   ~ some requests lost   · not on the air yet"
_STYLES = {bar.OFF: "bold red", bar.SOME_LOST: "red", bar.SHARED: "cyan", bar.NOT_YET: "dim", "1": "green"}
_NEWER = "bold green"
_WIDEST, _NARROWEST = 60, 20
_ROOM_FOR_WORDS = 60
_PIPED = 100
"""Columns at least where nobody sees a terminal's edge."""


def show(report: Report, console: Console) -> None:
    """Prints `report`; width, colours and destination are those of `console`."""
    if console.is_terminal:
        _print(report, console)
    else:
        console.print(Text(text(report, max(console.width, _PIPED))), end="", soft_wrap=True)


def text(report: Report, width: int = 100) -> str:
    """Returns `report` as plain text without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        _print(report, console)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _print(report: Report, console: Console) -> None:
    for part in _parts(report, console.width):
        console.print(part, highlight=False, soft_wrap=isinstance(part, Text))


def _parts(report: Report, width: int) -> Iterator[RenderableType]:
    yield from _head(report)
    yield from _timelines(report, width)
    yield Text("\nMemory scheduled per server replica, at most", style="bold")
    yield Padding(_memory(report), (0, 0, 0, 2))
    if report.open:
        yield Text("\nWhat the reconciler does not bring about, and what would help", style="bold")
        yield from (_open(decision) for decision in report.open)
    if report.notes:
        yield Text("")
    yield from (Text.assemble(("note: ", "yellow"), printable(note)) for note in report.notes)


def _head(report: Report) -> Iterator[Text]:
    subject, comparison = report.subject, report.comparison
    told = f" ({printable(subject.subject)})" if subject.subject else ""
    yield Text(f"Commit {subject.commit[:8]}{told}, played on a simulated cluster", style="bold")
    yield Text(f"  before  {printable(subject.before)}", style="dim")
    runs = f"{len(comparison.plain)} runs, the worst is told" if len(comparison.plain) > 1 else "one run"
    played = f"{report.rate:g} requests/s and model for {comparison.story.seconds:g} s; {runs}"
    yield Text(f"  played  {played}; an artifact takes {report.load_time:g} s to load", style="dim")
    bad = "bold red" if report.plain_loses else "bold"
    yield from _way("kubectl apply", report, report.plain, (), bad)
    words = chance_words(comparison, report.rate)
    if words:
        yield Text(f"  {words}", style="dim")
    yield from _way(
        "reconciler", report, report.ours, report.open, "bold red" if report.ours.taken_off else "bold green"
    )


def _way(name: str, report: Report, history: History, open_: Sequence[Decision], style: str) -> Iterator[Text]:
    yield Text.assemble("\n", (f"{name}: ", "bold"), (what_became(history, report.rate), style))
    yield Text(f"  {printable(convergence(history, report.comparison.story.last.at, open_))}")


def _timelines(report: Report, width: int) -> Iterator[Text]:
    seconds = bar.scale((report.plain, report.ours))
    cells = min(_WIDEST, max(_NARROWEST, width - _ROOM_FOR_WORDS))
    later = "; nothing changes later" if seconds < report.plain.seconds else ""
    if report.eventful:
        yield Text.assemble("\n", ("Timelines", "bold"), f", 0 to {seconds:g} s after the commit{later}")
        yield Text(f"  {LEGEND}", style="dim")
    for plain, ours in report.eventful:
        known = bar.answerers(plain, ours)
        named = "  ".join(bar.numbered(known))
        yield Text.assemble("  ", (plain.name, "bold"), f"   {named}" if named else "   never answered")
        for way, model in (("plain", plain), ("ours", ours)):
            drawn = _coloured(bar.bar(model, known, seconds, cells))
            yield Text.assemble(f"    {way:5}  ", drawn, f"  {fate(model, report.rate)}")
    if report.others:
        yield Text(f"\n{report.others}")


def _coloured(drawn: str) -> Text:
    return Text.assemble(*((character, _STYLES.get(character, _NEWER)) for character in drawn))


def _memory(report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("Replica", overflow="fold")
    for name in ("Limit", "Plain", "Ours"):
        table.add_column(name, justify="right")
    for where, limit, plain, ours in peaks(report):
        table.add_row(Text(where), limit, plain, ours)
    return table


def peaks(report: Report) -> Iterator[tuple[str, str, str, str]]:
    """Yields each server replica, its limit, and what was scheduled on it at most, plainly and by us."""
    ways = [{(p.server, p.replica): p for p in history.peaks} for history in (report.plain, report.ours)]
    for place in sorted({*ways[0], *ways[1]}):
        found = [way.get(place) for way in ways]
        limit = next(peak.limit for peak in found if peak is not None)
        amounts = ["-" if peak is None else format_bytes(peak.peak) for peak in found]
        yield f"{place[0]}/{place[1]}", format_bytes(limit), amounts[0], amounts[1]


def _open(decision: Decision) -> Group:
    why = f"{decision.reason}{f': {decision.detail}' if decision.detail else ''}"
    head = Text.assemble("  ", (decision.verb, "bold yellow"), f" {decision.kind} ", (decision.name, "bold"))
    fixes = [Text.assemble(("fix: ", "green"), fix) for fix in decision.fixes]
    failure = [Text(f"last failure: {decision.failure}")] if decision.failure else []
    return Group(head, *(Padding(part, (0, 0, 0, 4)) for part in (Text(why), *failure, *fixes)))
