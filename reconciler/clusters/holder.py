"""A lock in a file that says who holds it: one writer at a time on this machine, whoever is killed lets go of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from reconciler.errors import LockHeld

_PACE = 0.1
"""Seconds between two tries."""


@dataclass(frozen=True, slots=True)
class HolderLock:
    """Attributes: lock: the locked file. note: beside it, who holds it. subject: what is locked, for people."""

    lock: Path
    note: Path
    subject: str

    @asynccontextmanager
    async def held(self, holder: str, within: float) -> AsyncIterator[None]:
        """Holds the lock in this context. `holder`: who we are. `within`: seconds to wait for another holder.

        Raises:
            LockHeld: another still holds it after that. OSError: the files cannot be written.
        """
        lock = FileLock(self.lock)
        await self._acquire(lock, within)
        try:
            self.note.write_text(holder, encoding="utf-8")
            yield
        finally:
            self.note.unlink(missing_ok=True)
            lock.release()

    async def _acquire(self, lock: FileLock, within: float) -> None:
        loop = asyncio.get_running_loop()
        limit = loop.time() + within
        while True:
            try:
                lock.acquire(blocking=False)
            except Timeout as error:
                if loop.time() >= limit:
                    raise self._refused(within) from error
            else:
                return
            await asyncio.sleep(_PACE)

    def _refused(self, within: float) -> LockHeld:
        holder = "another reconciler"
        with suppress(OSError):  # it has just let go, or not said its name yet
            holder = self.note.read_text(encoding="utf-8") or holder
        return LockHeld(
            f"{holder} works on {self.subject}",
            why=f"it still held the lock after {within:g} s; only one reconciler may write at a time",
            fix="wait for its end, or give --lock-timeout",
        )
