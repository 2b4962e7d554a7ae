"""Looks at a stand-in from outside, as the recorder looked at the real Seldon: objects from the API server, the
scheduler's gRPC, and requests. Everything is returned in the words of the recordings (tests/recorded/README.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import grpc

from reconciler.clusters.kubernetes import scheduler_pb2 as protocol
from tests.recordings.recording import State
from tests.standin.api import ApiServer, Json
from tests.standin.inference import ROUTE_HEADER
from tests.standin.scheduler import MODEL_STATES, REPLICA_STATES, SERVICE
from tests.standin.standin import KINDS
from tests.standin.statuses import from_api

_MODEL_WORDS = {number: str(state) for state, number in MODEL_STATES.items()}
_REPLICA_WORDS = {number: str(state) for state, number in REPLICA_STATES.items()}
EXPERIMENT_ROUTE = ".experiment"


class Observer:
    """See the module. Made by `observing`."""

    def __init__(self, api: ApiServer, channel: Any, session: aiohttp.ClientSession, requests: str) -> None:
        self._api = api
        self._session, self._requests = session, requests
        self._models = channel.unary_stream(
            f"/{SERVICE}/ModelStatus",
            request_serializer=protocol.ModelStatusRequest.SerializeToString,
            response_deserializer=protocol.ModelStatusResponse.FromString,
        )
        self._servers = channel.unary_stream(
            f"/{SERVICE}/ServerStatus",
            request_serializer=protocol.ServerStatusRequest.SerializeToString,
            response_deserializer=protocol.ServerStatusResponse.FromString,
        )
        self._objects: tuple[int, Json] = (-1, {})
        self._told: tuple[Json, Json] = ({}, {})

    async def state(self) -> State:
        """Returns objects, scheduler and servers; of a scheduler that does not answer, what it said last."""
        try:
            self._told = await self._scheduler(), await self._server_status()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
        scheduler, servers = self._told
        return {"objects": await self._all_objects(), "scheduler": scheduler, "servers": servers}

    def somebody_wrote(self) -> None:
        """Somebody else than the stand-in has written to the API server."""
        self._objects = (-1, {})

    async def _all_objects(self) -> Json:
        """Lists the objects, unless nobody has written since they were listed last."""
        if self._objects[0] != self._api.writes:
            writes, found = self._api.writes, {}
            for kind in KINDS:
                for one in (await self._api.list(kind))["items"]:
                    found[f"{kind}/{one['metadata']['name']}"] = from_api({"kind": kind, **one})
            self._objects = writes, found
        return self._objects[1]

    async def _scheduler(self) -> Json:
        request = protocol.ModelStatusRequest(subscriber_name="recorder", all_versions=True)
        return {answer.model_name: _model(answer) async for answer in self._models(request)}

    async def _server_status(self) -> Json:
        request = protocol.ServerStatusRequest(subscriber_name="recorder")
        return {answer.server_name: _server(answer) async for answer in self._servers(request)}

    async def answers(self, route: str, count: int) -> dict[str, float]:
        """Asks a model, or `<experiment>.experiment`, so many times; returns the share of each who answered."""
        found: dict[str, float] = {}
        for who in await asyncio.gather(*(self._ask(route) for _ in range(count))):
            found[who] = found.get(who, 0.0) + 1 / count
        return found

    async def _ask(self, route: str) -> str:
        address, headers = f"{self._requests}/v2/models/{route}/infer", {ROUTE_HEADER: route}
        async with self._session.post(address, json={"inputs": []}, headers=headers) as response:
            if response.status != 200:
                return str(response.status)
            return str((await response.json())["outputs"][0]["data"][0])


def _model(answer: protocol.ModelStatusResponse) -> Json | str:
    return "deleted" if answer.deleted else {str(one.version): _version(one) for one in answer.versions}


def _version(one: protocol.ModelVersionStatus) -> Json:
    return {
        "generation": one.kubernetes_meta.generation,
        "server": one.server_name,
        "state": _MODEL_WORDS[one.state.state],
        "available": one.state.available_replicas,
        "unavailable": one.state.unavailable_replicas,
        "replicas": {str(i): _REPLICA_WORDS[r.state] for i, r in sorted(one.model_replica_state.items())},
    }


def _server(answer: protocol.ServerStatusResponse) -> Json:
    return {
        "expected": answer.expected_replicas,
        "available": answer.available_replicas,
        "replicas": {
            str(one.replica_idx): {
                "total": one.total_memory_bytes,
                "free": one.available_memory_bytes,
                "models": one.num_loaded_models,
            }
            for one in answer.resources
        },
    }


@asynccontextmanager
async def observing(api: ApiServer, scheduler_port: int, inference_port: int) -> AsyncIterator[Observer]:
    """Gives an observer of the stand-in on these ports."""
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{scheduler_port}") as channel,
        aiohttp.ClientSession() as session,
    ):
        yield Observer(api, channel, session, f"http://127.0.0.1:{inference_port}")
