"""The way to Seldon's scheduler, over all passes of a process.

It is looked for when it is first needed. While there is none, it is looked for again at the beginning of each pass: one
that was away for a moment must not leave a daemon with guesses for all of its life. Within a pass nothing changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from reconciler.clusters.kubernetes.finding import Found
from reconciler.clusters.kubernetes.probe import Ask, Told
from reconciler.clusters.kubernetes.scheduler import Scheduler
from reconciler.model.live import LOADS_IN_FLIGHT

SCHEDULER = "Seldon's scheduler"
"""How reports name it as the source of what is known of room."""

UNVERIFIED = "Seldon's scheduler was not asked"
"""What reports say before the reason."""

Find = Callable[[], Awaitable[Found]]
"""Looks for the scheduler; raises ClusterUnavailable when there is one that does not answer."""


class Contact:
    """Who says what Seldon's scheduler knows, as far as anybody does.

    Args:
        find: asked again as long as it finds nobody.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._found: Found | None = None

    @property
    def scheduler(self) -> Scheduler | None:
        """None while nobody was found: then objects alone have to do (see `conditions`)."""
        return None if self._found is None else self._found.scheduler

    @property
    def unverified(self) -> str:
        """Why nobody is asked, for reports."""
        why = "" if self._found is None else self._found.why
        return f"{UNVERIFIED}: {why}" if why else UNVERIFIED

    @property
    def source(self) -> str:
        """How reports name it as the source of what is known of room."""
        way = "" if self._found is None else self._found.way
        return f"{SCHEDULER}, {way}" if way else SCHEDULER

    @property
    def ask(self) -> Ask | None:
        """What tells of one model's live version; None while nobody was found."""
        return None if self.scheduler is None else self._told

    async def begin(self) -> None:
        """Looks for the scheduler if nobody has. Raises ClusterUnavailable when it does not answer."""
        if self._found is None:
            self._found = await self._find()

    async def renew(self) -> None:
        """Looks for the scheduler unless it was found. Raises ClusterUnavailable when it does not answer."""
        if self.scheduler is None:
            self._found = await self._find()

    async def _told(self, name: str) -> Told | None:
        assert self.scheduler is not None
        found = await self.scheduler.model(name)
        if found is None or found.deleted or not found.versions:
            return None
        latest = found.versions[-1]
        return Told(latest.state, bool(latest.on(*LOADS_IN_FLIGHT)))

    async def close(self) -> None:
        """Lets go of connections."""
        if self.scheduler is not None:
            await self.scheduler.close()
