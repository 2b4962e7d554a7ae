"""`SimulatedCluster`: the `Cluster` protocol on a simulation, in a state file or in memory.

Time passes only while somebody waits: `observe(newer_than)` lets the cluster live until something differs, for a
second of its time at most, and takes next to none of ours. Looking at it changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Protocol

from reconciler.clusters.simulated import writes
from reconciler.clusters.simulated.simulation import Simulation
from reconciler.clusters.simulated.state import Cluster
from reconciler.model.live import Failure, LiveState
from reconciler.model.plan import Action
from reconciler.model.records import FAILED_ANNOTATION, failure_to_json

LOOK = 1.0
"""Simulated seconds after which an observation returns though nothing changed."""

TURN = 0.001
"""Our seconds in which everybody else in this process has a turn before simulated time passes."""


class Store(Protocol):
    """Where a simulated cluster is kept: in a file (`state.StateFile`) or in memory."""

    @property
    def name(self) -> str:
        """How reports name it."""
        ...

    def read(self) -> Cluster:
        """Returns the cluster, only to be looked at."""
        ...

    def changed(self) -> AbstractContextManager[Cluster]:
        """Gives the cluster to be changed, alone, and keeps it at the end."""
        ...

    def lock(self, holder: str, timeout: float) -> AbstractAsyncContextManager[None]:
        """See `Cluster.lock`."""
        ...


class Memory:
    """A simulated cluster in memory, which whoever made it may change as well: a foreign writer, a test.

    Args:
        epoch: Unix time of its beginning, in seconds.
    """

    name = "simulated"

    def __init__(self, simulation: Simulation, epoch: float = 0.0) -> None:
        self._cluster = Cluster(simulation, epoch)

    def read(self) -> Cluster:
        """Returns the cluster."""
        return self._cluster

    @contextmanager
    def changed(self) -> Iterator[Cluster]:
        """Gives the cluster."""
        yield self._cluster

    def lock(self, holder: str, timeout: float) -> AbstractAsyncContextManager[None]:
        """Locks nothing: who else has it is in the same program."""
        return nullcontext()


class SimulatedCluster:
    """A simulated cluster; see `Cluster` for what each method promises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def name(self) -> str:
        """How reports name it."""
        return self._store.name

    async def observe(self, newer_than: LiveState | None = None) -> LiveState:
        """Returns what is live now; lets time pass if that is no news. See `Cluster.observe`."""
        if newer_than is None:
            return self._store.read().live()
        await asyncio.sleep(TURN)
        live = self._store.read().live()
        if not _same(live, newer_than):
            return live
        with self._store.changed() as cluster:
            return _lived(cluster, newer_than)

    async def perform(self, action: Action) -> None:
        """Writes what `action` asks for; see `Cluster.perform`."""
        with self._store.changed() as cluster:
            writes.perform(cluster.simulation, action)

    async def record_failure(self, model: str, failure: Failure | None) -> None:
        """Keeps on the model's object that a version failed to load; see `Cluster.record_failure`."""
        text = None if failure is None else failure_to_json(failure)
        with self._store.changed() as cluster:
            writes.annotate(cluster.simulation, model, FAILED_ANNOTATION, text)

    def lock(self, holder: str, timeout: float) -> AbstractAsyncContextManager[None]:
        """Returns a context in which no other reconciler writes to this cluster; see `Cluster.lock`."""
        return self._store.lock(holder, timeout)

    async def close(self) -> None:
        """Everything is kept already."""


def _lived(cluster: Cluster, newer_than: LiveState) -> LiveState:
    """Lets the cluster live until it differs from `newer_than`, or for `LOOK`."""
    simulation, end = cluster.simulation, cluster.simulation.now + LOOK
    live = cluster.live()
    while _same(live, newer_than) and simulation.now < end:
        due = simulation.next_event_at()
        if due is None or due > end:
            simulation.run_until(end)
        else:
            simulation.step()
        live = cluster.live()
    return live


def _same(live: LiveState, other: LiveState) -> bool:
    return replace(live, observed_at=other.observed_at) == other
