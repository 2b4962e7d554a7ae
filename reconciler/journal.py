"""The journal of one pass: its report, written before the first action, kept current, closed at the end.

A place that cannot be written to is a warning: it never stops the work that the report is about. Knows no cluster.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.clusters.base import Tells
from reconciler.errors import ReconcilerError, ReportError
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Plan
from reconciler.reports.notices import notices, summary
from reconciler.reports.report import Context, Report, Verdict, closed, planned, running, with_outcome
from reconciler.reports.sinks import BranchSink, FileSink

REFRESH = 1.0
"""Seconds between two writes of the file while actions run: kept current, and not written a thousand times."""


class View(Protocol):
    """Shows a pass while it runs."""

    def begin(self, report: Report) -> None:
        """The plan is made; nothing has run yet."""
        ...

    def tell(self, outcome: Outcome) -> None:
        """There is news of an action."""
        ...

    def warn(self, error: ReportError) -> None:
        """The report could not be kept somewhere."""
        ...

    def end(self, report: Report) -> None:
        """The pass is over."""
        ...


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where reports are kept, and where it is told in a few words. Writing to the first two may block."""

    file: FileSink | None = None
    branch: BranchSink | None = None
    cluster: Tells | None = None


class Journal:
    """Keeps the report of one pass.

    Args:
        look: says what the pass is about; asked in a thread, once the repository has been fetched.
        clock: Unix time in seconds.
    """

    def __init__(
        self, look: Callable[[], Context], sinks: Sinks, view: View, clock: Callable[[], float] = time.time
    ) -> None:
        self._look, self._sinks, self._view, self._clock = look, sinks, view, clock
        self._warnings: list[ReportError] = []
        self._report: Report | None = None
        self._written_at = clock()

    async def opened(self, plan: Plan) -> None:
        """Begins the report of `plan`; it is written only if something will be done."""
        report = planned(plan, await asyncio.to_thread(self._look))
        await asyncio.to_thread(self._keep, self._close_interrupted, report)
        if plan.actions:
            report = running(report)
            await self._write(report)
        self._report = report
        self._view.begin(report)

    def noted(self, outcome: Outcome) -> None:
        """Takes the news of one action in."""
        self._report = with_outcome(self._known, outcome)
        self._view.tell(outcome)
        if self._clock() - self._written_at >= REFRESH:
            self._keep(self._to_file, self._report)

    async def closed(self, error: ReconcilerError | None = None) -> Report:
        """Ends the report, writes it unless there was nothing to do, and returns it."""
        told = [warning.what for warning in self._warnings]
        report = closed(self._known, self._clock(), warnings=told, error=error)
        if report.verdict is not Verdict.NOTHING_TO_DO:
            await self._write(report)
        if self._warnings and report.exit_code == 0:
            report = replace(report, exit_code=ReportError.exit_code)
        self._view.end(report)
        return report

    @property
    def _known(self) -> Report:
        if self._report is None:
            raise RuntimeError("the journal was not opened")
        return self._report

    async def _write(self, report: Report) -> None:
        for write in (self._to_file, self._to_branch):
            await asyncio.to_thread(self._keep, write, report)
        if self._sinks.cluster is not None:
            await self._sinks.cluster.tell(notices(report), summary(report))

    def _to_file(self, report: Report) -> None:
        self._written_at = self._clock()
        if self._sinks.file is not None:
            self._sinks.file.write(report)

    def _to_branch(self, report: Report) -> None:
        # What stays blocked, invalid or on hold is told once, not with every pass.
        if self._sinks.branch is not None and self._sinks.branch.is_news(report):
            self._sinks.branch.write(report)

    def _close_interrupted(self, _: Report) -> None:
        if self._sinks.branch is not None:
            self._sinks.branch.close_interrupted(self._clock())

    def _keep(self, write: Callable[[Report], None], report: Report) -> None:
        try:
            write(report)
        except ReportError as error:
            self._warnings.append(error)
            self._view.warn(error)
