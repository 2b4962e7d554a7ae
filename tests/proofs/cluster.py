"""A process of ours that may be killed between two writes."""

from __future__ import annotations

import asyncio

from reconciler.clusters.kubernetes.view import View
from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.client import Memory, SimulatedCluster
from reconciler.clusters.simulated.state import Cluster
from reconciler.model.live import Failure, LiveState
from reconciler.model.plan import Action
from tests.kubernetes import told

EPOCH = 1_700_000_000.0

_FOR_EVER = 1e6


class FromOutside(Cluster):
    """A simulated cluster as Kubernetes shows it: objects, and versions by the generations that the scheduler tells.

    What a version says that is older than the first look at it is known to nobody.
    """

    def __init__(self, simulation: Simulation, epoch: float) -> None:
        super().__init__(simulation, epoch)
        self._view = View()

    def live(self) -> LiveState:
        """Returns what is live."""
        world = self.simulation.world
        hold = super().live().hold
        return self._view.live_state(told.seen(world), told.reported(world), self.epoch + world.now, hold)


class _InMemory(Memory):
    def __init__(self, simulation: Simulation, epoch: float, *, outside: bool) -> None:
        super().__init__(simulation, epoch)
        if outside:
            self._cluster = FromOutside(simulation, epoch)


class MortalCluster(SimulatedCluster):
    """The simulated cluster in memory, as seen by a process that is killed after some writes.

    Attributes:
        written: ids of the actions performed so far. dead: set as soon as the process is killed.
    """

    def __init__(self, simulation: Simulation, kill_after: int | None = None, *, outside: bool = False) -> None:
        """`outside`: it is seen as Kubernetes shows it."""
        super().__init__(_InMemory(simulation, EPOCH, outside=outside))
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
