"""The demo from beginning to end: workspace, local cluster, every step, the table, and then either out or play on."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import threading
from typing import Any, TextIO

from rich.console import Console

from reconciler.clusters.local import lifecycle
from reconciler.demo.narration import REPORTS, Narrator, as_json
from reconciler.demo.steps import STEPS
from reconciler.demo.story import Result, Stage, play, run_command
from reconciler.demo.workspace import Workspace, opened
from reconciler.errors import ReconcilerError, UsageError


def demo(*, leave: bool, json_output: bool, no_color: bool = False) -> int:
    """Plays the demo.

    Args:
        leave: end after the last step; otherwise stay up until Ctrl-C.
        json_output: print one JSON object on standard output, and tell the story on the error stream.

    Returns:
        0 when every step ended as it should, else 1.
    """
    if shutil.which("git") is None:
        raise UsageError(
            "the demo cannot start", why="Git is not installed", fix="install it, such as with `apt-get install git`"
        )
    out = sys.stderr if json_output else sys.stdout
    plain: dict[str, Any] = {"color_system": None, "force_terminal": False} if no_color else {}
    console = Console(file=out, **plain, highlight=False, markup=False)
    narrator = Narrator(console)
    narrator.chapter("Setting up", "A throw-away folder with a Git repository, trained models and a local cluster.")
    with opened(no_color=no_color) as workspace:
        stage, results = asyncio.run(_play(workspace, narrator, out))
        if json_output:
            print(as_json(results), flush=True)
        if not leave:
            narrator.play_on(workspace, stage.url)
            with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how a user ends it
                threading.Event().wait()
    narrator.removed(workspace)
    return 0 if len(results) == len(STEPS) and not any(result.wrong for result in results) else 1


async def _play(workspace: Workspace, narrator: Narrator, out: TextIO) -> tuple[Stage, list[Result]]:
    if await run_command(workspace, ("local", "up"), out=out, announce=narrator.command) != 0:
        raise ReconcilerError("the demo could not start its local cluster", why="see the error above")
    address = (await asyncio.to_thread(lifecycle.status, workspace.state)).address
    if address is None:
        raise ReconcilerError("the demo's local cluster has ended", why=f"see {workspace.state / 'gateway.log'}")
    stage = Stage(workspace, address.url, out, narrator)
    results: list[Result] = []
    for number, step in enumerate(STEPS, 1):
        narrator.chapter(f"{number} of {len(STEPS)}: {step.name}", step.story)
        results.append(await play(stage, step))
        narrator.result(results[-1])
        if results[-1].wrong:
            break  # the steps after it build on it
    await asyncio.to_thread(workspace.git, "fetch", "--quiet")
    there = await asyncio.to_thread(workspace.git, "branch", "--remotes", "--list", REPORTS[-1])
    subjects = await asyncio.to_thread(workspace.git, *REPORTS) if there else ""
    narrator.reports(subjects.splitlines())
    narrator.table(results)
    narrator.verdict(results, STEPS)
    return stage, results
