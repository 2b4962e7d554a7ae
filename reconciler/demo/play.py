"""The demo from beginning to end: workspace, local cluster, every step, the table, and then either out or play on."""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console

from reconciler.clusters.local import lifecycle
from reconciler.demo.narration import Narrator, as_json
from reconciler.demo.steps import STEPS
from reconciler.demo.story import Result, Stage, play
from reconciler.demo.workspace import Workspace, opened
from reconciler.errors import ReconcilerError


def demo(*, leave: bool, json_output: bool, no_color: bool = False) -> int:
    """Plays the demo.

    Args:
        leave: end after the last step; otherwise stay up until Ctrl-C.
        json_output: print one JSON object on standard output, and tell the story on the error stream.

    Returns:
        0 when every step ended as it should, else 1.
    """
    out = sys.stderr if json_output else sys.stdout
    console = Console(file=out, no_color=no_color or None, highlight=False, markup=False)
    narrator = Narrator(console)
    narrator.chapter("Setting up", "A throw-away folder with a Git repository, trained models and a local cluster.")
    with opened() as workspace:
        results = asyncio.run(_play(workspace, narrator, leave=leave, json_output=json_output))
    return 0 if len(results) == len(STEPS) and not any(result.wrong for result in results) else 1


async def _play(workspace: Workspace, narrator: Narrator, *, leave: bool, json_output: bool) -> list[Result]:
    stage = Stage(workspace, "", sys.stderr if json_output else sys.stdout, narrator.command)
    if await stage.run("local", "up") != 0:
        raise ReconcilerError("the local cluster did not start", why="see the error above")
    ...
