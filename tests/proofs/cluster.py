"""The simulated cluster in memory, for thousands of runs: what the backend reads and writes, without its file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated import view, writes
from reconciler.model.live import Failure, LiveState
from reconciler.model.plan import Action
from reconciler.model.records import FAILED_ANNOTATION, failure_to_json

EPOCH = 1_700_000_000.0


class Killed(BaseException):
    """Our process is killed: nothing that we would have done after this is done."""


class InMemoryCluster:
    """A `Cluster` on an engine that the test holds.

    Attributes:
        kill_after: writes after which our process is killed, None for never.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.kill_after: int | None = None
        self.writes: list[str] = []
        self.dead = asyncio.Event()

    @property
    def name(self) -> str:
        return "simulated, in memory"

    async def observe(self, newer_than: LiveState | None = None) -> LiveState:
        await asyncio.sleep(0.01)
        if newer_than is not None:
            self._go_on()
        return view.live_state(self.simulation.world, EPOCH)

    def _go_on(self) -> None:
        """To the next thing that happens; far, when nothing will: who waits then waits in vain."""
        due = self.simulation.next_event_at()
        self.simulation.run_until(self.simulation.now + 20.0 if due is None else min(due, self.simulation.now + 1.0))

    async def perform(self, action: Action) -> None:
        if self.dead.is_set():
            await asyncio.sleep(3600.0)
        self.writes.append(action.id)
        writes.perform(self.simulation, action)
        if self.kill_after is not None and len(self.writes) >= self.kill_after:
            self.dead.set()
            await asyncio.sleep(3600.0)

    async def record_failure(self, model: str, failure: Failure | None) -> None:
        if not self.dead.is_set():
            text = None if failure is None else failure_to_json(failure)
            writes.annotate(self.simulation, model, FAILED_ANNOTATION, text)

    def lock(self, holder: str, timeout: float) -> AbstractAsyncContextManager[None]:
        @asynccontextmanager
        async def nobody_else() -> AsyncIterator[None]:
            yield

        return nobody_else()

    async def close(self) -> None:
        """There is nothing to let go of."""
