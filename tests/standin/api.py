"""Plain requests to a Kubernetes API server: just what the stand-in and its tests need, with a token.

A stand-in must not depend on the client that is tested against it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
import yaml

Json = dict[str, Any]

SELDON = "apis/mlops.seldon.io/v1alpha1"
PATHS: Mapping[str, tuple[str, str]] = {
    "Model": (SELDON, "models"),
    "Server": (SELDON, "servers"),
    "Experiment": (SELDON, "experiments"),
    "Pipeline": (SELDON, "pipelines"),
    "ServerConfig": (SELDON, "serverconfigs"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "Pod": ("api/v1", "pods"),
}
"""Per kind, the API and the plural name in its URLs."""

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
NOT_FOUND = 404
CONFLICT = 409
TOO_EARLY = 429
"""The API server is busy, for instance while it sets up the storage of a new kind."""

_ATTEMPTS, _AGAIN_AFTER = 100, 0.1


class ApiError(Exception):
    """The API server refused. `code`: the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Event:
    """Of a watch: ADDED, MODIFIED, DELETED or BOOKMARK, with the object."""

    what: str
    found: Json


class ApiServer:
    """Requests to the API server of a kubeconfig, in one namespace. An async context manager.

    `writes`: how many requests were not mere reading.
    """

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.namespace = namespace
        self.writes = 0
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._url, self._ca = cluster["server"], cluster["certificate-authority"]
        self._headers = {"Authorization": f"Bearer {user['token']}", "User-Agent": "seldon-stand-in"}

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=self._ca)
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await asyncio.sleep(0)  # for its transports to end

    def _address(self, kind: str, name: str = "", part: str = "") -> str:
        api, plural = PATHS[kind]
        steps = [self._url, api, "namespaces", self.namespace, plural, name, part]
        return "/".join(step for step in steps if step)

    async def _ask(self, method: str, address: str, content: Any = None, **more: Any) -> Json:
        self.writes += method != "GET"
        data = None if content is None else orjson.dumps(content)
        for _ in range(_ATTEMPTS):
            async with self._session.request(method, address, data=data, **more) as response:
                found: Json = orjson.loads(await response.read())
                if response.status < 400:
                    return found
                error = ApiError(response.status, str(found.get("message", "")))
            if error.code != TOO_EARLY:
                break
            await asyncio.sleep(_AGAIN_AFTER)
        raise error

    async def get(self, kind: str, name: str) -> Json:
        """Returns an object. Raises ApiError."""
        return await self._ask("GET", self._address(kind, name))

    async def list(self, kind: str) -> Json:
        """Returns the list of all objects of a kind. Raises ApiError."""
        return await self._ask("GET", self._address(kind))

    async def create(self, kind: str, content: Json) -> Json:
        """Creates an object. Raises ApiError."""
        json_type = {"Content-Type": "application/json"}
        return await self._ask("POST", self._address(kind), content, headers=json_type)

    async def patch(self, kind: str, name: str, merge: Json, part: str = "", manager: str = "seldon") -> Json:
        """Applies a JSON merge patch to an object or to a subresource of it. Raises ApiError."""
        headers, params = {"Content-Type": MERGE}, {"fieldManager": manager}
        return await self._ask("PATCH", self._address(kind, name, part), merge, headers=headers, params=params)

    async def apply(self, kind: str, name: str, content: Json, manager: str) -> Json:
        """Applies an object server-side, by force. Raises ApiError."""
        headers, params = {"Content-Type": APPLY}, {"fieldManager": manager, "force": "true"}
        return await self._ask("PATCH", self._address(kind, name), content, headers=headers, params=params)

    async def delete(self, kind: str, name: str, grace: int | None = None) -> None:
        """Deletes an object and does not wait; `grace` in seconds. Raises ApiError."""
        params = {} if grace is None else {"gracePeriodSeconds": str(grace)}
        await self._ask("DELETE", self._address(kind, name), params=params)

    async def watch(self, kind: str, since: str) -> AsyncIterator[Event]:
        """Yields what happens to objects of a kind after the resource version `since`, until the connection ends.

        Raises:
            ApiError: among others 410, when `since` is too old.
        """
        params = {"watch": "1", "resourceVersion": since, "allowWatchBookmarks": "true"}
        forever = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with self._session.get(self._address(kind), params=params, timeout=forever) as response:
            if response.status >= 400:
                raise ApiError(response.status, await response.text())
            try:
                async for line in _lines(response.content):
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(event["object"].get("code", 500), event["object"].get("message", ""))
                    yield Event(event["type"], event["object"])
            finally:
                if response.connection is not None and response.connection.transport is not None:
                    response.connection.transport.abort()  # an orderly end of TLS would outlive the event loop


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yields lines of any length: aiohttp's own reading of lines gives up at 64 KiB."""
    rest = b""
    async for part in content.iter_any():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line
