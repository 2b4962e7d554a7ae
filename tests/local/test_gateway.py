"""The data plane against inference servers that misbehave: routes, retries, counts, limits. No MLServer here."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from reconciler.clusters.local.gateway import Gateway, new_session
from reconciler.clusters.local.process import free_port
from reconciler.clusters.local.records import ModelRecord, ReplicaKey, State, VersionRecord
from reconciler.clusters.local.traffic import Traffic
from reconciler.model.live import ReplicaState
from reconciler.model.manifests import ModelSpec

MAX_BODY = 2 * 1024 * 1024

Upstream = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Plane:
    """A data plane whose replicas are functions of this test."""

    traffic: Traffic
    client: aiohttp.ClientSession
    url: str
    drained: list[int]
    servers: list[TestServer] = field(default_factory=list)

    async def replica(self, answer: Upstream, **options: int) -> str:
        """Starts an inference server; returns its URL."""
        app = web.Application(**options)  # type: ignore[arg-type]  # limits only
        app.router.add_route("*", "/{path:.*}", answer)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        self.servers.append(server)
        return f"http://127.0.0.1:{server.port}"

    def route(self, *versions: tuple[int, list[str]]) -> None:
        """Publishes model `m` with versions 1, 2, … of those weights and replicas."""
        records: list[VersionRecord] = []
        urls: dict[ReplicaKey, str] = {}
        for number, (_, replicas) in enumerate(versions, 1):
            server = f"s{number}"
            urls |= {ReplicaKey(server, index): url for index, url in enumerate(replicas)}
            states = tuple((index, ReplicaState.AVAILABLE) for index in range(len(replicas)))
            records.append(VersionRecord(number, ModelSpec("x"), "d", 1, server, states, len(replicas)))
        weights = tuple((number, weight) for number, (weight, _) in enumerate(versions, 1))
        self.traffic.publish(State(models={"m": ModelRecord("m", versions=tuple(records), route=weights)}), urls)

    async def infer(self, body: bytes | io.BytesIO = b"{}") -> tuple[int, str, bytes]:
        """Sends a request; returns status, route header and body."""
        async with self.client.post(f"{self.url}/v2/models/m/infer", data=body) as response:
            return response.status, response.headers.get("x-seldon-route", ""), await response.read()


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    """A data plane without routes."""
    drained: list[int] = []
    traffic = Traffic(lambda: drained.append(1))
    async with new_session() as upstream, aiohttp.ClientSession() as client:
        server = TestServer(Gateway(traffic, upstream, max_body=MAX_BODY).application(), host="127.0.0.1")
        await server.start_server()
        made = Plane(traffic, client, f"http://127.0.0.1:{server.port}", drained)
        yield made
        for each in (server, *made.servers):
            await each.close()


async def _path(request: web.Request) -> web.StreamResponse:
    return web.json_response({"path": request.path, "body": (await request.read()).decode()})


async def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_a_request_reaches_the_version_under_its_own_name_with_its_body(plane: Plane) -> None:
    plane.route((100, [await plane.replica(_path)]))
    status, route, body = await plane.infer(b'{"inputs": []}')
    assert (status, route) == (200, ":m_1:")
    assert body == b'{"path": "/v2/models/m_1/infer", "body": "{\\"inputs\\": []}"}'


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, "application/json"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "application/json"),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, "application/json"),
        ({"Content-Type": "application/octet-stream"}, "application/octet-stream"),
        ({"Inference-Header-Content-Length": "2"}, ""),
    ],
)
async def test_what_curl_calls_a_form_or_leaves_unnamed_is_sent_as_json(
    plane: Plane, given: dict[str, str], sent: str
) -> None:
    async def said(request: web.Request) -> web.StreamResponse:
        return web.json_response(request.headers.get("Content-Type", ""))

    plane.route((100, [await plane.replica(said)]))
    url = f"{plane.url}/v2/models/m/infer"
    async with plane.client.post(url, data=b"{}", headers=given, skip_auto_headers=["Content-Type"]) as response:
        assert await response.json() == sent


async def test_weights_are_kept_exactly_and_replicas_take_turns(plane: Plane) -> None:
    seen: Counter[str] = Counter()

    def counting(name: str) -> Upstream:
        async def answer(_: web.Request) -> web.StreamResponse:
            seen[name] += 1
            return web.json_response({})

        return answer

    first, second, third = [await plane.replica(counting(name)) for name in ("a", "b", "c")]
    plane.route((80, [first, second]), (20, [third]))
    routes = Counter([(await plane.infer())[1] for _ in range(50)])
    assert routes == {":m_1:": 40, ":m_2:": 10}
    assert seen == {"a": 20, "b": 20, "c": 10}


async def test_a_version_of_weight_0_gets_nothing(plane: Plane) -> None:
    url = await plane.replica(_path)
    plane.route((0, [url]), (100, [url]))
    assert {(await plane.infer())[1] for _ in range(10)} == {":m_2:"}


async def test_a_request_that_one_replica_does_not_answer_is_answered_by_another(plane: Plane) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    plane.route((100, [gone, await plane.replica(_hang_up), await plane.replica(_path)]))
    assert {(await plane.infer())[0] for _ in range(6)} == {200}


async def test_a_model_none_of_whose_replicas_answers_is_503_with_a_reason(plane: Plane) -> None:
    plane.route((100, [await plane.replica(_hang_up), f"http://127.0.0.1:{free_port()}"]))
    status, _, body = await plane.infer()
    assert (status, body) == (503, b'{"error": "no version of model m can answer now"}')
    assert plane.traffic.in_flight("m", 1) == 0


async def test_a_connection_the_server_closed_meanwhile_does_not_fail_the_request(plane: Plane) -> None:
    asked = 0

    async def sometimes(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await (_hang_up(request) if asked == 2 else _path(request))

    plane.route((100, [await plane.replica(sometimes)]))
    assert [(await plane.infer())[0] for _ in range(3)] == [200, 200, 200]


async def test_errors_of_the_model_are_passed_on_as_they_are(plane: Plane) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "bad shape"}, status=400)

    plane.route((100, [await plane.replica(refuse)]))
    assert await plane.infer() == (400, ":m_1:", b'{"error": "bad shape"}')


async def test_a_streamed_answer_counts_until_its_last_byte(plane: Plane) -> None:
    more = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await more.wait()
        await response.write(b"last")
        return response

    plane.route((100, [await plane.replica(stream)]))
    async with plane.client.post(f"{plane.url}/v2/models/m/infer", data=b"{}") as response:
        assert await response.content.readany() == b"first"
        assert plane.traffic.in_flight("m", 1) == 1
        plane.route((100, []))
        assert plane.traffic.in_flight("m", 1) == 1
        more.set()
        assert await response.content.read() == b"last"
    while plane.traffic.in_flight("m", 1):
        await asyncio.sleep(0.01)
    assert plane.drained == [1]


async def test_an_answer_that_breaks_off_in_the_middle_is_broken_off_for_the_client(plane: Plane) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        return await _hang_up(request)

    plane.route((100, [await plane.replica(stream)]))
    with pytest.raises(aiohttp.ClientError):
        await plane.infer()
    assert plane.traffic.in_flight("m", 1) == 0


async def test_unknown_paths_and_methods_are_told_in_json(plane: Plane) -> None:
    async with plane.client.get(f"{plane.url}/v2/models/m/infer") as response:
        assert (response.status, list(await response.json())) == (405, ["error"])
    async with plane.client.get(f"{plane.url}/nothing") as response:
        assert (response.status, list(await response.json())) == (404, ["error"])
    async with plane.client.get(f"{plane.url}/v2/models/m/ready") as response:
        assert (response.status, await response.json()) == (404, {"error": "model m not found"})


async def test_a_request_up_to_the_limit_is_passed_on_whole_and_one_over_it_refused(plane: Plane) -> None:
    async def size(request: web.Request) -> web.StreamResponse:
        return web.json_response({"bytes": len(await request.read())})

    app_limit = {"client_max_size": 2 * MAX_BODY}
    plane.route((100, [await plane.replica(size, **app_limit)]))
    status, _, body = await plane.infer(io.BytesIO(bytes(MAX_BODY)))
    assert (status, body) == (200, b'{"bytes": %d}' % MAX_BODY)
    status, _, body = await plane.infer(io.BytesIO(bytes(MAX_BODY + 1)))
    assert status == 413
    assert b"error" in body
