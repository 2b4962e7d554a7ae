"""`reconciler status` and `reconciler local up|down|status`."""

from __future__ import annotations

import asyncio
import json

import typer

from reconciler.cli import build
from reconciler.cli.live_view import live_json, print_live
from reconciler.cli.options import CLUSTER, SHOWING, with_settings
from reconciler.settings import Settings

local = typer.Typer(help="Start and stop the local cluster.", rich_markup_mode=None)


@with_settings(*CLUSTER, *SHOWING)
def status(settings: Settings) -> int:
    """Show what serves now: servers with their room, models with their versions. Needs no repository."""
    asyncio.run(_status(settings))
    return 0


async def _status(settings: Settings) -> None:
    async with build.cluster(settings) as cluster:
        live = await cluster.observe()
    if settings.output == "json":
        print(json.dumps(live_json(live), indent=2))
    else:
        print_live(live, build.console(settings))
