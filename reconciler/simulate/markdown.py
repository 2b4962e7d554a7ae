"""A simulation as Markdown, for a comment on a pull request. What manifests say is never markup in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.reports.markdown import escape
from reconciler.simulate import bar
from reconciler.simulate.report import Report, chance_words, convergence, fate, what_became
from reconciler.simulate.text import LEGEND, peaks

_WIDTH = 50


def markdown(report: Report) -> str:
    """Returns `report` as Markdown, ending with a line break."""
    return "\n".join(_lines(report)).rstrip("\n") + "\n"


def _lines(report: Report) -> Iterator[str]:
    subject, story = report.subject, report.comparison.story
    told = f" ({escape(subject.subject)})" if subject.subject else ""
    yield f"## Commit {escape(subject.commit[:8])}{told} on a simulated cluster"
    yield ""
    yield f"Before: {escape(subject.before)}. {report.rate:g} requests/s and model for {story.seconds:g} s;"
    yield f"runs: {len(report.comparison.plain)}, the worst is told."
    yield ""
    rows = [
        (name, what_became(history, report.rate), convergence(history, story.last.at, open_))
        for name, history, open_ in (("`kubectl apply`", report.plain, ()), ("reconciler", report.ours, report.open))
    ]
    yield from _table(("", "Models", "Commit"), ((name, escape(what), escape(when)) for name, what, when in rows))
    words = chance_words(report.comparison, report.rate)
    if words:
        yield f"\n`kubectl apply`: {escape(words)}."
    yield from _models(report)
    yield "\n### Memory scheduled per server replica, at most\n"
    yield from _table(("Replica", "Limit", "kubectl apply", "reconciler"), (map(escape, row) for row in peaks(report)))
    yield from _open(report)
    if report.notes:
        yield ""
    yield from (f"- {escape(note)}" for note in report.notes)


def _models(report: Report) -> Iterator[str]:
    rows = []
    if not report.eventful:
        yield f"\n{report.others}."
        return
    for plain, ours in report.eventful:
        known = bar.answerers(plain, ours)
        rows.append([plain.name, ", ".join(bar.numbered(known)), fate(plain, report.rate), fate(ours, report.rate)])
    yield "\n### Models\n"
    yield from _table(("Model", "Versions", "kubectl apply", "reconciler"), (map(escape, row) for row in rows))
    seconds = bar.scale((report.plain, report.ours))
    yield f"\nThe first {seconds:g} s, `kubectl apply` above, reconciler below:\n"
    yield "```text"
    width = max((len(plain.name) for plain, _ in report.eventful), default=0)
    for plain, ours in report.eventful:
        known = bar.answerers(plain, ours)
        yield f"{plain.name:{width}}  {bar.bar(plain, known, seconds, _WIDTH)}"
        yield f"{'':{width}}  {bar.bar(ours, known, seconds, _WIDTH)}".rstrip()
    yield f"\n{LEGEND}"
    yield "```"
    if report.others:
        yield f"\n{report.others}."


def _open(report: Report) -> Iterator[str]:
    if report.open:
        yield "\n### What the reconciler does not bring about\n"
    for decision in report.open:
        detail = f": {decision.detail}" if decision.detail else ""
        fixes = "".join(f"\n  - fix: {escape(fix)}" for fix in decision.fixes)
        yield f"- {escape(f'{decision.verb} {decision.kind} {decision.name}: {decision.reason}{detail}')}{fixes}"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(header)
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
