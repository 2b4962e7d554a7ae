"""What Seldon's operator and scheduler write to the API server: status, finalizers, and the size of Servers.

It compares what the simulated cluster holds with what was written last, so that it can be called at any time and as
often as one likes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.api import FINALIZED
from reconciler.clusters.simulated.records import ApiObject
from tests.standin.api import CONFLICT, NOT_FOUND, ApiError, ApiServer, Json
from tests.standin.statuses import to_api

FINALIZERS: Mapping[str, str] = {kind: f"seldon.{kind.lower()}.finalizer" for kind in FINALIZED}
"""Per kind, the finalizer that keeps an object until the scheduler has carried out its end."""

SCHEDULER, OPERATOR = "seldon-scheduler", "seldon-operator"
"""Field managers: the autoscaler of Servers is the scheduler's."""

_ATTEMPTS = 5


@dataclass
class Operator:
    """Writes to the API server.

    Attributes:
        over: refs whose deletion the simulation has carried out.
        stands_still: it takes in nothing and writes nothing, as if its process were down: status goes stale.
        keeps_finalizers: it leaves its finalizers on objects whose deletion is over.
    """

    api: ApiServer
    simulation: Simulation
    objects: Mapping[str, Json]
    stands_still: bool = False
    keeps_finalizers: bool = False
    over: set[str] = field(default_factory=set)
    _held: set[str] = field(default_factory=set)
    _freed: set[str] = field(default_factory=set)
    _specs: dict[str, Json] = field(default_factory=dict)
    _statuses: dict[str, Json] = field(default_factory=dict)
    _conditions: dict[str, dict[str, Json]] = field(default_factory=dict)

    def takes_in(self, ref: str, found: Json) -> None:
        """An object is new or changed. One that cannot be read is left alone; so is one whose deletion is over."""
        if ref in self.over:
            return
        metadata = found["metadata"]
        event = ApiObject(
            kind=found["kind"],
            name=metadata["name"],
            namespace=metadata["namespace"],
            generation=metadata["generation"],
            spec=found["spec"],
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
            deleting="deletionTimestamp" in metadata,
        )
        try:
            self.simulation.observed(event)
        except ValueError:
            return
        if self.simulation.world.objects[ref].spec is event.spec:
            self._specs[ref] = event.spec

    def forgets(self, ref: str) -> None:
        """An object is gone."""
        self.over.discard(ref)
        for kept in (self._specs, self._statuses, self._conditions):
            kept.pop(ref, None)
        self.simulation.vanished(ref)

    async def write(self) -> None:
        """Writes whatever is not written yet. Raises ApiError, or what aiohttp raises, when that fails; call again."""
        for ref, found in list(self.simulation.world.objects.items()):
            if found.kind == "Server" and found.spec is not self._specs.get(ref, found.spec):
                await self._resize(ref, found)
        if self.stands_still:
            return
        for ref, one in list(self.objects.items()):
            if one["kind"] in FINALIZERS:
                await self._finalizer(ref, one)
        for ref, found in list(self.simulation.world.objects.items()):
            if ref in self.objects and found.status and self._statuses.get(ref) != found.status:
                await self._status(ref, found)

    async def _resize(self, ref: str, found: ApiObject) -> None:
        """The scheduler's autoscaler has changed a Server: a real patch, which the watch will show."""
        before, self._specs[ref] = self._specs[ref], found.spec
        changed = {name: value for name, value in found.spec.items() if before.get(name) != value}
        if changed:
            await self._patch(found.kind, found.name, {"spec": changed}, manager=SCHEDULER)

    async def _finalizer(self, ref: str, found: Json) -> None:
        uid, deleting = found["metadata"]["uid"], "deletionTimestamp" in found["metadata"]
        if deleting and ref not in self.simulation.world.objects:
            self.over.add(ref)
        if not deleting and uid not in self._held:
            self._held.add(uid)
            await self._set_finalizer(found, present=True)
        elif deleting and ref in self.over and uid not in self._freed and not self.keeps_finalizers:
            self._freed.add(uid)
            await self._set_finalizer(found, present=False)

    async def _set_finalizer(self, found: Json, *, present: bool) -> None:
        """Adds or removes our finalizer, on the latest state of the object, as long as there is one to do that to."""
        kind, name = found["kind"], found["metadata"]["name"]
        with self._if_there():
            for _ in range(_ATTEMPTS):
                ours, there = FINALIZERS[kind], found["metadata"].get("finalizers") or []
                late = present and "deletionTimestamp" in found["metadata"]
                if late or (ours in there) is present:
                    return
                wanted = [*there, ours] if present else [other for other in there if other != ours]
                metadata = {"finalizers": wanted, "resourceVersion": found["metadata"]["resourceVersion"]}
                try:
                    await self.api.patch(kind, name, {"metadata": metadata}, manager=OPERATOR)
                except ApiError as error:
                    if error.code != CONFLICT:
                        raise
                    found = await self.api.get(kind, name)
                else:
                    return

    async def _status(self, ref: str, found: ApiObject) -> None:
        status = dict(found.status)
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        merge, conditions = to_api(status, self._conditions.get(ref, {}), now)
        await self._patch(found.kind, found.name, merge, part="status", manager=OPERATOR)
        self._statuses[ref], self._conditions[ref] = status, conditions

    async def _patch(self, kind: str, name: str, merge: Json, **more: Any) -> None:
        with self._if_there():
            await self.api.patch(kind, name, merge, **more)

    @contextmanager
    def _if_there(self) -> Iterator[None]:
        """An object that is gone meanwhile is no error."""
        try:
            yield
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
