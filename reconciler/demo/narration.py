"""What the demo says in the terminal, and its result as JSON. Formats only."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from reconciler.demo.measure import Latency
from reconciler.demo.steps import CHURN, Step
from reconciler.demo.story import Result
from reconciler.demo.traffic import request_body
from reconciler.demo.workspace import Workspace

REPORTS = ("log", "--reverse", "--format=%s", "origin/reconciler-reports")
"""What Git is asked for the reports that were written."""


class Narrator:
    """Tells the demo on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def chapter(self, title: str, text: str) -> None:
        """Opens a step."""
        self._console.print()
        self._console.print(Rule(Text(title, style="bold"), align="left"))
        self._console.print(text)

    def command(self, line: str) -> None:
        """Shows a command that is about to run."""
        self._console.print(Text("$ ", style="dim") + Text(line, style="bold cyan"))

    def edit(self, lines: Sequence[str]) -> None:
        """Shows what a push changes, as lines of a diff."""
        for line in lines:
            self._console.print(Text(f"  {line}", style="green" if line.startswith("+") else "red"))

    def result(self, result: Result) -> None:
        """Says whether a step ended as it should."""
        failed = sum(result.failed.values())
        answered = ", ".join(f"{count} answered by {version}" for version, count in sorted(result.answered.items()))
        line = f"exit code {result.exit_code}; {result.overall.requests} requests, {failed} failed; {answered}"
        self._console.print(line, style="dim")
        for wrong in result.wrong:
            self._console.print(Text("not as it should be: ", style="bold red") + Text(wrong))

    def table(self, results: Sequence[Result]) -> None:
        """Shows all steps side by side."""
        table = Table(title="Latency is p50 / p99 in milliseconds", title_justify="left", title_style="dim", box=None)
        for name, justify in (("step", "left"), ("exit", "right"), ("requests", "right"), ("failed", "right")):
            table.add_column(name, justify="left" if justify == "left" else "right", no_wrap=True)
        for name in ("before", "during", "after"):
            table.add_column(name, justify="right", no_wrap=True)
        for result in results:
            failed = sum(result.failed.values())
            table.add_row(
                result.step.name,
                str(result.exit_code),
                str(result.overall.requests),
                Text(str(failed), style="bold red" if failed else "green"),
                *(_latency(phase) for phase in (result.before, result.during, result.after)),
            )
        self._console.print()
        self._console.print(table)

    def verdict(self, results: Sequence[Result], steps: Sequence[Step]) -> None:
        """Says in one line how it went."""
        requests = sum(result.overall.requests for result in results)
        failed = sum(sum(result.failed.values()) for result in results)
        good = len(results) == len(steps) and not any(result.wrong for result in results)
        text = f"{requests} requests, {failed} failed. " + (
            "Every step ended as it should." if good else "Not every step ended as it should, see above."
        )
        self._console.print(Text(text, style="bold green" if good else "bold red"))

    def reports(self, subjects: Sequence[str]) -> None:
        """Shows what was written to the branch of reports, the oldest first."""
        self.chapter(
            "Reports in Git",
            "Every pass that acted or blocked something has told so on a branch, as Markdown and JSON: before its "
            "first action, and at its end. The oldest first:",
        )
        self.command("git fetch && " + shlex.join(("git", *REPORTS)))
        for subject in subjects:
            self._console.print(Text(f"  {subject}"))

    def play_on(self, workspace: Workspace, url: str) -> None:
        """Says what can be tried while the cluster is up."""
        self.chapter("Play on", "Everything stays up until you press Ctrl-C here. In another terminal:")
        here = Path(sys.executable).parent
        path = [] if shutil.which("reconciler") == str(here / "reconciler") else [f"export PATH={here}:$PATH"]
        lines = (
            *path,
            f"export RECONCILER_SETTINGS={workspace.settings}",
            f"cd {workspace.work}",
            "cat README.md                            # says what to try; spam is gone, churn is at v5",
            "reconciler status",
            f"curl -i {url}/v2/models/{CHURN.model}/infer -d '{json.dumps(request_body([1.0] * CHURN.features))}'",
            "git pull && git show origin/reconciler-reports:default/latest.md",
            "reconciler plan                          # after an edit, a commit and a push",
            "reconciler sync",
        )
        for line in lines:
            self._console.print(Text(f"  {line}", style="bold cyan"), soft_wrap=True)

    def removed(self, workspace: Workspace) -> None:
        """Says what is left of the demo."""
        gone = not workspace.folder.exists()
        self._console.print()
        end = "is removed, with all that was in it" if gone else "could not be removed"
        self._console.print(f"The local cluster is down; {workspace.folder} {end}.", soft_wrap=True)


def as_json(results: Sequence[Result]) -> str:
    """Returns the result as one JSON object; percentiles are over all requests of a step, null without any."""
    steps = [
        {
            "name": result.step.name,
            "requests": result.overall.requests,
            "failed": sum(result.failed.values()),
            "p50Ms": _rounded(result.overall.p50),
            "p99Ms": _rounded(result.overall.p99),
            "exitCode": result.exit_code,
        }
        for result in results
    ]
    return json.dumps(
        {
            "requests": sum(result.overall.requests for result in results),
            "failed": sum(sum(result.failed.values()) for result in results),
            "steps": steps,
        },
        indent=2,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _latency(phase: Latency) -> str:
    return "–" if phase.p50 is None else f"{phase.p50:.1f} / {phase.p99:.1f}"
