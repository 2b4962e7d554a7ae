"""A pass as a story: lock, load, observe, plan, check, execute, report. Everything it uses is passed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reconciler import planner
from reconciler.admission import admitted_plan
from reconciler.clusters.base import Cluster
from reconciler.errors import ManifestsInvalid, ReconcilerError
from reconciler.executor import execute
from reconciler.journal import Journal
from reconciler.model.plan import Guards, Plan
from reconciler.reports.following import goes_on, may_go_on
from reconciler.reports.report import Report
from reconciler.terms import Source, Terms


async def reconcile(
    source: Source, cluster: Cluster, guards: Guards, journal: Callable[[], Journal], terms: Terms, stop: asyncio.Event
) -> Report:
    """Does one pass, and at once those that its outcome calls for; returns the report of the last.

    Each has a `journal` of its own; `stop` ends it soon. Raises what stopped it, reported where it matters. An invalid
    commit changes nothing, but what was under way from the last valid one is finished.
    """
    desired, invalid, report = None, None, None
    async with cluster.lock(terms.holder, terms.lock_timeout):
        try:
            desired = await source()
        except ManifestsInvalid as error:
            invalid = error
        for _ in range(terms.passes):
            live = await cluster.observe()
            if desired:
                plan, _ = await admitted_plan(desired, live, guards, cluster)
            else:
                plan = planner.plan_unfinished(live, guards)
            if report is not None and not goes_on(plan, report):
                break
            terms.approve(plan)
            report = await _carried_out(plan, cluster, journal(), terms, stop, invalid)
            if stop.is_set() or not may_go_on(report):
                break
    if invalid is not None:
        raise invalid
    assert report is not None
    return report


async def _carried_out(
    plan: Plan, cluster: Cluster, journal: Journal, terms: Terms, stop: asyncio.Event, invalid: ManifestsInvalid | None
) -> Report:
    await journal.opened(plan)
    try:
        await execute(plan, cluster, on_outcome=journal.noted, wait_timeout=terms.wait_timeout, stop=stop)
    except ReconcilerError as error:
        await journal.closed(error)
        raise
    return await journal.closed(invalid)
