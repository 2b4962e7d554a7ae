"""Objects of one kind: listed once, then kept up to date by a watch for as long as somebody waits for changes.

A watch that ends is begun again where it ended; one whose place is too old (410) begins with a new list. While a watch
is down its objects are old, and a look at them lists anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from reconciler.clusters.kubernetes.answers import Expired, NotFound, Refused
from reconciler.clusters.kubernetes.api import OPENED, Api, Event, Json
from reconciler.clusters.kubernetes.resources import Resource
from reconciler.errors import ClusterUnavailable

PAUSE = 0.5
"""Seconds before a watch that broke is begun again."""


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
        self._task: asyncio.Task[None] | None = None

    @property
    def up_to_date(self) -> bool:
        """Whether a watch keeps the objects as they are."""
        return self._up and self._task is not None and not self._task.done()

    async def list(self) -> None:
        """Takes in all objects as they are now. Raises what the API does."""
        try:
            listed = await self._api.list(self.resource)
        except NotFound:
            if not self._optional:
                raise
            self.objects, self._since = {}, ""
            return
        self.objects = {found["metadata"]["name"]: self._slim(found) for found in listed.items}
        self._since = listed.resource_version

    def follow(self) -> None:
        """Begins to watch, from the last list on."""
        if self._task is None and self._since:
            self._up = True
            self._task = asyncio.create_task(self._watch(), name=f"watch {self.resource.name}")

    async def stop(self) -> None:
        """Ends the watch; the next look lists."""
        task, self._task, self._up = self._task, None, False
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def wrote(self, found: Json) -> None:
        """Takes in the answer to a write of ours: it is newer than what the watch has brought so far."""
        metadata = found.get("metadata") or {}
        name, known = metadata.get("name"), self.objects.get(metadata.get("name", ""))
        if name and self._task is not None and not _older(metadata, known):
            self.objects[name] = self._slim(found)
            self._changed()

    async def _watch(self) -> None:
        while True:
            try:
                async for event in self._api.watch(self.resource, self._since):
                    self._up = True  # the first one says that the watch is open
                    self._take_in(event)
            except (ClusterUnavailable, Refused) as error:
                self._up = False
                await asyncio.sleep(PAUSE)
                await self._again(anew=isinstance(error, Expired))

    async def _again(self, *, anew: bool) -> None:
        """Lists if the watch has to begin anew; what goes wrong there goes wrong at the next look as well."""
        with suppress(ClusterUnavailable, Refused):
            if anew:
                await self.list()
                self._changed()

    def _take_in(self, event: Event) -> None:
        metadata = event.object.get("metadata") or {}
        self._since = str(metadata.get("resourceVersion") or self._since)
        name = metadata.get("name", "")
        if event.type in (OPENED, "BOOKMARK"):
            return
        known = self.objects.get(name)
        if event.type == "DELETED":
            if known is not None and known["metadata"].get("uid") == metadata.get("uid"):
                del self.objects[name]
        elif not _older(metadata, known):
            self.objects[name] = self._slim(event.object)
        self._changed()


def _older(metadata: Json, known: Json | None) -> bool:
    """Returns whether we know a newer state of the same object: the answer to a write may come before its event."""
    if known is None or known["metadata"].get("uid") != metadata.get("uid"):
        return False
    return _number(metadata) < _number(known["metadata"])


def _number(metadata: Any) -> int:
    """Resource versions are numbers that grow, since Kubernetes 1.35 by specification."""
    text = str(metadata.get("resourceVersion") or "")
    return int(text) if text.isdigit() else 0
