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


async def reconcile(
    source: Source, cluster: Cluster, guards: Guards, journal: Journal, terms: Terms, stop: asyncio.Event
) -> Report:
    """Does one pass and returns its report; `stop` ends it soon. Raises what stopped it, reported where it matters.

    An invalid commit changes nothing, but what was under way from the last valid one is finished.
    """
    async with cluster.lock(terms.holder, terms.lock_timeout):
        invalid, desired = None, None
        try:
            desired = await source()
        except ManifestsInvalid as error:
            invalid = error
        live = await cluster.observe()
        plan = planner.plan(desired, live, guards) if desired else planner.plan_unfinished(live, guards)
        terms.approve(plan)
        await journal.opened(plan)
        try:
            await execute(plan, cluster, on_outcome=journal.noted, wait_timeout=terms.wait_timeout, stop=stop)
        except ReconcilerError as error:
            await journal.closed(error)
            raise
        report = await journal.closed(invalid)
        if invalid is not None:
            raise invalid
        return report
