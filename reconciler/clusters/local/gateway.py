"""The data plane: requests of the Open Inference Protocol, sent to whichever version the route says.

Knows routes and targets (`traffic`) and nothing of loads or placements. A request that a replica did not answer because
its process is gone is sent to another one: inference changes nothing, so it may be asked twice.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict
from yarl import URL

from reconciler.clusters.local.records import LoadKey
from reconciler.clusters.local.traffic import Target, Traffic

MAX_BODY: Final = 128 * 1024 * 1024
"""Bytes of the biggest request."""

ANSWER_TIMEOUT: Final = 300.0
"""Seconds for one answer."""

BUFFERED: Final = 1024 * 1024
"""Bytes of the biggest body that is passed on in one piece; bigger ones go piece by piece."""

MODEL_HEADER: Final = "Seldon-Model"
"""Names the model, whatever the path says."""

ROUTE_HEADER: Final = "x-seldon-route"
"""Tells the version that answered, such as `:iris_2:`."""

_PASSED_ON = ("Content-Type", "Content-Encoding", "Accept", "Accept-Encoding", "Inference-Header-Content-Length")
_PASSED_BACK = ("Content-Type", "Content-Encoding", "Vary", "Inference-Header-Content-Length")


def new_session() -> aiohttp.ClientSession:
    """Returns the session for requests to MLServer: bodies untouched, no cookies, no limit on connections.

    MLServer closes a connection after 5 s without a request; one that is older than 4 s is not used again.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT, sock_connect=5.0),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


class Gateway:
    """The data plane of one local cluster.

    Args:
        traffic: its routes. session: see `new_session`. max_body: bytes of the biggest request.
    """

    def __init__(self, traffic: Traffic, session: aiohttp.ClientSession, max_body: int = MAX_BODY) -> None:
        self._traffic = traffic
        self._session = session
        self._max_body = max_body

    def application(self) -> web.Application:
        """Returns the web application."""
        app = web.Application(client_max_size=self._max_body, middlewares=[_errors_as_json])
        app.router.add_post("/v2/models/{name}/infer", self._infer)
        app.router.add_get("/v2/models/{name}/ready", self._ready)
        app.router.add_get("/v2/models/{name}", self._metadata)
        app.router.add_get("/v2/health/live", _alive)
        app.router.add_get("/v2/health/ready", _alive)
        return app

    async def _infer(self, request: web.Request) -> web.StreamResponse:
        return await self._forward(request, await request.read(), lambda target: target.infer)

    async def _ready(self, request: web.Request) -> web.StreamResponse:
        return await self._forward(request, b"", lambda target: target.ready)

    async def _metadata(self, request: web.Request) -> web.StreamResponse:
        return await self._forward(request, b"", lambda target: target.metadata)

    async def _forward(self, request: web.Request, body: bytes, url: Callable[[Target], URL]) -> web.StreamResponse:
        """Sends a request on until something answers; the body is read, so no slow client holds a version."""
        name = request.headers.get(MODEL_HEADER) or request.match_info["name"]
        if not self._traffic.knows(name):
            return _error(404, f"model {name} not found")
        tried: list[LoadKey] = []
        while (target := self._traffic.pick(name, tried)) is not None:
            self._traffic.enter(target)
            try:
                return await self._ask(request, body, target, url(target))
            except _NotAnsweredError:
                tried.append(target.key)
            except TimeoutError:
                return _error(504, f"model {name} did not answer within {ANSWER_TIMEOUT:g} s")
            finally:
                self._traffic.leave(target)
        if not self._traffic.routes(name):
            return _error(503, f"model {name} takes no requests now: no version of it has the route")
        return _error(503, f"no version of model {name} can answer now")

    async def _ask(self, request: web.Request, body: bytes, target: Target, url: URL) -> web.StreamResponse:
        """Asks one target. Raises _NotAnsweredError when it broke off before the client was told anything."""
        headers = _passed_on(request, body)
        data = io.BytesIO(body) if len(body) > BUFFERED else body or None
        try:
            async with self._session.request(
                request.method, url, data=data, headers=headers, allow_redirects=False
            ) as answer:
                self._traffic.answered(target)
                back = CIMultiDict({key: answer.headers[key] for key in _PASSED_BACK if key in answer.headers})
                back[ROUTE_HEADER] = target.route_header
                if "Content-Length" in answer.headers and (answer.content_length or 0) <= BUFFERED:
                    return web.Response(body=await answer.read(), status=answer.status, headers=back)
                return await _streamed(request, answer, back)
        except TimeoutError:
            raise
        except (aiohttp.ClientError, ConnectionError) as error:
            raise _NotAnsweredError from error


def _passed_on(request: web.Request, body: bytes) -> dict[str, str]:
    """Returns the headers for the target. What `curl -d` calls a form, for want of a better word, is sent as JSON."""
    headers = {key: request.headers[key] for key in _PASSED_ON if key in request.headers}
    unsaid = request.headers.get("Content-Type") is None or request.content_type == "application/x-www-form-urlencoded"
    if body and unsaid and "Inference-Header-Content-Length" not in headers:
        headers["Content-Type"] = "application/json"
    return headers


async def _streamed(
    request: web.Request, answer: aiohttp.ClientResponse, headers: CIMultiDict[str]
) -> web.StreamResponse:
    """Passes an answer on piece by piece; when it breaks off, the client's connection does too."""
    stream = web.StreamResponse(status=answer.status, headers=headers)
    try:
        await stream.prepare(request)
        async for chunk in answer.content.iter_any():
            await stream.write(chunk)
        await stream.write_eof()
    except (aiohttp.ClientError, OSError):
        if request.transport is not None:
            request.transport.abort()
    return stream


class _NotAnsweredError(Exception):
    """The connection broke before the answer began."""


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


async def _alive(_: web.Request) -> web.Response:
    return web.json_response({})


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(error.status, error.reason)
