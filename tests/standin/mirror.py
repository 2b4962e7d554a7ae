"""What the API server holds, as its watches tell it: one list and one watch per kind, begun anew after a break."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import aiohttp

from tests.standin.api import ApiError, ApiServer, Event, Json

AGAIN_AFTER = 0.2
"""Seconds until a watch that broke off is begun anew."""


class Mirror:
    """The objects of `kinds`, by `Kind/name`, kept current by `follow`.

    Args:
        seen, gone: called for each object that is new or changed, and for each that is gone (with its last state).
    """

    def __init__(
        self,
        api: ApiServer,
        kinds: tuple[str, ...],
        seen: Callable[[str, Json], None],
        gone: Callable[[str, Json], None],
        *,
        again_after: float = AGAIN_AFTER,
    ) -> None:
        self.objects: dict[str, Json] = {}
        self.kinds = kinds
        self._api = api
        self._seen, self._gone = seen, gone
        self._again_after = again_after
        self._changed = asyncio.Condition()

    async def begin(self) -> dict[str, str]:
        """Lists every kind; returns, per kind, the resource version to watch from."""
        return {kind: await self._list(kind) for kind in self.kinds}

    async def follow(self, since: dict[str, str]) -> None:
        """Watches every kind until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind in self.kinds:
                tasks.create_task(self._follow(kind, since[kind]))

    async def _list(self, kind: str) -> str:
        found = await self._api.list(kind)
        there = {f"{kind}/{one['metadata']['name']}": one for one in found["items"]}
        for ref in [ref for ref in self.objects if ref.startswith(f"{kind}/") and ref not in there]:
            self._drop(ref)
        for ref, one in sorted(there.items(), key=lambda pair: int(pair[1]["metadata"]["resourceVersion"])):
            self._take(ref, one)
        await self._tell()
        return str(found["metadata"]["resourceVersion"])

    async def _follow(self, kind: str, since: str) -> None:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                since = since or await self._list(kind)
                try:
                    async for event in self._api.watch(kind, since):
                        since = event.found["metadata"]["resourceVersion"]
                        await self._happened(kind, event)
                except ApiError:
                    since = ""  # too old, or refused: what is there now is listed anew
            await asyncio.sleep(self._again_after)

    async def _happened(self, kind: str, event: Event) -> None:
        ref = f"{kind}/{event.found['metadata'].get('name')}"
        if event.what == "DELETED":
            self._drop(ref)
        elif event.what != "BOOKMARK":
            self._take(ref, event.found)
        await self._tell()

    def _take(self, ref: str, found: Json) -> None:
        known = self.objects.get(ref)
        if known is not None and known["metadata"]["uid"] != found["metadata"]["uid"]:
            self._drop(ref)
        if known is None or known["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            self.objects[ref] = found
            self._seen(ref, found)

    def _drop(self, ref: str) -> None:
        found = self.objects.pop(ref, None)
        if found is not None:
            self._gone(ref, found)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until `holds`, which speaks of `objects`, is true."""
        async with self._changed:
            await self._changed.wait_for(holds)
