"""Reports as Markdown for a forge: tables that stay tables, and nothing in them that a manifest's author slipped in.

Text that comes from manifests or clusters is never markup here: characters that mean something are escaped, and
mentions, references and links are broken up by a character of no width.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from reconciler.errors import Problem
from reconciler.model.clean import printable
from reconciler.model.manifests import Source
from reconciler.model.plan import Decision
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

_NO_WIDTH = "&#8203;"
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKUP = re.compile(r"([\\`*_{}\[\]|~$])")
_REFERENCE = re.compile(r"([@#!%])(?=\w)|(&amp;)(?=\w)")
_LINK = re.compile(r"(:)(?=//)|\b(www)(?=\.)", re.IGNORECASE)


def markdown(report: Report) -> str:
    """Returns `report` as Markdown, ending with a line break."""
    word, summary = headline(report)
    parts = [f"## {word}: {escape(summary)}", *_about(report), *_error(report), *_problems(report)]
    parts += [*_actions(report), *_attention(report), *_capacity(report), *_notes(report)]
    return "\n".join(parts).rstrip("\n") + "\n"


def escape(text: str) -> str:
    """Returns `text` so that it shows as it is, in a table as well, and mentions, links and refers to nothing."""
    text = _MARKUP.sub(r"\\\1", printable(text).translate(_ENTITIES))
    text = _REFERENCE.sub(lambda match: (match[1] or match[2]) + _NO_WIDTH, text)
    return _LINK.sub(lambda match: (match[1] or match[2]) + _NO_WIDTH, text)


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yields the lines of a table; a column whose name begins with `>` is right-aligned. Cells are markup already."""
    names = list(header)
    yield "| " + " | ".join(name.removeprefix(">") for name in names) + " |"
    yield "|" + "|".join(" ---: " if name.startswith(">") else " --- " for name in names) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _about(report: Report) -> Iterator[str]:
    context = report.context
    rows = {
        "repository": " ".join(filter(None, (context.repository, context.ref))),
        "path": context.path,
        "commit": commit_words(context),
        "cluster": f"{context.cluster}, as instance {context.instance}",
        "room": room_words(report),
        "unverified": report.unverified,
        "time": time_words(report),
        "exit code": str(report.exit_code),
    }
    yield ""
    yield from (f"- {name}: {escape(value)}" for name, value in rows.items() if value)


def _error(report: Report) -> Iterator[str]:
    if report.error is not None:
        yield from ("", "### Error", "", f"**{escape(report.error.what)}**")
        yield from (f"- {escape(part)}" for part in (report.error.why,) if part)
        yield from (f"- fix: {escape(part)}" for part in (report.error.fix,) if part)


def _problems(report: Report) -> Iterator[str]:
    if report.problems:
        yield from ("", "### Problems", "")
        yield from _table(("Where", "Field", "What", "Why", "How to fix"), map(_problem, report.problems))


def _problem(problem: Problem) -> Iterator[str]:
    yield _place(Source(problem.file, problem.line))
    yield from (escape(text) for text in (problem.field, problem.what, problem.why, problem.fix))


def _place(source: Source | None) -> str:
    if source is None:
        return ""
    return escape(f"{source.file}:{source.line}" if source.line else source.file)


def _actions(report: Report) -> Iterator[str]:
    if not report.actions:
        return
    numbers, begun = numbers_of(report), report.verdict is not Verdict.PLANNED
    header = [">#", "Action", "Reason", "Memory", "After"] + (["Outcome", ">Time"] if begun else [])
    yield from ("", "### Actions", "")
    yield from _table(header, (_action(action, numbers, begun) for action in report.actions))


def _action(action: ReportedAction, numbers: dict[str, int], begun: bool) -> Iterator[str]:
    yield str(numbers[action.id])
    yield from map(escape, (action_words(action), reason_words(action), memory_words(action)))
    yield escape(after_words(action, numbers))
    if begun:
        detail = action.outcome.detail
        yield f"**{action.outcome.status.value}**{f': {escape(detail)}' if detail else ''}"
        yield took(action.outcome)


def _attention(report: Report) -> Iterator[str]:
    failed, decisions = failures(report), attention(report)
    if failed or decisions:
        yield from ("", "### Needs attention", "")
    for action in failed:
        yield f"- **failed** {escape(action_words(action))}{_in(action.source)}"
        yield f"  - {escape(action.outcome.detail or 'no cause was given')}"
        if meaning := consequence(report, action):
            yield f"  - {escape(meaning)}"
    for decision in decisions:
        yield from _decision(decision)


def _decision(decision: Decision) -> Iterator[str]:
    yield f"- **{decision.verb.value}** {decision.kind} {escape(decision.name)}{_in(decision.source)}"
    yield f"  - {escape(decision.reason.value + (f': {decision.detail}' if decision.detail else ''))}"
    if decision.failure:
        yield f"  - last failure: {escape(decision.failure)}"
    yield from (f"  - fix: {escape(fix)}" for fix in decision.fixes)


def _in(source: Source | None) -> str:
    return f" in {_place(source)}" if source is not None else ""


def _capacity(report: Report) -> Iterator[str]:
    if report.capacity and (report.actions or attention(report)):
        rows = (
            (
                escape(f"{c.server}/{c.replica}"),
                share(c.before, c),
                share(c.peak, c),
                share(c.after, c),
                format_bytes(c.limit),
            )
            for c in report.capacity
        )
        yield from ("", "### Memory per server replica, at most, as planned", "")
        yield from _table(("Replica", ">Before", ">At peak", ">After", ">Limit"), rows)


def _notes(report: Report) -> Iterator[str]:
    notes = [f"warning: {escape(warning)}" for warning in report.warnings]
    if names := unmanaged(report):
        notes.append(f"unmanaged, left as they are: {escape(', '.join(names))}")
    if report.next_step_at is not None:
        notes.append(f"next step due: {moment(report.next_step_at)}")
    if notes:
        yield from ("", "### Notes", "")
        yield from (f"- {note}" for note in notes)
