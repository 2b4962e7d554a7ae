"""How a pass is shown: its progress, then its report, as text, Markdown or JSON. Formats nothing itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from rich.console import Console

from reconciler.cli import failures
from reconciler.errors import ManifestsInvalid, ReconcilerError, ReportError
from reconciler.model.outcome import Outcome
from reconciler.reports.live import Progress
from reconciler.reports.markdown import markdown
from reconciler.reports.report import Report, Verdict
from reconciler.reports.report_json import report_json
from reconciler.reports.text import show
from reconciler.reports.words import moment


def print_report(report: Report, output: str, console: Console) -> None:
    """Prints `report` on standard output in the form that `output` names."""
    if output == "json":
        sys.stdout.write(report_json(report).decode())
    elif output == "markdown":
        sys.stdout.write(markdown(report))
    else:
        show(report, console)


class PassView:
    """Shows a pass: as text its progress and then its report, in the other forms the report alone.

    Of passes that follow one another at once each is shown, but as JSON only the last: one command, one object. A
    context manager, so that the terminal is as it was however the pass ends.
    """

    def __init__(self, output: str, console: Console) -> None:
        self._output, self._console = output, console
        self._progress: Progress | None = None
        self._open = ExitStack()
        self._last: Report | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        if self._last is not None and self._output == "json":
            print_report(self._last, self._output, self._console)

    def begin(self, report: Report) -> None:
        """Opens the progress view."""
        if self._output == "text" and self._last is not None:
            self._console.print("\nWhat this left is taken up at once:\n")
        if self._output == "text" and report.actions:
            self._progress = self._open.enter_context(Progress(report, self._console))

    def tell(self, outcome: Outcome) -> None:
        """Shows the news of an action."""
        if self._progress is not None:
            self._progress.tell(outcome)

    def warn(self, error: ReportError) -> None:
        """Tells on the error stream that the report could not be kept."""
        failures.warn(error, no_color=self._console.no_color)

    def end(self, report: Report) -> None:
        """Closes the progress view and prints the report; as text invalid manifests are left to the error."""
        self._open.close()
        self._last = report
        if self._output != "json":
            self._print(report)

    def _print(self, report: Report) -> None:
        if self._output != "text" or report.verdict is not Verdict.INVALID:
            print_report(report, self._output, self._console)


class DaemonView(PassView):
    """Shows the passes of a daemon as a log: one that did nothing only if the one before it was another matter.

    Args:
        output, console: as for `PassView`. clock: Unix time in seconds.
    """

    def __init__(self, output: str, console: Console, clock: Callable[[], float] = time.time) -> None:
        super().__init__(output, console)
        self._clock = clock
        self._shown: tuple[object, ...] = ()
        self._failure: tuple[object, ...] = ()

    def end(self, report: Report) -> None:
        """Closes the progress view and prints the report, unless it is no news; after a failure one line at least."""
        self._open.close()
        invalid = report.verdict is Verdict.INVALID
        matter = (report.context.commit, report.verdict, report.decisions, report.problems, report.unverified)
        news = bool(report.actions) or matter != self._shown
        back = bool(self._failure) and not invalid
        if self._output == "text" and not invalid and (news or back):
            about = f"back, {report.summary}" if back and not news else f"commit {report.context.commit[:8]}"
            self._console.print(f"{moment(self._clock())} {'back, ' if back and news else ''}{about}", soft_wrap=True)
        if news or (back and self._output != "text"):
            self._print(report)
        self._shown = matter
        if not invalid:
            self._failure = ()

    def failed(self, error: ReconcilerError) -> None:
        """Tells on the error stream of a pass that failed, unless the one before it failed in the same way."""
        self._open.close()
        matter = (error.what, error.why, error.problems if isinstance(error, ManifestsInvalid) else ())
        if matter != self._failure:
            failures.show(error, no_color=self._console.no_color, when=moment(self._clock()))
        self._failure = matter
