"""Inference requests, answered by the routes of the moment, and a few switches for tests in another process.

POST /v2/models/{name}/infer       header Seldon-Model, if there is one, names the route instead
GET  /v2/models/{name}/ready
GET  /v2/health/ready
POST /admin/kill                   {"server": ..., "replica": 0}
POST /admin/restart-scheduler
POST /admin/artifacts              {"uri": {"loadSeconds": 2, "fails": true, ...}}
POST /admin/operator               {"standsStill": true, "keepsFinalizers": true}
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from reconciler.clusters.simulated import beginning

if TYPE_CHECKING:
    from tests.standin.standin import StandIn

ROUTE_HEADER = "Seldon-Model"
WHO_HEADER = "x-seldon-route"

Who = tuple[str, str, int] | int

_STRIDE = 0.6180339887498949
"""Of the golden ratio: its multiples, without their whole part, spread evenly however many there are."""


class Requests:
    """Answers requests. By turns, so that any few of them keep the weights of a route as well as they can."""

    def __init__(self, found: StandIn) -> None:
        self._found = found
        self._turns: dict[str, int] = {}

    def who(self, route: str) -> Who:
        """Returns who answers the next request: (storageUri, server, replica), or an HTTP status."""
        self._found.advance()
        shares = self._found.simulation.answers(route)
        turn = self._turns[route] = self._turns.get(route, 0) + 1
        left = turn * _STRIDE % 1.0
        for who, share in sorted(shares.items(), key=str):
            left -= share
            if left < 0:
                return who
        return next(iter(shares))

    async def infer(self, request: web.Request) -> web.Response:
        """Answers an inference request."""
        name = request.match_info["name"]
        who = self.who(request.headers.get(ROUTE_HEADER, name))
        if isinstance(who, int):
            return web.json_response({"error": f"{name}: {who}"}, status=who)
        uri, server, replica = who
        told = f"{uri.rpartition('/')[2]}@{server}-{replica}"
        output = {"name": "who", "shape": [1], "datatype": "BYTES", "data": [told]}
        answer = {"model_name": name, "id": request.headers.get("x-request-id", ""), "outputs": [output]}
        return web.json_response(answer, headers={WHO_HEADER: told})

    async def ready(self, request: web.Request) -> web.Response:
        """Tells whether a model answers."""
        who = self.who(request.headers.get(ROUTE_HEADER, request.match_info["name"]))
        return web.json_response({}, status=who if isinstance(who, int) else 200)


class Switches:
    """What tests do to the cluster other than by objects."""

    def __init__(self, found: StandIn) -> None:
        self._found = found

    async def kill(self, request: web.Request) -> web.Response:
        """Ends the processes of a server replica."""
        said = await request.json()
        try:
            self._found.kill(said["server"], int(said["replica"]))
        except KeyError as error:
            return web.json_response({"error": f"there is no {error}"}, status=404)
        return web.json_response({})

    async def restart_scheduler(self, request: web.Request) -> web.Response:
        """Restarts the scheduler."""
        self._found.restart_scheduler()
        return web.json_response({})

    async def artifacts(self, request: web.Request) -> web.Response:
        """Sets how artifacts behave, in the words of schemas/simulated-state.schema.json."""
        for uri, artifact in beginning.artifacts({"artifacts": await request.json()}).items():
            self._found.set_artifact(uri, artifact)
        return web.json_response({})

    async def operator(self, request: web.Request) -> web.Response:
        """Stops or starts the operator, and the removal of its finalizers."""
        said = await request.json()
        if "standsStill" in said:
            self._found.let_operator_stand(still=bool(said["standsStill"]))
        if "keepsFinalizers" in said:
            self._found.let_finalizers_hang(hang=bool(said["keepsFinalizers"]))
        return web.json_response({})


async def _healthy(request: web.Request) -> web.Response:
    return web.json_response({"ready": True})


@asynccontextmanager
async def serving(found: StandIn, port: int) -> AsyncIterator[int]:
    """Serves the requests of a stand-in on 127.0.0.1; gives the port."""
    requests, switches = Requests(found), Switches(found)
    application = web.Application()
    application.add_routes(
        [
            web.post("/v2/models/{name}/infer", requests.infer),
            web.get("/v2/models/{name}/ready", requests.ready),
            web.get("/v2/health/ready", _healthy),
            web.post("/admin/kill", switches.kill),
            web.post("/admin/restart-scheduler", switches.restart_scheduler),
            web.post("/admin/artifacts", switches.artifacts),
            web.post("/admin/operator", switches.operator),
        ]
    )
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    try:
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
