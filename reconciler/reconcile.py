"""One pass as a story: lock, load, observe, plan, check, execute, report. Everything it uses is passed in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reconciler import planner
from reconciler.clusters.base import Cluster
from reconciler.errors import ManifestsInvalid, ReconcilerError
from reconciler.executor import execute
from reconciler.journal import Journal
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Guards, Plan
from reconciler.reports.report import Report

Source = Callable[[], Awaitable[DesiredState]]
"""Loads what is desired. Raises ManifestsInvalid or RepositoryError."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a pass runs: who holds the lock, times in seconds, and who may refuse the plan, by raising."""

    holder: str
    lock_timeout: float = 0.0
    wait_timeout: float | None = None
    approve: Callable[[Plan], None] = lambda plan: None


async def preview(source: Source, cluster: Cluster, guards: Guards) -> Plan:
    """Returns what a pass would do now, proven safe by the replay checker; changes nothing and takes no lock."""
    desired = await source()
    return planner.plan(desired, await cluster.observe(), guards)


async def reconcile(
    source: Source, cluster: Cluster, guards: Guards, journal: Journal, terms: Terms, stop: asyncio.Event
) -> Report:
    """Does one pass and returns its report; `stop` ends it soon. Raises what stopped it, reported where it matters."""
    async with cluster.lock(terms.holder, terms.lock_timeout):
        try:
            plan = await preview(source, cluster, guards)
        except ManifestsInvalid as error:
            await journal.invalid(error)
            raise
        terms.approve(plan)
        await journal.opened(plan)
        try:
            await execute(plan, cluster, on_outcome=journal.noted, wait_timeout=terms.wait_timeout, stop=stop)
        except ReconcilerError as error:
            await journal.closed(error)
            raise
        return await journal.closed()
