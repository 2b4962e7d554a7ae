"""Everything that the backend writes, in one object: what the client of a cluster calls.

lock → Lease and fence      perform → writer, probe      record_failure → writer
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from reconciler.clusters.kubernetes.api import Api, Json
from reconciler.clusters.kubernetes.lock import Fence, LeaseLock
from reconciler.clusters.kubernetes.probe import Ask, Prober
from reconciler.clusters.kubernetes.writer import Writer
from reconciler.model.live import Failure, LiveModel
from reconciler.model.plan import Action


@dataclass(frozen=True, slots=True)
class WriteTerms:
    """On which terms a cluster is written to.

    Attributes:
        instance: who we are. force_conflicts: whether fields that others own are taken over.
        scheduler_namespace: where the lock is; empty for the namespace of the objects.
    """

    instance: str = "default"
    force_conflicts: bool = False
    scheduler_namespace: str = ""


class Writing:
    """Writes to one cluster.

    Args:
        ask: says what the scheduler knows of a model; None where there is no scheduler to be asked.
    """

    def __init__(self, api: Api, ask: Ask | None, terms: WriteTerms) -> None:
        self.fence = Fence()
        namespace = terms.scheduler_namespace or api.namespace
        self._lock = LeaseLock(api, namespace, self.fence, api.connection.name)
        self._prober = Prober(api, self.fence, terms.instance, ask)
        self._writer = Writer(api, self.fence, self._prober, force_conflicts=terms.force_conflicts)

    @asynccontextmanager
    async def lock(self, holder: str, within: float) -> AsyncIterator[None]:
        """See `Cluster.lock`. What an earlier process of this instance left behind is removed first."""
        async with self._lock.held(holder, within):
            await self._prober.clear()
            yield

    async def perform(self, action: Action, live: Mapping[str, Any] | None, model: LiveModel | None) -> Json | None:
        """See `Writer.perform`."""
        return await self._writer.perform(action, live, model)

    async def record_failure(self, model: str, failure: Failure | None) -> Json | None:
        """See `Writer.record_failure`."""
        return await self._writer.record_failure(model, failure)
