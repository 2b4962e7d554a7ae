"""The calls the gateway makes to one MLServer process: load, unload, ready, smoke request, who are you."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from reconciler.clusters.local.artifacts import LoadError

CAUSE_LIMIT = 300
"""Characters of a cause that are kept."""

SMOKE_TIMEOUT = 5.0
"""Seconds in which the smoke request must be answered."""

READY_TIMEOUT = 5.0
"""Seconds after a load in which the model must say that it is ready."""

_UNREACHABLE = (aiohttp.ClientError, OSError)


class MlserverApi:
    """The REST API of MLServer processes, each named by its base URL."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def is_up(self, url: str, token: str) -> bool:
        """Returns whether the process that calls itself `token` answers at `url` and is ready."""
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with self._session.get(f"{url}/v2/health/ready", timeout=timeout) as response:
                if response.status != 200:
                    return False
            async with self._session.get(f"{url}/v2", timeout=timeout) as response:
                said: Any = await response.json(content_type=None)
        except (*_UNREACHABLE, TimeoutError, ValueError):
            return False
        return isinstance(said, dict) and said.get("name") == token

    async def load(self, url: str, name: str, within: float) -> None:
        """Loads a version from its folder and waits until it is ready.

        Args:
            within: seconds for the load.

        Raises:
            LoadError: the server said why not, or it took too long. aiohttp.ClientError, OSError: it is gone.
        """
        limit = aiohttp.ClientTimeout(total=within)
        try:
            async with self._session.post(f"{url}/v2/repository/models/{name}/load", timeout=limit) as response:
                if response.status != 200:
                    raise LoadError(await _cause(response))
        except TimeoutError as error:
            raise LoadError(f"it was not loaded within {within:g} s (load-timeout)") from error
        await self._wait_ready(url, name)

    async def is_ready(self, url: str, name: str) -> bool:
        """Returns whether a version says it is ready; False when nothing answers."""
        try:
            async with self._session.get(
                f"{url}/v2/models/{name}/ready", timeout=aiohttp.ClientTimeout(total=READY_TIMEOUT)
            ) as response:
                return response.status == 200
        except (*_UNREACHABLE, TimeoutError):
            return False

    async def smoke(self, url: str, name: str, request: str) -> None:
        """Sends the smoke request (JSON text).

        Raises:
            LoadError: the answer was not 200, or came too late.
        """
        body, limit = request.encode(), aiohttp.ClientTimeout(total=SMOKE_TIMEOUT)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(
                f"{url}/v2/models/{name}/infer", data=body, headers=headers, timeout=limit
            ) as response:
                if response.status != 200:
                    raise LoadError(f"the smoke request was answered with {response.status}: {await _cause(response)}")
        except TimeoutError as error:
            raise LoadError(f"the smoke request was not answered within {SMOKE_TIMEOUT:g} s") from error

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
        loop = asyncio.get_running_loop()
        limit = loop.time() + READY_TIMEOUT
        while not await self.is_ready(url, name):
            if loop.time() >= limit:
                raise LoadError("it was loaded, but does not say that it is ready")
            await asyncio.sleep(0.1)


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
