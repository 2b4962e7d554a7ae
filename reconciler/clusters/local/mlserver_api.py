"""The calls the gateway makes to one MLServer process: load, unload, ready, smoke request, who are you."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp

from reconciler.clusters.local.artifacts import LoadError

CAUSE_LIMIT = 300
"""Characters of a cause that are kept."""

SMOKE_TIMEOUT = 5.0
"""Seconds in which the smoke request must be answered by a process that has nothing else to answer."""

READY_TRIES = 50
"""How often, with a tenth of a second between, a model that was loaded may say that it is not ready."""

_NO_LIMIT = aiohttp.ClientTimeout()
"""Time limits are set around the calls: a limit of the client's own may swallow the one around it."""

_UNREACHABLE = (aiohttp.ClientError, OSError)


class MlserverApi:
    """The REST API of MLServer processes, each named by its base URL.

    A prediction may hold a whole process up, and whatever is asked meanwhile waits behind it. So no call takes a late
    answer for a bad one before the time that its caller gives it is over.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def is_up(self, url: str, token: str, within: float) -> bool:
        """Returns whether the process that calls itself `token` answers at `url` within so many seconds.

        Whether it is ready is not asked: it says no for as long as it loads any model.
        """
        try:
            async with asyncio.timeout(within), self._session.get(f"{url}/v2", timeout=_NO_LIMIT) as response:
                said: Any = await response.json(content_type=None)
        except (*_UNREACHABLE, TimeoutError, ValueError):
            return False
        return isinstance(said, dict) and said.get("name") == token

    async def load(self, url: str, name: str, within: float) -> None:
        """Loads a version from its folder and waits until it is ready.

        Args:
            within: seconds until it is ready.

        Raises:
            LoadError: the server said why not, or it took too long. aiohttp.ClientError, OSError: the connection broke.
        """
        try:
            async with asyncio.timeout(within):
                async with self._session.post(f"{url}/v2/repository/models/{name}/load", timeout=_NO_LIMIT) as response:
                    if response.status != 200:
                        raise LoadError(await _cause(response))
                await self._wait_ready(url, name)
        except TimeoutError as error:
            raise LoadError(f"it was not loaded within {within:g} s (load-timeout)") from error

    async def is_ready(self, url: str, name: str, within: float) -> bool:
        """Returns whether a version says within so many seconds that it is ready; False when nothing answers."""
        try:
            async with asyncio.timeout(within):
                return await self._says_ready(url, name)
        except (*_UNREACHABLE, TimeoutError):
            return False

    async def smoke(self, url: str, name: str, request: str, within: float, busy: Callable[[], bool]) -> None:
        """Sends the smoke request (JSON text) and waits for a good answer.

        It has `SMOKE_TIMEOUT` to answer. A stretch of that length at whose beginning or end the process had other
        requests to answer does not count: the smoke request may have stood behind them all the time.

        Args:
            within: seconds to wait whatever else the process has to do. busy: whether it has other requests to answer.

        Raises:
            LoadError: the answer was not 200, or came too late. aiohttp.ClientError, OSError: the connection broke.
        """
        try:
            async with asyncio.timeout(within):
                asking = asyncio.create_task(self._smoke(url, name, request))
                try:
                    was_busy = busy()
                    while not (await asyncio.wait([asking], timeout=SMOKE_TIMEOUT))[0]:
                        is_busy = busy()
                        if not (was_busy or is_busy):
                            raise LoadError(f"the smoke request was not answered within {SMOKE_TIMEOUT:g} s")
                        was_busy = is_busy
                    await asking
                finally:
                    asking.cancel()
        except TimeoutError as error:
            raise LoadError(f"the smoke request was not answered within {within:g} s (load-timeout)") from error

    async def _smoke(self, url: str, name: str, request: str) -> None:
        body, headers = request.encode(), {"Content-Type": "application/json"}
        async with self._session.post(
            f"{url}/v2/models/{name}/infer", data=body, headers=headers, timeout=_NO_LIMIT
        ) as response:
            if response.status != 200:
                raise LoadError(f"the smoke request was answered with {response.status}: {await _cause(response)}")

    async def unload(self, url: str, name: str) -> bool:
        """Unloads a version; returns whether it is gone (one that is not known is)."""
        try:
            async with self._session.post(
                f"{url}/v2/repository/models/{name}/unload", timeout=aiohttp.ClientTimeout(total=60)
            ) as response:
                return response.status in (200, 404)
        except (*_UNREACHABLE, TimeoutError):
            return False

    async def _wait_ready(self, url: str, name: str) -> None:
        for _ in range(READY_TRIES):
            if await self._says_ready(url, name):
                return
            await asyncio.sleep(0.1)
        raise LoadError("it was loaded, but does not say that it is ready")

    async def _says_ready(self, url: str, name: str) -> bool:
        async with self._session.get(f"{url}/v2/models/{name}/ready", timeout=_NO_LIMIT) as response:
            return response.status == 200


async def _cause(response: aiohttp.ClientResponse) -> str:
    """Returns what the server says, shortened to one line without a stack trace."""
    text = await response.text(errors="replace")
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        text = said["error"]
    line = " ".join(text.split("Traceback", 1)[0].split()) or f"status {response.status}"
    return line if len(line) <= CAUSE_LIMIT else line[: CAUSE_LIMIT - 1] + "…"
