"""`reconciler plan`, `apply`, `sync` and `run`: the commands that bring Git and the cluster together."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import build, failures
from reconciler.cli.between import Between, Revisions
from reconciler.cli.options import EXECUTION, PLANNING, REPORTING, SHOWING, with_settings
from reconciler.errors import ManifestsInvalid, UsageError
from reconciler.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.clusters.base import Cluster
    from reconciler.model.live import LiveState
    from reconciler.model.manifests import DesiredState
    from reconciler.model.plan import Plan
    from reconciler.reports.report import Context
    from reconciler.repository import Repository

# What plans and executes is imported inside the commands: `--help` and usage errors should not wait for it.


@with_settings(*PLANNING, *SHOWING)
def plan(
    settings: Settings,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for `apply`.")] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit code 2 when there is something to do.")
    ] = False,
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="REV", help="Ask no cluster: assume that this commit is live, whole."),
    ] = None,
    second: Annotated[
        str | None, typer.Option("--to", metavar="REV", help="With --from, the commit to plan to. Default: as --ref.")
    ] = None,
) -> int:
    """Say what a pass would do, and why. Changes nothing."""
    if (first, second) == (None, None):
        found = asyncio.run(_planned(settings, out))
    else:
        revisions = Revisions(first, second)
        revisions.check(settings, saved=out is not None)
        found = _planned_between(settings, revisions)
    from reconciler.reports.report import exit_code  # noqa: PLC0415 - see above

    return exit_code(found.exit_code, 2 if detailed_exitcode and found.actions else 0)


async def _planned(settings: Settings, out: Path | None) -> Plan:
    """Plans on the cluster; saves the plan where that is asked for, and shows it."""
    from reconciler.admission import admitted_plan  # noqa: PLC0415 - see above

    repository = build.repository(settings)
    async with build.cluster(settings) as cluster:
        look = build.look(settings, repository, cluster.name)
        try:
            desired, live = await _seen(settings, repository, cluster)
        except ManifestsInvalid as error:
            _show_invalid(error, settings, look)
            raise
        found, unasked = await admitted_plan(desired, live, build.guards(settings), cluster)
    if out is not None:
        _save(found, out)
    _show(found, settings, look, (unasked,) if unasked else ())
    return found


async def _seen(settings: Settings, repository: Repository, cluster: Cluster) -> tuple[DesiredState, LiveState]:
    """Returns what is desired and what is live; the cluster answers while Git is read."""
    observing = asyncio.create_task(cluster.observe())
    try:
        await asyncio.to_thread(_warn_of_uncommitted, settings, repository)
        return await build.source(repository)(), await observing
    finally:
        observing.cancel()
        await asyncio.gather(observing, return_exceptions=True)


def _planned_between(settings: Settings, revisions: Revisions) -> Plan:
    """Plans from one commit to another without a cluster and shows the plan."""
    between = Between(settings, revisions)
    if revisions.second is None:
        _warn_of_uncommitted(settings, between.repository)
    try:
        found, doubts = between.plan()
    except ManifestsInvalid as error:
        _show_invalid(error, settings, between.context)
        raise
    _show(found, settings, between.context, doubts)
    return found


def _show(found: Plan, settings: Settings, look: Callable[[], Context], doubts: tuple[str, ...] = ()) -> None:
    from reconciler.cli.views import print_report  # noqa: PLC0415 - see above
    from reconciler.reports.plan_json import plan_json  # noqa: PLC0415 - see above
    from reconciler.reports.report import planned  # noqa: PLC0415 - see above

    if settings.output == "json":  # a plan has no place for them
        for doubt in doubts:
            failures.warn(UsageError(doubt), no_color=settings.no_color)
        sys.stdout.write(plan_json(found).decode())
    else:
        report = dataclasses.replace(planned(found, look()), warnings=doubts)
        print_report(report, settings.output, build.console(settings))


def _show_invalid(error: ManifestsInvalid, settings: Settings, look: Callable[[], Context]) -> None:
    """Shows invalid manifests in the forms whose readers do not see the error stream."""
    from reconciler.cli.views import print_report  # noqa: PLC0415 - see above
    from reconciler.reports.report import failed  # noqa: PLC0415 - see above

    if settings.output != "text":
        print_report(failed(error, look()), settings.output, build.console(settings))


def _warn_of_uncommitted(settings: Settings, repository: Repository) -> None:
    """Says which manifests of a work tree a plan passes over: `nothing to do` would puzzle whoever has just edited."""
    files = repository.uncommitted()
    if files:
        shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        what = f"uncommitted changes in {repository.display_url} are not part of the plan"
        failures.warn(UsageError(what, why=f"{shown}: only what is committed is read"), no_color=settings.no_color)


def _save(found: Plan, file: Path) -> None:
    from reconciler.reports.plan_json import plan_json  # noqa: PLC0415 - see above

    try:
        file.write_bytes(plan_json(found))
    except OSError as error:
        raise UsageError(
            f"the plan cannot be saved to {file}", why=error.strerror or "", fix="name another file with --out"
        ) from error


@with_settings(*EXECUTION, *SHOWING)
def apply(
    settings: Settings,
    saved: Annotated[
        Path | None, typer.Argument(metavar="PLAN", help="Apply exactly this plan, saved by `plan --out`.")
    ] = None,
) -> int:
    """Plan and execute, without a report to Git; or execute exactly a saved plan, refused when it is stale."""
    return asyncio.run(_once(settings, to_git=False, saved=saved))


@with_settings(*REPORTING, *SHOWING)
def sync(settings: Settings) -> int:
    """Do one whole pass: fetch, plan, execute, and report to Git."""
    return asyncio.run(_once(settings, to_git=True))


@with_settings(*REPORTING, "interval", "jitter", "heartbeat", *SHOWING)
def run(settings: Settings) -> int:
    """Repeat the pass of `sync` until it is stopped."""
    asyncio.run(_repeated(settings))
    return 0


async def _once(settings: Settings, *, to_git: bool, saved: Path | None = None) -> int:
    from reconciler.cli.views import PassView  # noqa: PLC0415 - see above
    from reconciler.daemon import stopped_by_signals  # noqa: PLC0415 - see above

    settings, exactly = (settings, None) if saved is None else _exactly(saved, settings)
    repository = build.repository(settings)
    await asyncio.to_thread(_warn_of_uncommitted, settings, repository)
    stop = asyncio.Event()
    async with build.cluster(settings) as cluster:
        with PassView(settings.output, build.console(settings)) as view, stopped_by_signals(stop):
            one_pass = build.one_pass(settings, repository, cluster, view, to_git=to_git, exactly=exactly)
            return (await one_pass(stop)).exit_code


def _exactly(saved: Path, settings: Settings) -> tuple[Settings, Callable[[Plan], None]]:
    """Returns the settings that the saved plan was made under, and what refuses any other plan."""
    from reconciler.reports.plan_json import saved_guards, saved_plan_matches  # noqa: PLC0415 - see above

    try:
        text = saved.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the saved plan {saved} cannot be read", why=error.strerror or "", fix="make one with `plan --out FILE`"
        ) from error
    guards = saved_guards(text)
    settings = dataclasses.replace(
        settings,
        max_deletions=guards.max_deletions,
        headroom=guards.headroom,
        default_model_memory=guards.default_model_memory,
        only=tuple(sorted(guards.only)),
        probe=guards.probe,
    )
    return settings, lambda plan: saved_plan_matches(text, plan)


async def _repeated(settings: Settings) -> None:
    from reconciler.cli.views import DaemonView  # noqa: PLC0415 - see above
    from reconciler.daemon import beating, repeat, stopped_by_signals  # noqa: PLC0415 - see above

    repository = build.repository(settings)
    stop = asyncio.Event()
    async with beating(settings.heartbeat), build.cluster(settings) as cluster:
        with DaemonView(settings.output, build.console(settings)) as view, stopped_by_signals(stop):
            one_pass = build.one_pass(settings, repository, cluster, view, to_git=True)

            async def next_step_at() -> float | None:
                return (await one_pass(stop)).next_step_at

            await repeat(
                next_step_at, interval=settings.interval, jitter=settings.jitter, stop=stop, on_error=view.failed
            )
