"""Objects of one kind: listed once, then kept up to date by a watch for as long as somebody waits for changes.

A watch that ends is begun again where it ended; one whose place is too old (410) begins with a new list. While a watch
is down its objects are old, and a look at them lists anew. What comes twice, or late, is told by its resource version::

    listed at 10 ── watch: 11, 12, 13 …        the objects are those of the last one that came
    written by us at 15                        taken in at once; a 14 of the same object that comes later is old
    listed again at 20, the watch at 16        the list holds; 17 to 20 are in it already
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, suppress

from reconciler.clusters.kubernetes.answers import Expired, NotFound, Refused
from reconciler.clusters.kubernetes.api import OPENED, Api, Event, Json
from reconciler.clusters.kubernetes.resources import Resource
from reconciler.errors import ClusterUnavailable

PAUSE = 0.5
"""Seconds before a watch that broke is begun again."""

SHORT = 1.0
"""Seconds: a watch that ended sooner counts as broken, however orderly it ended."""

OPENING = 1.0
"""Seconds within which a watch is open as a rule; it is not waited for any longer."""

LAG = 1.0
"""Seconds by which a watch may be behind what the API server answers."""

ABSENT = 30.0
"""Seconds for which a kind that the cluster does not have is not looked for again."""


class Watched:
    """The objects of one kind.

    Args:
        optional: a cluster that does not have this kind has none of them. slim: what is kept of an object.
        changed: called after every change.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        changed: Callable[[], None],
        *,
        optional: bool = False,
        slim: Callable[[Json], Json] = lambda found: found,
    ) -> None:
        self.resource = resource
        self.objects: dict[str, Json] = {}
        self._api = api
        self._changed = changed
        self._optional = optional
        self._slim = slim
        self._since = ""
        self._up = False
        self._absent_until = float("-inf")
        self._asked = asyncio.Event()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def up_to_date(self) -> bool:
        """Whether a watch keeps the objects as they are, or there was no such kind a moment ago."""
        return time.monotonic() < self._absent_until or (self._up and self._watching)

    @property
    def _watching(self) -> bool:
        return self._task is not None and not self._task.done()

    def expect(self) -> None:
        """Has a kind that was not there looked for again."""
        self._absent_until = float("-inf")

    async def list(self) -> None:
        """Takes in all objects as they are now. Raises what the API does."""
        try:
            listed = await self._api.list(self.resource)
        except NotFound:
            if not self._optional:
                raise
            self.objects, self._since = {}, ""
            self._absent_until = time.monotonic() + ABSENT
            return
        if _is_before(listed.resource_version, self._since):
            if self._up:
                return  # a watch was opened meanwhile, and has brought what is newer
            await self.stop()  # it would go on from where this list is not yet
        self.objects = {found["metadata"]["name"]: self._slim(found) for found in listed.items}
        self._since = listed.resource_version
        self._moved.set()

    async def follow(self) -> None:
        """Begins to watch, from the last list on; returns when the watch is open, or does not open."""
        if not self._since or self._died():
            return
        if self._task is None:
            self._asked.clear()
            self._task = asyncio.create_task(self._watch(), name=f"watch {self.resource.name}")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), OPENING)

    def _died(self) -> bool:
        """Lets go of a task that is over; if it died, the next watch begins with a list."""
        if self._task is None or not self._task.done():
            return False
        task, self._task = self._task, None
        if task.cancelled() or task.exception() is not None:
            self._since = ""
        return not self._since

    async def stop(self) -> None:
        """Ends the watch; the next look lists."""
        task, self._task, self._up, self._since = self._task, None, False, ""
        self.expect()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # what it died of concerns nobody any more: since then every look has listed

    def wrote(self, found: Json) -> None:
        """Takes in the answer to a write of ours: it is newer than what the watch has brought so far."""
        metadata = found.get("metadata") or {}
        name, revision = metadata.get("name"), str(metadata.get("resourceVersion") or "")
        if not name or not self._watching or _is_in(revision, self._since):
            return
        if not _older(metadata, self.objects.get(name)):
            self.objects[name] = self._slim(found)
            self._changed()

    async def refresh(self, name: str) -> None:
        """Looks at one object, which changed without our knowing; a watch that does not bring the change is stopped."""
        if not self._watching:
            return
        try:
            found = await self._api.get(self.resource, name)
        except (ClusterUnavailable, Refused):
            await self.stop()
            return
        if found is not None:
            self.wrote(found)
        try:
            async with asyncio.timeout(LAG):
                while self._lacks(name, found):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            await self.stop()

    def _lacks(self, name: str, found: Json | None) -> bool:
        """Whether the watch has not come yet to where an object is as `found`, or is no more."""
        if found is None:
            return name in self.objects
        return _is_before(self._since, str(found["metadata"].get("resourceVersion") or ""))

    async def _watch(self) -> None:
        while True:
            began = time.monotonic()
            error = await self._watched_once() if self._since else None
            if isinstance(error, Expired):
                self._since = ""
            if error is not None or not self._since or time.monotonic() - began < SHORT:
                await asyncio.sleep(PAUSE)
            if time.monotonic() < self._absent_until:
                return
            if not self._since:
                await self._again()

    async def _watched_once(self) -> ClusterUnavailable | Refused | None:
        """Watches until the watch ends; returns what it broke of."""
        try:
            async with aclosing(self._api.watch(self.resource, self._since)) as events:
                async for event in events:
                    self._take_in(event)
        except (ClusterUnavailable, Refused) as error:
            return error
        finally:
            self._up = False
            self._asked.set()
        return None

    async def _again(self) -> None:
        """Lists because the watch has to begin anew; what goes wrong there goes wrong at the next look as well."""
        with suppress(ClusterUnavailable, Refused):
            await self.list()
            self._changed()

    def _take_in(self, event: Event) -> None:
        if event.type == OPENED:
            self._up = True
            self._asked.set()
            return
        metadata = event.object["metadata"]
        name, revision = metadata.get("name"), str(metadata.get("resourceVersion") or "")
        if _is_in(revision, self._since):
            return  # a list was newer
        self._since = revision or self._since
        if name:  # a bookmark has none
            self._take_in_object(event, name)
            self._changed()
        self._moved.set()

    def _take_in_object(self, event: Event, name: str) -> None:
        metadata, known = event.object["metadata"], self.objects.get(name)
        if event.type != "DELETED":
            if not _older(metadata, known):
                self.objects[name] = self._slim(event.object)
        elif known is not None and known["metadata"].get("uid") == metadata.get("uid"):
            del self.objects[name]


def _older(metadata: Json, known: Json | None) -> bool:
    """Returns whether we know a newer state: the answer to a write may come before the event of an earlier one."""
    return known is not None and _is_before(
        str(metadata.get("resourceVersion") or ""), str(known["metadata"].get("resourceVersion") or "")
    )


def _is_before(revision: str, other: str) -> bool:
    """Resource versions of a kind are numbers that grow, since Kubernetes 1.35 by specification."""
    return revision.isdigit() and other.isdigit() and int(revision) < int(other)


def _is_in(revision: str, other: str) -> bool:
    """Returns whether what is of `revision` is in what is of `other`."""
    return revision.isdigit() and other.isdigit() and int(revision) <= int(other)
