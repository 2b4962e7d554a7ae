"""Walks a plan on a cluster: starts what may run, waits until it is seen to be done, contains what fails.

One observation loop feeds every action that waits; actions run side by side where the graph allows it. Nothing is
kept: what is under way is read off the cluster by the next pass. The executor plans nothing and prints nothing.

    execute ── one task per action (`step`) ──┬── asks `planner.conditions` with what the `view` observes
                                              └── writes what became of it into the `ledger`, which tells the caller
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress

from reconciler.clusters.base import Cluster
from reconciler.errors import PlanUnsafe
from reconciler.executor.ledger import Ledger
from reconciler.executor.step import Step
from reconciler.executor.view import View
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Plan

__all__ = ["execute"]


async def execute(
    plan: Plan,
    cluster: Cluster,
    *,
    on_outcome: Callable[[Outcome], None],
    clock: Callable[[], float] = time.time,
    wait_timeout: float | None = None,
    stop: asyncio.Event | None = None,
) -> tuple[Outcome, ...]:
    """Executes `plan` and returns the final outcome of every action, in the plan's order.

    Args:
        on_outcome: called at every change of an action's status or detail, and once more when it is over.
        clock: Unix time in seconds, for the times in outcomes; limits are kept by the cluster's clock.
        wait_timeout: seconds of the cluster's time for the whole plan; None for no limit beyond those of its actions.
        stop: once set, nothing new is started; what runs becomes `interrupted`, for the next pass to continue.

    Raises:
        PlanUnsafe: the order of the plan's actions does not respect its edges.
    """
    _check_order(plan)
    ledger = Ledger(plan, on_outcome, clock)
    stop = stop or asyncio.Event()
    if not stop.is_set():
        view = View(cluster)
        work = asyncio.create_task(_work(plan, cluster, ledger, view))
        stopping = asyncio.create_task(stop.wait())
        patience = asyncio.create_task(_over(view, wait_timeout))
        try:
            await asyncio.wait({work, stopping, patience}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(work, stopping, patience)
            ledger.interrupt("stopped on request" if stop.is_set() else "the time to wait was over")
        if not work.cancelled():
            work.result()
    else:
        ledger.interrupt("stopped on request")
    return ledger.outcomes


async def _over(view: View, limit: float | None) -> None:
    """Returns when `limit` seconds of the cluster's time have passed."""
    with suppress(TimeoutError):
        async with view.clock.limit(limit) if limit is not None else nullcontext():
            await asyncio.Event().wait()


async def _work(plan: Plan, cluster: Cluster, ledger: Ledger, view: View) -> None:
    async with asyncio.TaskGroup() as group:
        steps = [group.create_task(Step(action, plan.instance, cluster, view, ledger).run()) for action in plan.actions]
        watching = group.create_task(view.watch())
        if steps:
            await asyncio.wait(steps)
        watching.cancel()


async def _end(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _check_order(plan: Plan) -> None:
    earlier: set[str] = set()
    for action in plan.actions:
        if not {edge.action for edge in action.after} <= earlier:
            raise PlanUnsafe(
                f"the plan has {action.id} before an action that it must come after",
                why="the order of a plan's actions respects all its edges",
                fix="this is a bug of the planner; nothing was changed",
            )
        earlier.add(action.id)
