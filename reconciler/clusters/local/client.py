"""`LocalCluster`: the `Cluster` protocol, spoken to the gateway over its admin socket. Starts and stops nothing."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from reconciler.clusters.holder import HolderLock
from reconciler.clusters.local import admin, wire
from reconciler.clusters.local.running import read_running
from reconciler.clusters.local.sockets import opened
from reconciler.errors import ActionRefused, ClusterError, ClusterUnavailable
from reconciler.model.live import Failure, LiveState
from reconciler.model.plan import Action

POLL = 1.0
"""Seconds after which an observation returns though nothing changed."""

ANSWER_TIMEOUT = 30.0
"""Seconds for one answer of the gateway."""

LOCK_FILE, HOLDER_FILE = "reconciler.lock", "reconciler.lock.holder"
"""Names in the state folder: the lock, and who holds it."""


_START = "start it: reconciler local up --state {}; or, for Kubernetes, name it: --context NAME or --cluster kubernetes"


class LocalCluster:
    """The local cluster whose state is in a folder.

    Args:
        state_dir: the state folder, as given to `lifecycle.up`.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir
        self._seen: tuple[int, LiveState] | None = None

    @property
    def name(self) -> str:
        """How reports name it."""
        return "local"

    async def observe(self, newer_than: LiveState | None = None) -> LiveState:
        """Returns what is live now; see `Cluster.observe`."""
        if newer_than is None:
            return await self._observe(None)
        if self._seen is None or self._seen[1] is not newer_than:
            live = await self._observe(None)
            if self._seen is None or wire.canonical(live) != wire.canonical(newer_than):
                return live
        return await self._observe(self._seen[0])

    async def perform(self, action: Action) -> None:
        """Hands `action` to the gateway; see `Cluster.perform`."""
        await self._call("POST", "/v1/actions", body=wire.action_to_json(action))

    async def record_failure(self, model: str, failure: Failure | None) -> None:
        """Keeps on the model's object that a version failed to load; see `Cluster.record_failure`."""
        fields = None if failure is None else wire.failure_fields(failure)
        await self._call("POST", "/v1/failures", body={"model": model, "failure": fields})

    def lock(self, holder: str, timeout: float) -> AbstractAsyncContextManager[None]:
        """Returns a context in which no other reconciler writes to this cluster; see `Cluster.lock`."""
        return self._lock(holder, timeout)

    async def close(self) -> None:
        """Lets go of what was observed; every call has a connection of its own, which is closed already."""
        self._seen = None

    async def about(self) -> dict[str, Any]:
        """Returns what the gateway says about itself: pid, port, artifacts. Raises as `observe` does."""
        return await self._call("GET", "/v1/about")

    async def _observe(self, seen: int | None) -> LiveState:
        query = {} if seen is None else {"seen": str(seen), "timeout": str(POLL)}
        answer = await self._call("GET", "/v1/state", query=query)
        live = wire.live_from_json(answer["state"])
        self._seen = (answer["revision"], live)
        return live

    async def _call(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        """Makes one call. Each has a connection of its own: it costs little, and outlives no event loop."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT)
        try:
            with opened(self._folder) as folder:
                connector = aiohttp.UnixConnector(folder.socket)
                async with (
                    aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                    session.request(method, f"http://local{path}", params=query, json=body) as response,
                ):
                    answer: dict[str, Any] = await response.json(content_type=None)
                    status = response.status
        except TimeoutError as error:
            raise self._unavailable(f"no answer within {ANSWER_TIMEOUT:g} s") from error
        except OSError as error:
            raise self._unreached(error) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise self._unavailable(f"it broke off: {error}" if str(error) else "it broke off") from error
        if status == 200:
            return answer
        kind = ActionRefused if status == admin.REFUSED else ClusterError
        raise kind(answer.get("what", f"status {status}"), why=answer.get("why", ""), fix=answer.get("fix", ""))

    def _unreached(self, error: OSError) -> ClusterUnavailable:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED):
            return self._unavailable(error.strerror or str(error))
        if read_running(self._folder) is None:
            return self._unavailable("nothing was started in this folder")
        return self._unavailable(f"its gateway has ended; see {self._folder / 'gateway.log'}")

    def _unavailable(self, why: str) -> ClusterUnavailable:
        what = f"the local cluster in {self._folder} does not answer"
        return ClusterUnavailable(what, why=why, fix=_START.format(self._folder))

    @asynccontextmanager
    async def _lock(self, holder: str, within: float) -> AsyncIterator[None]:
        lock = HolderLock(self._folder / LOCK_FILE, self._folder / HOLDER_FILE, f"the local cluster in {self._folder}")
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(lock.held(holder, within))
            except OSError as error:
                raise self._unreached(error) from error
            yield
