"""One writer per scheduler: a Lease in the scheduler's namespace, and the fence that every write passes.

How long a lease lasts is judged by our own clock only, from when we last saw it change: clocks of different machines
may differ, and a lease that looks over by the time written in it may be renewed every few seconds. So a holder that was
killed keeps others waiting for at most one duration more, whatever `timeout` they have.

What keeps two writers apart when the API server cannot be reached::

    holder   renews ──── 10 s ──── fails … fails … 20 s: the fence closes, writes in flight are given up
    others   see the last renewal ────────────────────────────── 30 s: they take the lease over
"""

from __future__ import annotations

import asyncio
import datetime
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from reconciler.clusters.kubernetes.answers import Conflict, NotFound
from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.resources import LEASES
from reconciler.errors import ClusterError, ClusterUnavailable, LockHeld, LockLost

Json = dict[str, Any]

NAME = "model-reconciler"
"""Of the Lease, one for all instances: they share a scheduler."""

DURATION = 30.0
"""Seconds that a lease lasts without being renewed."""

_PACE = 0.5
"""Seconds between two looks at a lease that another holds."""

_RELEASE = 5.0
"""Seconds in which a lease is given back; after that it ends by itself."""


class Fence:
    """What every write passes: closed as soon as another might hold the lock.

    Before the first `opened` it lets everything pass: whoever writes without a lock means to.
    """

    def __init__(self) -> None:
        self._until: float | None = None
        self._why = ""
        self._writes: set[asyncio.Timeout] = set()

    def opened(self, until: float) -> None:
        """Lets writes pass until `until`, on the loop's clock."""
        self._until, self._why = until, ""
        self._limit_writes()

    def closed(self, why: str) -> None:
        """Lets nothing pass any more."""
        self._until, self._why = float("-inf"), why
        self._limit_writes()

    def _limit_writes(self) -> None:
        for scope in self._writes:
            if not scope.expired():
                scope.reschedule(self._until)

    @property
    def held(self) -> bool:
        """Whether a write would pass because the lock is held."""
        return self._until is not None and self._until > asyncio.get_running_loop().time()

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Encloses one write, which is given up when the lock is lost in its middle. Raises LockLost."""
        if self._until is not None and not self.held:
            raise self._lost("nothing was written")
        try:
            async with asyncio.timeout_at(self._until) as scope:
                self._writes.add(scope)
                try:
                    yield
                finally:
                    self._writes.discard(scope)
        except TimeoutError:
            if not scope.expired():
                raise
            raise self._lost("whether the last write was taken is not known") from None

    def _lost(self, state: str) -> LockLost:
        why = self._why or "the API server did not answer in time to renew it"
        return LockLost("the lock on the cluster was lost", why=f"{why}; {state}", fix="the next pass goes on")


class LeaseLock:
    """The lock of one scheduler.

    Args:
        namespace: of the scheduler. subject: how errors name the cluster. duration: seconds that the lease lasts.
    """

    def __init__(self, api: Api, namespace: str, fence: Fence, subject: str, duration: float = DURATION) -> None:
        self._api, self._namespace, self._fence = api, namespace, fence
        self._subject, self._duration = subject, duration

    @asynccontextmanager
    async def held(self, holder: str, within: float) -> AsyncIterator[None]:
        """Holds the lock in this context; the fence is open meanwhile.

        Args:
            holder: who we are. within: seconds to wait for another holder.

        Raises:
            LockHeld: another still holds it after that. ClusterUnavailable: no answer. Refused: no permission.
        """
        identity = f"{holder}, {uuid.uuid4().hex[:8]}"
        lease = await self._acquired(identity, within)
        renewing = asyncio.create_task(self._keep(lease, identity))
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
            self._fence.closed("it was given back")
            await asyncio.shield(self._release(identity))

    async def _acquired(self, identity: str, within: float) -> Json:
        clock, watched = asyncio.get_running_loop().time, _Watched(asyncio.get_running_loop().time)
        first = clock()
        limit = first + within
        while True:
            began = clock()
            found = await self._api.get(LEASES, NAME, namespace=self._namespace)
            if found is None or watched.free(found):
                taken = await self._taken(found, identity)
                if taken is not None:
                    self._open(began)
                    return taken
                continue
            # A clock that is ahead of the holder's makes a lease look over for ever: one duration tells for sure.
            worth_a_look = _looks_over(found) and clock() - first <= _duration(found) + 2 * _PACE
            if clock() >= limit and not worth_a_look:
                raise self._refused(found, within)
            await asyncio.sleep(_PACE)

    async def _taken(self, found: Json | None, identity: str) -> Json | None:
        """Returns the lease as ours, None when another was quicker."""
        now = _timestamp()
        spec: Json = {
            "holderIdentity": identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0 if found is None else int((found.get("spec") or {}).get("leaseTransitions") or 0) + 1,
        }
        try:
            if found is None:
                metadata = {"name": NAME, "labels": {"app.kubernetes.io/managed-by": NAME}}
                document = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
                return await self._api.create(LEASES, document, namespace=self._namespace)
            return await self._api.replace(LEASES, {**found, "spec": spec}, namespace=self._namespace)
        except (Conflict, NotFound):
            return None

    def _open(self, renewed: float) -> None:
        """`renewed`: when the renewal was asked for; others may count from then on."""
        self._fence.opened(renewed + self._duration * 2 / 3)

    async def _keep(self, lease: Json, identity: str) -> None:
        """Renews the lease until cancelled, or until it is another's."""
        clock = asyncio.get_running_loop().time
        pause = self._duration / 3
        while True:
            await asyncio.sleep(pause)
            began = clock()
            try:
                async with asyncio.timeout(self._duration / 3):
                    renewed = await self._renewed(lease, identity)
            except (ClusterUnavailable, TimeoutError):
                pause = self._duration / 30
                continue
            except ClusterError as error:
                self._fence.closed(error.why or error.what)
                return
            if renewed is None:
                self._fence.closed("another reconciler took it")
                return
            lease, pause = renewed, self._duration / 3
            self._open(began)

    async def _renewed(self, lease: Json, identity: str) -> Json | None:
        """Returns the lease renewed, None when it is ours no more."""
        try:
            return await self._api.replace(LEASES, _with(lease, renewTime=_timestamp()), namespace=self._namespace)
        except NotFound:
            return None
        except Conflict:  # an earlier renewal was taken in without an answer, or it is another's
            found = await self._api.get(LEASES, NAME, namespace=self._namespace)
            if found is None or _holder(found) != identity:
                return None
            return await self._api.replace(LEASES, _with(found, renewTime=_timestamp()), namespace=self._namespace)

    async def _release(self, identity: str) -> None:
        with suppress(ClusterError, TimeoutError):
            async with asyncio.timeout(_RELEASE):
                while (found := await self._api.get(LEASES, NAME, namespace=self._namespace)) is not None:
                    if _holder(found) != identity:
                        return
                    given = _with(found, holderIdentity="", leaseDurationSeconds=1, renewTime=_timestamp())
                    with suppress(Conflict):  # a last renewal was still on its way
                        await self._api.replace(LEASES, given, namespace=self._namespace)
                        return

    def _refused(self, found: Json, within: float) -> LockHeld:
        since = (found.get("spec") or {}).get("acquireTime") or "a time that it does not say"
        return LockHeld(
            f"{_holder(found)} works on {self._subject}",
            why=f"it has held the Lease {self._namespace}/{NAME} since {since}, and still did after {within:g} s; "
            "only one reconciler may write at a time",
            fix=f"wait for its end, or give --lock-timeout; if it is dead, its lock ends after {_duration(found):g} s",
        )


class _Watched:
    """A lease as we saw it change, on our own clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._version = ""
        self._changed_at = 0.0

    def free(self, found: Json) -> bool:
        """Returns whether nobody holds the lease: it was given back, or did not change for all of its duration."""
        if not _holder(found):
            return True
        version = str(found["metadata"].get("resourceVersion"))
        if version != self._version:
            self._version, self._changed_at = version, self._clock()
        return self._clock() - self._changed_at > _duration(found)


def _holder(found: Json) -> str:
    return str((found.get("spec") or {}).get("holderIdentity") or "")


def _duration(found: Json) -> float:
    return float((found.get("spec") or {}).get("leaseDurationSeconds") or DURATION)


def _with(lease: Json, **fields: Any) -> Json:
    return {**lease, "spec": {**lease["spec"], **fields}}


def _looks_over(found: Json) -> bool:
    """Whether the lease ended by the time written in it: worth a look for one duration, whatever the time to wait."""
    text = (found.get("spec") or {}).get("renewTime")
    try:
        renewed = datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return False
    if renewed.tzinfo is None:
        return False
    return (datetime.datetime.now(datetime.UTC) - renewed).total_seconds() > _duration(found)


def _timestamp() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
