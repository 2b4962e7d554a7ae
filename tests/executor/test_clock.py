"""Limits are kept by the cluster's clock; one that stands still or leaps neither hangs a pass nor ends it early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from reconciler.executor import execute
from reconciler.executor.clock import LEAP
from reconciler.executor.view import View
from reconciler.model.live import LiveState
from reconciler.model.outcome import Outcome, Status
from tests.executor.fake_cluster import FakeCluster
from tests.executor.plans import load, model, plan
from tests.executor.virtual_time import now, run


@dataclass
class OtherClock(FakeCluster):
    """Tells the time otherwise than we do. `tells`: from our time since the start to the cluster's."""

    tells: Callable[[float], float] = lambda seconds: seconds
    began: float = field(default=0.0)

    async def observe(self, newer_than: LiveState | None = None) -> LiveState:
        found = await super().observe(newer_than)
        self.began = self.began or now()
        return replace(found, observed_at=1_000.0 + self.tells(now() - self.began))


async def hanging(tells: Callable[[float], float], *, limit: float, wait: float | None = None) -> tuple[Outcome, float]:
    """Loads what never ends; returns its outcome and how long that took us."""
    action = load(model("m"), limit=limit)
    cluster = OtherClock(hang={action.id}, tells=tells)
    began = now()
    (outcome,) = await execute(plan(action), cluster, on_outcome=lambda _: None, clock=now, wait_timeout=wait)
    return outcome, now() - began


@pytest.mark.parametrize(
    ("tells", "takes"),
    [
        pytest.param(lambda s: s, 60, id="a clock as ours"),
        pytest.param(lambda s: 2.5 * s, 24, id="a clock that runs ahead"),
        pytest.param(lambda s: s if s < 20 else 20.0, 60, id="a clock that stops after 20 s"),
        pytest.param(lambda s: 0.0, 60, id="a clock that never runs"),
        pytest.param(lambda s: s + (3600.0 if s > 10 else 0.0), 58, id="a clock that is set forward"),
        pytest.param(lambda s: s - (3600.0 if s > 10 else 0.0), 61, id="a clock that is set back"),
    ],
)
def test_a_time_limit_passes_by_the_clusters_clock_and_by_ours_when_that_stands_still(
    tells: Callable[[float], float], takes: float
) -> None:
    outcome, took = run(hanging(tells, limit=60.0))
    assert (outcome.status, outcome.detail) == (Status.FAILED, "not done within 1m: not taken in yet")
    assert took == pytest.approx(takes, abs=2.5)


def test_the_time_for_the_whole_plan_passes_by_the_clusters_clock() -> None:
    outcome, took = run(hanging(lambda s: 2.0 * s, limit=600.0, wait=60.0))
    assert outcome.status is Status.INTERRUPTED
    assert took == pytest.approx(30, abs=2.5)


class Leaping(FakeCluster):
    """Every observation is `LEAP` later than the one before, at once."""

    async def observe(self, newer_than: LiveState | None = None) -> LiveState:
        await asyncio.sleep(0)
        return LiveState(0.0 if newer_than is None else newer_than.observed_at + LEAP)


def test_what_has_just_been_observed_is_looked_at_before_a_limit_ends_the_wait() -> None:
    async def story() -> LiveState:
        view = View(Leaping())
        await view.fresh()
        watching = asyncio.create_task(view.watch())
        try:
            async with view.clock.limit(LEAP):
                return await view.newer()
        finally:
            watching.cancel()
            await asyncio.wait({watching})

    assert run(story()).observed_at == LEAP


def test_a_failure_is_on_record_with_the_clusters_time() -> None:
    async def story() -> float:
        action = load(model("m"))
        cluster = OtherClock(fail_load={"m": "broken"}, tells=lambda s: 10 * s)
        await execute(plan(action), cluster, on_outcome=lambda _: None, clock=now)
        ((_, failure),) = cluster.records
        assert failure is not None
        return failure.when

    assert 1_000.0 < run(story()) < 1_100.0
