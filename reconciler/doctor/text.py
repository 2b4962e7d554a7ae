"""A diagnosis as text for a terminal. Colours underline what the words say; without them nothing is lost."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby

from rich.console import Console
from rich.text import Text

from reconciler.doctor.finding import Diagnosis, Finding, Fix, Severity

_HEADS = {
    Severity.OUTAGE: "Outage now",
    Severity.NEXT_CHANGE: "The next change is an outage",
    Severity.RISK: "Risks",
}
_STYLES = {Severity.OUTAGE: "bold red", Severity.NEXT_CHANGE: "bold yellow", Severity.RISK: "bold cyan"}
_IN_FULL = 3
"""Findings of one hazard and severity that are told in full; of the others the names."""
_NARROWEST, _WIDEST = 40, 100
_INDENT, _LABEL = 4, 6


def show(diagnosis: Diagnosis, console: Console) -> None:
    """Prints `diagnosis`; width, colours and destination are those of `console`."""
    for line in _lines(diagnosis, max(_NARROWEST, min(console.width, _WIDEST))):
        console.print(line, soft_wrap=True)


def text(diagnosis: Diagnosis, width: int = 80) -> str:
    """Returns `diagnosis` as plain text without colours."""
    return "".join(f"{line.plain}\n" for line in _lines(diagnosis, width))


def _lines(diagnosis: Diagnosis, width: int) -> Iterator[Text]:
    if diagnosis.unverified:
        lines = _wrapped(f"Unverified: {diagnosis.unverified}", width, "")
        yield from (Text(line, style="bold yellow") for line in lines)
        yield Text("")
    for severity, found in groupby(diagnosis.findings, key=lambda finding: finding.severity):
        yield Text(_HEADS[severity], style=_STYLES[severity])
        yield Text("")
        for _, alike in groupby(found, key=lambda finding: finding.hazard):
            yield from _group(list(alike), width)
    for note in diagnosis.notes:
        yield from _labelled("note", note, width, "yellow", indent="")
    if diagnosis.notes:
        yield Text("")
    style = "bold" if diagnosis.findings or diagnosis.unverified else "bold green"
    yield from (Text(line, style=style) for line in textwrap.wrap(diagnosis.summary, width))


def _group(alike: list[Finding], width: int) -> Iterator[Text]:
    """The first ones in full; the others, which differ in little, by name."""
    told = alike if len(alike) <= _IN_FULL + 1 else alike[:_IN_FULL]
    for finding in told:
        yield from _finding(finding, width)
        yield Text("")
    rest = alike[len(told) :]
    if rest:
        names = ", ".join(finding.name for finding in rest[:50])
        more = f" and {len(rest) - 50} more" if len(rest) > 50 else ""
        again = f"{len(rest)} more {rest[0].kind}s likewise (-o json has them in full): {names}{more}"
        yield from (Text(line) for line in _wrapped(again, width, "  "))
        yield Text("")


def _finding(finding: Finding, width: int) -> Iterator[Text]:
    where = f" (namespace {finding.namespace})" if finding.namespace else ""
    head = f"{finding.kind} {finding.name}{where} {finding.title}"
    yield from (Text(line, style="bold") for line in _wrapped(head, width, "  "))
    yield from _labelled("what", finding.what, width)
    yield from _labelled("then", finding.consequence, width)
    for number, fix in enumerate(finding.fixes):
        yield from _fix(fix, "or" if number else "fix", width)


def _fix(fix: Fix, label: str, width: int) -> Iterator[Text]:
    yield from _labelled(label, fix.text, width, "green")
    for line in _command(fix.command, width - _INDENT - _LABEL):
        yield Text(" " * (_INDENT + _LABEL) + line, style="cyan")


def _command(command: str, width: int) -> Iterator[str]:
    """The command on as few lines as it needs, so that it can be copied: broken before an option, with a backslash."""
    if not command:
        return
    words = command.replace(" -", "\n-").split("\n")
    line = words[0]
    for number, word in enumerate(words[1:], 2):
        if len(line) + 1 + len(word) + (2 if number < len(words) else 0) <= width:
            line = f"{line} {word}"
        else:
            yield f"{line} \\"
            line = f"  {word}"
    yield line


def _labelled(label: str, told: str, width: int, style: str = "dim", indent: str = " " * _INDENT) -> Iterator[Text]:
    first = f"{label}:".ljust(_LABEL)
    lines = _wrapped(told, width, indent + " " * _LABEL)
    for number, line in enumerate(lines):
        if number:
            yield Text(line)
        else:
            yield Text.assemble(indent, (first, style), line[len(indent) + _LABEL :])


def _wrapped(told: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        told,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    ) or [indent]
