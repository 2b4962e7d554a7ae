"""A process of ours that may be killed between two writes."""

from __future__ import annotations

import asyncio

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.client import Memory, SimulatedCluster
from reconciler.model.live import Failure
from reconciler.model.plan import Action

EPOCH = 1_700_000_000.0

_FOR_EVER = 1e6


class MortalCluster(SimulatedCluster):
    """The simulated cluster in memory, as seen by a process that is killed after some writes.

    Attributes:
        written: ids of the actions performed so far. dead: set as soon as the process is killed.
    """

    def __init__(self, simulation: Simulation, kill_after: int | None = None) -> None:
        super().__init__(Memory(simulation, EPOCH))
        self._kill_after = kill_after
        self.written: list[str] = []
        self.dead = asyncio.Event()

    async def perform(self, action: Action) -> None:
        """Performs `action`; a dead process performs nothing, and does not know it."""
        if self.dead.is_set():
            await asyncio.sleep(_FOR_EVER)
        self.written.append(action.id)
        await super().perform(action)
        if self._kill_after is not None and len(self.written) >= self._kill_after:
            self.dead.set()
            await asyncio.sleep(_FOR_EVER)

    async def record_failure(self, model: str, failure: Failure | None) -> None:
        """Keeps a failure on record, unless we are dead."""
        if not self.dead.is_set():
            await super().record_failure(model, failure)
