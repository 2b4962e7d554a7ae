"""`reconciler plan`, `apply`, `sync` and `run`: the commands that bring Git and the cluster together."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import build, failures
from reconciler.cli.options import EXECUTION, PLANNING, REPORTING, SHOWING, with_settings
from reconciler.errors import ReconcilerError, UsageError
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.model.plan import Plan

# What plans and executes is imported inside the commands: `--help` and usage errors should not wait for it.


@with_settings(*PLANNING, *SHOWING)
def plan(
    settings: Settings,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for `apply`.")] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit code 2 when there is something to do.")
    ] = False,
) -> int:
    """Say what a pass would do, and why. Changes nothing."""
    return asyncio.run(_plan(settings, out, detailed_exitcode=detailed_exitcode))


async def _plan(settings: Settings, out: Path | None, *, detailed_exitcode: bool) -> int:
    from reconciler.cli import journal  # noqa: PLC0415 - see above
    from reconciler.reconcile import preview  # noqa: PLC0415 - see above

    source = build.source(settings)
    async with build.cluster(settings) as cluster:
        planned = await preview(source, cluster, build.guards(settings))
    if out is not None:
        journal.save(planned, out)
    journal.show_plan(planned, settings)
    pending = 2 if detailed_exitcode and planned.actions else 0
    return planned.exit_code or pending


@with_settings(*EXECUTION, *SHOWING)
def apply(
    settings: Settings,
    saved: Annotated[
        Path | None, typer.Argument(metavar="[PLAN]", help="Apply exactly this plan, saved by `plan --out`.")
    ] = None,
) -> int:
    """Plan and execute, without a report to Git; or execute exactly a saved plan, refused when it is stale."""
    return asyncio.run(_once(settings, to_git=False, saved=saved))


@with_settings(*REPORTING, *SHOWING)
def sync(settings: Settings) -> int:
    """Do one whole pass: fetch, plan, execute, and report to Git."""
    return asyncio.run(_once(settings, to_git=True))


@with_settings(*REPORTING, "interval", "jitter", *SHOWING)
def run(settings: Settings) -> int:
    """Repeat the pass of `sync` until it is stopped."""
    asyncio.run(_repeated(settings))
    return 0
