"""A proxy before the real API server that injects faults into what is asked of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from tests.controlplane.running import ControlPlane


@dataclass(frozen=True)
class Fault:
    """What happens to a request.

    Attributes:
        status: the answer in place of the real one; 0 cuts the connection. body, headers: of that answer.
        taken: whether the API server gets the request all the same. delay: seconds before anything happens.
        cut: whether the connection is cut after what `body` has. silent: whether nothing follows it, and no end.
    """

    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    taken: bool = False
    delay: float = 0.0
    cut: bool = False
    silent: bool = False


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    authorization: str
    body: bytes = b""


class Faults:
    """Which requests fail. `match` decides, and the first `times` that match get the fault."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._planned: list[tuple[Callable[[Asked], bool], Fault, int]] = []

    def plan(self, match: Callable[[Asked], bool], fault: Fault, times: int = 1) -> None:
        """Adds a fault for the next `times` requests that `match`."""
        self._planned.append((match, fault, times))

    def clear(self) -> None:
        """Forgets all faults."""
        self._planned.clear()

    def found(self, asked: Asked) -> Fault | None:
        """Returns the fault for this request, and counts it."""
        self.asked.append(asked)
        for index, (match, fault, times) in enumerate(self._planned):
            if times and match(asked):
                self._planned[index] = (match, fault, times - 1)
                return fault
        return None


@dataclass(frozen=True)
class Proxy:
    """A running proxy. `kubeconfig`: leads through it as the admin. `token`: the file that its token is read from."""

    faults: Faults
    url: str
    kubeconfig: Path
    token: Path


@asynccontextmanager
async def proxied(control_plane: ControlPlane, folder: Path, namespace: str) -> AsyncIterator[Proxy]:
    """Starts a proxy before `control_plane`."""
    faults = Faults()
    trusted = ssl.create_default_context(cafile=str(control_plane.ca))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted), auto_decompress=False) as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            return await _handled(request, session, control_plane.url, faults)

        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{tail:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server = site._server
        assert isinstance(server, asyncio.Server)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield _proxy(faults, url, control_plane, folder, namespace)
        finally:
            await runner.cleanup()


def _proxy(faults: Faults, url: str, control_plane: ControlPlane, folder: Path, namespace: str) -> Proxy:
    config = yaml.safe_load(control_plane.kubeconfig.read_text(encoding="utf-8"))
    token = folder / "token"
    token.write_text(config["users"][0]["user"].pop("token"), encoding="utf-8")
    config["users"][0]["user"]["tokenFile"] = str(token)
    config["clusters"][0]["cluster"] = {"server": url}
    config["contexts"][0]["context"]["namespace"] = namespace
    path = folder / "kubeconfig-proxied"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return Proxy(faults, url, path, token)


async def _handled(
    request: web.Request, session: aiohttp.ClientSession, url: str, faults: Faults
) -> web.StreamResponse:
    headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "content-length")}
    body, authorization = await request.read(), request.headers.get("Authorization", "")
    fault = faults.found(Asked(request.method, request.path, request.query_string, authorization, body))
    if fault is not None:
        await asyncio.sleep(fault.delay)
        if fault.cut or fault.silent:
            return await _begun(request, fault)
        if fault.status and not fault.taken:
            return _answer(fault)
        if not fault.status and not fault.taken:
            return _cut(request)
    async with session.request(request.method, url + request.path_qs, headers=headers, data=body) as answer:
        if fault is not None:
            await answer.read()
            return _answer(fault) if fault.status else _cut(request)
        if "watch=1" not in request.query_string:
            content = await answer.read()
            return web.Response(status=answer.status, body=content, headers=_kept(answer))
        stream = web.StreamResponse(status=answer.status, headers=_kept(answer))
        await stream.prepare(request)
        async for chunk in answer.content.iter_any():
            await stream.write(chunk)
        return stream


def _kept(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: answer.headers[name] for name in ("Content-Type", "Content-Encoding") if name in answer.headers}


def _answer(fault: Fault) -> web.Response:
    return web.Response(status=fault.status, text=fault.body, headers=fault.headers)


async def _begun(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Answers with a beginning; the rest is what the fault is about."""
    stream = web.StreamResponse(status=fault.status, headers=fault.headers)
    await stream.prepare(request)
    await stream.write(fault.body.encode())
    while fault.silent and request.transport is not None:
        await asyncio.sleep(0.05)
    if request.transport is not None:
        await asyncio.sleep(0.05)  # what was written is sent first
        request.transport.abort()
    return stream


def _cut(request: web.Request) -> web.Response:
    transport = request.transport
    assert transport is not None
    transport.abort()
    return web.Response()
