"""Progress while a plan runs: a table that is kept current on a terminal, one line per change anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reconciler.model.outcome import Outcome, Status
from reconciler.reports.report import Report, ReportedAction, with_outcome
from reconciler.reports.text import STATUS_STYLES
from reconciler.reports.words import action_words, moment, numbers_of, took

_CLIP = 24
"""Actions shown at once; of a longer plan those that run or come next."""


class Progress:
    """Shows a report's actions as their outcomes come in; a context manager, to be used around the execution.

    Args:
        report: of the plan that is about to run. console: where to show it. clock: Unix time in seconds.
    """

    def __init__(self, report: Report, console: Console, clock: Callable[[], float] = time.time) -> None:
        self._report = report
        self._console = console
        self._clock = clock
        self._numbers = numbers_of(report)
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4, transient=True)

    def __enter__(self) -> Progress:
        if self._console.is_terminal and self._report.actions:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def tell(self, outcome: Outcome) -> None:
        """Takes in what became of an action; to be passed to the executor as `on_outcome`."""
        before = next((a.outcome.status for a in self._report.actions if a.id == outcome.action), None)
        self._report = with_outcome(self._report, outcome)
        if not self._live.is_started and outcome.status is not before:
            self._console.print(self._line(outcome.action), highlight=False, soft_wrap=True)

    def _line(self, action_id: str) -> Text:
        action = next(a for a in self._report.actions if a.id == action_id)
        outcome = action.outcome
        detail = f": {outcome.detail}" if outcome.detail and outcome.over else ""
        spent = f" ({took(outcome)})" if took(outcome) else ""
        when = moment(self._clock())
        status = (outcome.status.value, STATUS_STYLES[outcome.status])
        place = f"{self._numbers[action.id]}/{len(self._report.actions)}"
        return Text.assemble((when, "dim"), f" {place} {action_words(action)} ", status, detail, (spent, "dim"))

    def _table(self) -> RenderableType:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="ellipsis", no_wrap=True)
        for action in self._shown():
            outcome = action.outcome
            number, words = Text(str(self._numbers[action.id])), Text(action_words(action))
            status = Text(outcome.status.value, style=STATUS_STYLES[outcome.status])
            table.add_row(number, words, status, Text(self._spent(outcome)), Text(outcome.detail))
        return Group(Text(self._report.summary, style="bold"), table)

    def _shown(self) -> tuple[ReportedAction, ...]:
        actions = self._report.actions
        if len(actions) <= _CLIP:
            return actions
        first = next((i for i, action in enumerate(actions) if not action.outcome.over), len(actions))
        start = max(0, min(first - 2, len(actions) - _CLIP))
        return actions[start : start + _CLIP]

    def _spent(self, outcome: Outcome) -> str:
        if outcome.status is Status.RUNNING and outcome.started is not None:
            return f"{max(self._clock() - outcome.started, 0):.0f} s"
        return took(outcome)
