"""`KubernetesCluster`: the `Cluster` protocol on Seldon Core 2.

A look takes a LIST per kind and a snapshot of the scheduler. Whoever waits for changes has the objects watched
meanwhile, and the scheduler asked several times a second: it says first what happens.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import replace

from reconciler.clusters.kubernetes.api import Api, Json
from reconciler.clusters.kubernetes.reported import Reported
from reconciler.clusters.kubernetes.resources import MODELS, SERVER_CONFIGS, SERVERS, STATEFUL_SETS
from reconciler.clusters.kubernetes.scheduler import Scheduler
from reconciler.clusters.kubernetes.view import Seen, View
from reconciler.clusters.kubernetes.watching import Watched
from reconciler.model.live import LiveState

LOOK = 1.0
"""Seconds after which an observation returns though nothing changed."""

POLL = 0.2
"""Seconds between two snapshots of the scheduler while somebody waits."""

_KEPT = ("name", "namespace", "uid", "generation", "resourceVersion", "labels", "annotations", "deletionTimestamp")


def slim(found: Json) -> Json:
    """Returns what is needed of an object: of 10,000 of them the rest is most of the memory."""
    metadata = {name: found["metadata"][name] for name in _KEPT if name in found["metadata"]}
    return {"metadata": metadata, "spec": found.get("spec") or {}, "status": found.get("status") or {}}


class KubernetesCluster:
    """Seldon Core 2 in one namespace; see `Cluster` for what each method promises.

    Args:
        api: of the API server. scheduler: who says what Seldon's scheduler knows.
    """

    def __init__(self, api: Api, scheduler: Scheduler) -> None:
        self._api = api
        self._scheduler = scheduler
        self._news = asyncio.Event()
        self._view = View()
        self._models = Watched(api, MODELS, self._news.set, slim=slim)
        self._servers = Watched(api, SERVERS, self._news.set, slim=slim)
        self._stateful_sets = Watched(api, STATEFUL_SETS, self._news.set, slim=slim)
        self._configs = Watched(api, SERVER_CONFIGS, self._news.set, slim=slim, optional=True)

    @property
    def name(self) -> str:
        """How reports name it."""
        return self._api.connection.name

    @property
    def _kinds(self) -> tuple[Watched, ...]:
        return (self._models, self._servers, self._stateful_sets, self._configs)

    async def observe(self, newer_than: LiveState | None = None) -> LiveState:
        """Returns what is live now; see `Cluster.observe`."""
        if newer_than is None:
            return await self._look()
        end = time.monotonic() + LOOK
        for kind in self._kinds:
            kind.follow()
        while True:
            live = await self._look()
            if not _same(live, newer_than) or time.monotonic() >= end:
                return live
            await self._pause()

    async def _pause(self) -> None:
        """Waits for the next look: the scheduler's news are not pushed."""
        self._news.clear()
        try:
            await asyncio.wait_for(self._news.wait(), POLL)
        except TimeoutError:
            return

    async def _look(self) -> LiveState:
        old = [kind for kind in self._kinds if not kind.up_to_date]
        report, *_ = await _together(self._scheduler.snapshot(), *(kind.list() for kind in old))
        assert isinstance(report, Reported)
        seen = Seen(self._models.objects, self._servers.objects, self._configs.objects, self._stateful_sets.objects)
        return self._view.live_state(seen, report, time.time())

    async def close(self) -> None:
        """Lets go of connections."""
        for kind in self._kinds:
            await kind.stop()
        await self._scheduler.close()
        await self._api.connection.close()


async def _together(*asked: Awaitable[object]) -> list[object]:
    """Returns what all of them return; raises what the first of them raised, when all are over."""
    found = await asyncio.gather(*asked, return_exceptions=True)
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return found


def _same(live: LiveState, other: LiveState) -> bool:
    return replace(live, observed_at=other.observed_at) == other
