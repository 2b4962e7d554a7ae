"""The latest observation of a cluster, shared by all that wait for something to be seen. Acts on nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from reconciler.clusters.base import Cluster
from reconciler.errors import ClusterError, ClusterUnavailable
from reconciler.executor.clock import ClusterClock
from reconciler.model.live import LiveState

FRESH = 0.1
"""Seconds for which an observation counts as taken right now."""

_PACE = 0.05
"""Seconds between observations at least, of our time or of the cluster's: requests in flight make every state differ
from the one before."""


def back_off(first: float = 0.2, longest: float = 10.0) -> Iterator[float]:
    """Yields seconds to wait before the next try, doubling from `first` to `longest`, without end."""
    pause = first
    while True:
        yield pause
        pause = min(pause * 2, longest)


class View:
    """What is live, as last observed.

    Attributes:
        latest: the last observation, None before the first. trouble: why the last try to observe failed, if it did.
        clock: the cluster's time, which every limit is kept by.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.latest: LiveState | None = None
        self.trouble = ""
        self.clock = ClusterClock()
        self._cluster = cluster
        self._seen_at = 0.0
        self._begun = self._shown = 0
        self._arrived = asyncio.Event()
        self._broken: ClusterError | None = None
        self._asking = asyncio.Lock()

    async def watch(self) -> None:
        """Observes until cancelled, or until the cluster refuses to be observed, which all that wait are told."""
        try:
            while True:
                before = self.latest
                state, number = await self._observe(before)
                self._publish(state, number)
                passed = 0.0 if before is None else state.observed_at - before.observed_at
                await asyncio.sleep(max(_PACE - passed, 0.0))
        except ClusterError as error:
            self._broken = error
            self._arrived.set()

    async def fresh(self, oldest: float = FRESH) -> LiveState:
        """Returns an observation that is not older than `oldest` seconds, making one if need be.

        One that was begun after this was asked will do: all that ask at once share it, however long it takes.

        Raises:
            ClusterError: the cluster refuses to be observed; while it only does not answer, it is asked again.
        """
        asked = self._begun
        async with self._asking:
            aged = asyncio.get_running_loop().time() - self._seen_at > oldest
            if self.latest is None or (aged and self._shown <= asked):
                self._publish(*await self._observe(None))
            assert self.latest is not None  # just published, or seen before
            return self.latest

    async def newer(self) -> LiveState:
        """Returns the next observation. Raises ClusterError when there will be none."""
        await self._arrived.wait()
        if self._broken is not None or self.latest is None:
            raise self._broken or ClusterUnavailable("the cluster was not observed")
        return self.latest

    async def _observe(self, newer_than: LiveState | None) -> tuple[LiveState, int]:
        """Returns what is seen, and the number of this observation: they are counted as they begin."""
        self._begun += 1
        number, pauses = self._begun, back_off()
        while True:
            try:
                state = await self._cluster.observe(newer_than)
            except ClusterUnavailable as error:
                self.trouble = error.what
                await asyncio.sleep(next(pauses))
            else:
                self.trouble = ""
                return state, number

    def _publish(self, state: LiveState, number: int) -> None:
        self.latest, self._shown, self._seen_at = state, number, asyncio.get_running_loop().time()
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()
        self.clock.observed(state.observed_at)  # after that: who waits looks at it before a limit that is over ends it
