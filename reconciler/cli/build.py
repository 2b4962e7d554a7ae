"""Builds the objects that commands work with from the settings. The heavy imports of the command line are here."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from reconciler.cli import failures
from reconciler.errors import UsageError
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Guards
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.clusters.base import Cluster
    from reconciler.journal import View
    from reconciler.model.plan import Plan
    from reconciler.reports.report import Context, Report
    from reconciler.repository import Repository

# Git and the cluster's client are imported when they are built: `--help` and `validate` should not wait for them.


def repository(settings: Settings, *, also: tuple[str, ...] = ()) -> Repository:
    """Returns the manifest repository, not fetched yet. Raises UsageError when none is set.

    Args:
        also: branches, tags or commits that will be asked for beside that of the settings.
    """
    from reconciler.repository import Repository  # noqa: PLC0415 - see above

    if not settings.repo:
        raise UsageError(
            "no repository is set",
            why="the manifests come from a Git repository",
            fix="name it with --repo URL, RECONCILER_REPO, or `repo:` in the settings file",
        )
    return Repository(
        settings.repo,
        ref=settings.ref or None,
        also=also,
        path=settings.path,
        cache=settings.cache,
        credentials=settings.git_credentials,
    )


def source(repository: Repository) -> Callable[[], Awaitable[DesiredState]]:
    """Returns what fetches `repository` and loads its desired state, in a thread: Git blocks."""

    def load() -> DesiredState:
        repository.fetch()
        return repository.desired_state()

    return lambda: asyncio.to_thread(load)


@asynccontextmanager
async def cluster(settings: Settings) -> AsyncIterator[Cluster]:
    """Opens the cluster, and lets go of it at the end."""
    if settings.kubernetes:
        opened = await _kubernetes(settings)
    else:
        opened = _simulated(settings) if settings.simulated else _local(settings)
    try:
        yield opened
    finally:
        await opened.close()


async def _kubernetes(settings: Settings) -> Cluster:
    from reconciler.clusters.kubernetes.client import Terms  # noqa: PLC0415 - see above
    from reconciler.clusters.kubernetes.connection import Address  # noqa: PLC0415 - see above
    from reconciler.clusters.kubernetes.opening import open_cluster  # noqa: PLC0415 - see above

    address = Address(settings.kubeconfig, settings.context or None, settings.namespace or None, settings.as_ or None)
    terms = Terms(settings.instance, settings.force_conflicts)
    return await open_cluster(address, settings.seldon_scheduler, terms, settings.seldon_scheduler_tls)


def _local(settings: Settings) -> Cluster:
    from reconciler.clusters.local.client import LocalCluster  # noqa: PLC0415 - see above

    return LocalCluster(settings.state)


def _simulated(settings: Settings) -> Cluster:
    from reconciler.clusters.simulated.client import SimulatedCluster  # noqa: PLC0415 - see above
    from reconciler.clusters.simulated.state import StateFile  # noqa: PLC0415 - see above

    return SimulatedCluster(StateFile(settings.state))


def guards(settings: Settings) -> Guards:
    """Returns what the planner may do."""
    return Guards(
        instance=settings.instance,
        max_deletions=settings.max_deletions,
        headroom=settings.headroom,
        default_model_memory=settings.default_model_memory,
        only=frozenset(settings.only),
        probe=settings.probe,
    )


def look(settings: Settings, repository: Repository, cluster: str) -> Callable[[], Context]:
    """Returns what says what a pass on the cluster of that name is about, once `repository` has been fetched."""
    from reconciler.reports.report import Context  # noqa: PLC0415 - see above

    started = time.time()

    def context() -> Context:
        commit = repository.commit()
        return Context(
            instance=settings.instance,
            cluster=cluster,
            started_at=started,
            repository=repository.display_url,
            ref=settings.ref,
            path=settings.path,
            commit=commit,
            subject=repository.subject(commit),
        )

    return context


def one_pass(
    settings: Settings,
    repository: Repository,
    cluster: Cluster,
    view: View,
    *,
    to_git: bool,
    exactly: Callable[[Plan], None] | None = None,
) -> Callable[[asyncio.Event], Awaitable[Report]]:
    """Returns what does one pass and those that follow from it at once; the event that it is given ends it soon.

    Args:
        to_git: report to the repository. exactly: refuses, by raising, any plan but one, which no other one follows.
    """
    from reconciler.clusters.base import Tells  # noqa: PLC0415 - see above
    from reconciler.journal import Journal, Sinks  # noqa: PLC0415 - see above
    from reconciler.reconcile import reconcile  # noqa: PLC0415 - see above
    from reconciler.reports.sinks import BranchSink, FileSink  # noqa: PLC0415 - see above
    from reconciler.terms import Terms  # noqa: PLC0415 - see above

    branch = settings.reports_branch if to_git else ""
    sinks = Sinks(
        file=FileSink(settings.report_file) if settings.report_file else None,
        branch=BranchSink(repository, branch, settings.instance, settings.report_history) if branch else None,
        cluster=cluster if isinstance(cluster, Tells) else None,
    )
    holder = f"instance {settings.instance}, process {os.getpid()} on {socket.gethostname()}"
    terms = Terms(holder, settings.lock_timeout, settings.wait_timeout)
    if exactly is not None:
        terms = replace(terms, approve=exactly, passes=1)

    def journal() -> Journal:
        return Journal(look(settings, repository, cluster.name), sinks, view)

    def run(stop: asyncio.Event) -> Awaitable[Report]:
        return reconcile(source(repository), cluster, guards(settings), journal, terms, stop)

    return run


class PatientConsole(Console):
    """A console that falls silent when nobody reads it any more, as in `sync | head`: the pass goes on."""

    def on_broken_pipe(self) -> None:
        """Sends what is still printed nowhere. The inherited method would end the program in the middle of a plan."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def console(settings: Settings) -> Console:
    """Returns a console on standard output that writes text as it is: no markup, no guessed highlights."""
    return PatientConsole(**failures.look(no_color=settings.no_color), highlight=False, markup=False)
