"""Time as the cluster tells it, for every limit that the executor keeps.

A limit is about what happens on the cluster, so it is measured by `LiveState.observed_at`: a simulated cluster lives
minutes while we live milliseconds. Two things keep that safe on a real one. A clock that somebody sets forward counts
no more than `LEAP` beyond what passed here; and when the cluster's clock stands still, or nothing is observed at all,
our own time decides::

    observed_at    100   101   102   102   102   102 …
    our time         0     1     2     3     4     5 …
    limit of 3 s     |---------->|------------------> over at our 3: 1 s was left at the last advance, at our 2

"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

LEAP = 2.0
"""Seconds by which the cluster's clock may run ahead of ours between two observations and still be believed."""


@dataclass(eq=False, slots=True)
class _Limit:
    """`since`: the clock's reading when it began. `seconds`: how long it lasts. `scope`: what it ends."""

    since: float
    seconds: float
    scope: asyncio.Timeout


class ClusterClock:
    """Seconds of the cluster's time that have passed while it was observed."""

    def __init__(self) -> None:
        self._elapsed = 0.0
        self._observed_at: float | None = None
        self._heard = 0.0
        self._limits: set[_Limit] = set()

    @property
    def now(self) -> float:
        """Seconds of cluster time since the first observation; between two observations our own time goes on."""
        if self._observed_at is None:
            return self._elapsed
        return self._elapsed + min(_loop_time() - self._heard, LEAP)

    def observed(self, observed_at: float) -> None:
        """Takes in the time of an observation, in Unix seconds, and ends the limits that are over."""
        heard, before = _loop_time(), self._observed_at
        here = heard - self._heard
        self._observed_at = observed_at
        passed = 0.0 if before is None else min(max(observed_at - before, 0.0), here + LEAP)
        self._elapsed += passed
        if passed or before is None:
            self._heard = heard
            for limit in self._limits:
                self._set(limit)

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """Ends what it encloses with `TimeoutError` after so many seconds; `expired()` of what it gives tells whether.

        What has just been observed is still looked at: a limit ends after those who wait for an observation have it.
        """
        async with asyncio.timeout(seconds) as scope:
            limit = _Limit(self.now, seconds, scope)
            self._limits.add(limit)
            try:
                yield scope
            finally:
                self._limits.discard(limit)

    def _set(self, limit: _Limit) -> None:
        if not limit.scope.expired():
            limit.scope.reschedule(_loop_time() + max(limit.seconds - (self._elapsed - limit.since), 0.0))


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
