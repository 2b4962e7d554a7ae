"""The admin API: observe, perform, record failures. HTTP with JSON on a Unix socket that only its owner can open.

It translates between the wire and the engine and decides nothing. Errors go over as their three parts and come out of
`client` as what they were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from reconciler.clusters.local import wire
from reconciler.clusters.local.engine import Engine
from reconciler.errors import ActionRefused, ReconcilerError
from reconciler.model.live import Failure

LONGEST_POLL = 30.0
"""Seconds that one observation waits at most."""

REFUSED, FAILED = 409, 500
"""Statuses of an action refused, and of one that could not be taken in."""


class Admin:
    """The admin API of one local cluster. Args: engine: what it speaks for. about: what `GET /v1/about` says."""

    def __init__(self, engine: Engine, about: Mapping[str, Any]) -> None:
        self._engine = engine
        self._about = dict(about)

    def application(self) -> web.Application:
        """Returns the web application."""
        app = web.Application(client_max_size=16 * 1024 * 1024, middlewares=[_three_parts])
        app.router.add_get("/v1/about", self._tell)
        app.router.add_get("/v1/state", self._observe)
        app.router.add_post("/v1/actions", self._perform)
        app.router.add_post("/v1/failures", self._record)
        return app

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response(self._about)

    async def _observe(self, request: web.Request) -> web.Response:
        seen = request.query.get("seen")
        timeout = min(float(request.query.get("timeout", "0")), LONGEST_POLL)
        revision, live = await self._engine.observe(int(seen) if seen else None, timeout)
        return web.json_response({"revision": revision, "state": wire.live_to_json(live)})

    async def _perform(self, request: web.Request) -> web.Response:
        await self._engine.perform(wire.action_from_json(await request.json()))
        return web.json_response({})

    async def _record(self, request: web.Request) -> web.Response:
        said = await request.json()
        failure = None if said["failure"] is None else Failure(**said["failure"])
        await self._engine.record_failure(str(said["model"]), failure)
        return web.json_response({})


@web.middleware
async def _three_parts(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ReconcilerError as error:
        status = REFUSED if isinstance(error, ActionRefused) else FAILED
        return web.json_response({"what": error.what, "why": error.why, "fix": error.fix}, status=status)
    except (KeyError, TypeError, ValueError, json.JSONDecodeError) as error:
        why = f"{type(error).__name__}: {error}"
        return web.json_response({"what": "the request cannot be read", "why": why, "fix": ""}, status=400)
