"""`reconciler status` and `reconciler local up|down|status`."""

from __future__ import annotations

import asyncio
import json

import typer

from reconciler.cli import build, failures
from reconciler.cli.live_view import live_json, print_live
from reconciler.cli.options import CLUSTER, SHOWING, with_settings
from reconciler.errors import UsageError
from reconciler.settings import Settings

local = typer.Typer(help="Start and stop the local cluster.", rich_markup_mode=None)


@local.callback(invoke_without_command=True)
def _local(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@with_settings(*CLUSTER, *SHOWING, markdown=False)
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


@local.command(short_help="Start the local cluster in the background.")
@with_settings("state", "local_port", "local_artifacts", "no_color")
def up(settings: Settings) -> int:
    """Start the local cluster in the background; one that is up already is left alone."""
    from reconciler.clusters.local import lifecycle  # noqa: PLC0415 - keeps `--help` quick

    address = lifecycle.up(settings.state, port=settings.local_port, artifacts=settings.local_artifacts)
    print(f"the local cluster {'is up' if address.started else 'was up already'}: {address.url}")
    print(f"artifacts: {address.artifacts}")
    if not address.artifacts.is_dir():
        missing = UsageError(
            f"there is no folder {address.artifacts}",
            why="models with a relative storageUri cannot be loaded from it",
            fix="make it; for another one: reconciler local down, then reconciler local up --local-artifacts FOLDER",
        )
        failures.warn(missing, no_color=settings.no_color)
    return 0


@local.command(short_help="End the local cluster and its inference servers.")
@with_settings("state", "no_color")
def down(settings: Settings) -> int:
    """End the local cluster and its inference servers; the next `up` brings its models back."""
    from reconciler.clusters.local import lifecycle  # noqa: PLC0415 - keeps `--help` quick

    print("the local cluster is down" if lifecycle.down(settings.state) else "the local cluster was not up")
    return 0


@local.command("status", short_help="Say whether it is up, and where it answers.")
@with_settings("state", *SHOWING, markdown=False)
def local_status(settings: Settings) -> int:
    """Say whether the local cluster is up, and where it answers. Exit code 0 in both cases."""
    from reconciler.clusters.local import lifecycle  # noqa: PLC0415 - keeps `--help` quick

    found = lifecycle.status(settings.state)
    address = found.address
    if settings.output == "json":
        url, pid = (address.url, address.pid) if address else (None, None)
        print(json.dumps({"up": address is not None, "url": url, "pid": pid, "inferenceServers": found.mlservers}))
    elif address is None:
        print(f"the local cluster in {found.state} is not up")
    else:
        print(f"the local cluster in {found.state} is up: {address.url}, {found.mlservers} inference servers")
    return 0
