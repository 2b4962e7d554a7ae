"""How tests speak with a cluster: actions, waiting, and requests. Only through the `Cluster` protocol and HTTP."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from reconciler.clusters.base import Cluster
from reconciler.errors import ClusterUnavailable
from reconciler.health import carries_all_traffic
from reconciler.model.live import LiveModel, LiveState, LiveVersion, VersionState
from reconciler.model.manifests import ModelManifest, ModelPolicy, ModelSpec, ServerManifest, ServerSpec, Source
from reconciler.model.plan import Action, ActionKind, Reason

WITHIN = 60.0
"""Seconds after which a test gives up waiting."""

_SOURCE = Source("test.yaml", 1)


def server_spec(*, replicas: int = 1, memory: int = 1_000_000, **fields: Any) -> ServerSpec:
    """Returns the spec of a server whose replicas take exactly `memory` bytes (no overcommit)."""
    containers = [
        {"name": "mlserver", "resources": {"requests": {"memory": str(memory)}}},
        {"name": "agent", "env": [{"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": "0"}]},
    ]
    config = fields.pop("server_config", "mlserver")
    rest = json.dumps({"podSpec": {"containers": containers}}, sort_keys=True, separators=(",", ":"))
    return ServerSpec(config, replicas=replicas, memory=memory, overcommit_percent=0, rest=rest, **fields)


def model(
    name: str,
    uri: str,
    *,
    memory: int | None = 1000,
    replicas: int = 1,
    server: str | None = None,
    policy: ModelPolicy | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **fields: Any,
) -> ModelManifest:
    """Returns a model's manifest."""
    requirements = fields.pop("requirements", ("mlserver",))
    spec = ModelSpec(uri, requirements=requirements, memory=memory, replicas=replicas, server=server, **fields)
    return ModelManifest(
        name,
        spec,
        _SOURCE,
        policy or ModelPolicy(),
        labels=tuple(sorted((labels or {}).items())),
        annotations=tuple(sorted((annotations or {}).items())),
    )


def action(kind: ActionKind, subject: str, **fields: Any) -> Action:
    """Returns one action as a plan would hold it."""
    fields.setdefault("time_limit", WITHIN)
    return Action(id=f"{kind} {subject}", kind=kind, subject=subject, reason=Reason.NEW_VERSION, **fields)


@dataclass
class Driver:
    """Does to a cluster what an executor would do, step by step."""

    cluster: Cluster

    async def put_server(
        self, name: str, spec: ServerSpec, kind: ActionKind = ActionKind.CREATE_SERVER, wait: bool = True
    ) -> None:
        """Creates or changes a server, and waits until it has exactly its replicas, all ready."""
        await self.cluster.perform(action(kind, name, server=ServerManifest(name, spec, _SOURCE)))
        if wait:
            await self.until(lambda live: _server_ready(live, name, spec.wanted_replicas))

    async def delete_server(self, name: str) -> None:
        """Deletes a server and waits until it is gone."""
        await self.cluster.perform(action(ActionKind.DELETE_SERVER, name))
        await self.until(lambda live: live.server(name) is None)

    async def start_load(self, manifest: ModelManifest) -> int:
        """Asks for a load and waits until it is taken in; returns the version's number."""
        found = (await self.cluster.observe()).model(manifest.name)
        before = found.live_version if found else None
        await self.cluster.perform(_of(ActionKind.LOAD, manifest))
        live = await self.until(lambda live: _taken_in(live, manifest, before))
        found = live.model(manifest.name)
        assert found is not None
        return live_version(found).number

    async def load(self, manifest: ModelManifest) -> LiveVersion:
        """Loads, and waits until the load is over, well or not."""
        number = await self.start_load(manifest)
        return await self.settled(manifest.name, number)

    async def settled(self, name: str, number: int) -> LiveVersion:
        """Waits until a version is no longer on its way."""

        def over(version: LiveVersion | None) -> bool:
            return version is not None and version.state is not VersionState.PROGRESSING and not version.loading

        live = await self.until(lambda live: over(version_of(live, name, number)))
        version = version_of(live, name, number)
        assert version is not None
        return version

    async def shift(self, manifest: ModelManifest, number: int) -> None:
        """Gives a version the whole route, and waits until it has it."""
        await self.cluster.perform(_of(ActionKind.SHIFT, manifest, number=number))
        await self.until(lambda live: routed(live, manifest.name, number))

    async def unload(self, manifest: ModelManifest, number: int) -> None:
        """Unloads a version and waits until it takes nothing."""
        await self.cluster.perform(_of(ActionKind.UNLOAD, manifest, number=number))
        await self.until(lambda live: not placed(live, manifest.name, number))

    async def serve(self, manifest: ModelManifest) -> int:
        """Loads and shifts; the load must end well. Returns the version's number."""
        version = await self.load(manifest)
        assert version.state is VersionState.AVAILABLE, version
        await self.shift(manifest, version.number)
        return version.number

    async def change(self, manifest: ModelManifest, **fields: Any) -> None:
        """Changes a model in place, and waits until that is taken in.

        Tried again as the executor does: a cluster may write a status just after it said what is in it.
        """
        wanted = _of(ActionKind.CHANGE, manifest, **fields)
        async with asyncio.timeout(WITHIN):
            while True:
                try:
                    await self.cluster.perform(wanted)
                    break
                except ClusterUnavailable:
                    await asyncio.sleep(0.1)
                    await self.cluster.observe()
        await self.until(lambda live: _asked(live, manifest.name) == manifest.spec.wanted_replicas)

    async def decommission(self, name: str, wait: bool = True) -> None:
        """Takes a model away and waits until it is gone."""
        await self.cluster.perform(action(ActionKind.DECOMMISSION, name))
        if wait:
            await self.until(lambda live: live.model(name) is None)

    async def busy(self, name: str, number: int) -> None:
        """Waits until a version is answering a request. Looks often: requests alone do not end a long poll."""
        async with asyncio.timeout(WITHIN):
            while not _in_flight(await self.cluster.observe(), name, number):
                await asyncio.sleep(0.01)

    async def idle(self, name: str, number: int) -> None:
        """Waits until a version is answering no request."""
        await self.until(lambda live: not _in_flight(live, name, number))

    async def model(self, name: str) -> LiveModel:
        """Returns a model that must be there."""
        found = (await self.cluster.observe()).model(name)
        assert found is not None, f"no model {name}"
        return found

    async def room(self, server: str) -> list[int]:
        """Returns the room of a server's replicas, by index."""
        return rooms(await self.cluster.observe(), server)

    async def until(self, holds: Callable[[LiveState], bool]) -> LiveState:
        """Waits until `holds` of what is live; fails with the last state when it takes too long."""
        live = await self.cluster.observe()
        try:
            async with asyncio.timeout(WITHIN):
                while not holds(live):
                    live = await self.cluster.observe(live)
        except TimeoutError:
            raise AssertionError(f"not within {WITHIN} s; last seen: {live}") from None
        return live


def live_version(found: LiveModel) -> LiveVersion:
    """Returns the live version, which must be there."""
    assert found.live_version is not None
    return found.live_version


def version_of(live: LiveState, name: str, number: int) -> LiveVersion | None:
    """Returns a version, None when it or its model is gone."""
    found = live.model(name)
    return found.version(number) if found else None


def available(live: LiveState, name: str, number: int) -> int:
    """Returns on how many replicas a version can answer, 0 when it is gone."""
    version = version_of(live, name, number)
    return version.available if version else 0


def placed(live: LiveState, name: str, number: int) -> int:
    """Returns on how many replicas a version takes memory."""
    version = version_of(live, name, number)
    return len(version.occupied) if version else 0


def routed(live: LiveState, name: str, number: int) -> bool:
    """Returns whether a version has the whole route."""
    found = live.model(name)
    return found is not None and carries_all_traffic(found, number)


def rooms(live: LiveState, server: str) -> list[int]:
    """Returns the room of a server's replicas, by index; nothing when it is gone."""
    found = live.server(server)
    return [replica.room for replica in found.replicas] if found else []


def _of(kind: ActionKind, manifest: ModelManifest, **fields: Any) -> Action:
    fields.setdefault("digest", manifest.spec.digest if "number" not in fields else "")
    return action(kind, manifest.name, model=manifest, **fields)


def _asked(live: LiveState, name: str) -> int | None:
    found = live.model(name)
    return None if found is None or found.live_version is None else found.live_version.wanted


def _taken_in(live: LiveState, manifest: ModelManifest, before: LiveVersion | None) -> bool:
    """Returns whether the cluster has taken in a load: a failure that was there before is not that of this load."""
    found = live.model(manifest.name)
    version = found.live_version if found else None
    if version is None or version.digest != manifest.spec.digest:
        return False
    failed = before is not None and before.state in (VersionState.FAILED, VersionState.SCHEDULE_FAILED)
    return not failed or version != before


def _in_flight(live: LiveState, name: str, number: int) -> int:
    version = version_of(live, name, number)
    return (version.in_flight or 0) if version else 0


def _server_ready(live: LiveState, name: str, replicas: int) -> bool:
    found = live.server(name)
    return found is not None and len(found.replicas) == replicas and all(r.ready for r in found.replicas)


@dataclass
class Answer:
    """What became of one request: status, the version that answered as the header says, the answer's text."""

    status: int
    route: str = ""
    text: str = ""


@dataclass
class Requests:
    """Requests to one data plane. `answers`: of all requests of `steadily`, in the order they ended."""

    url: str
    answers: list[Answer] = field(default_factory=list)

    async def infer(self, name: str, *, seconds: float = 0, headers: Mapping[str, str] | None = None) -> Answer:
        """Sends one inference request. `seconds`: how long the model takes to answer."""
        async with aiohttp.ClientSession() as session:
            return await self._send(session, name, seconds, headers or {})

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Returns status and JSON of a GET."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    @asynccontextmanager
    async def steadily(self, name: str, concurrency: int = 4) -> AsyncIterator[None]:
        """Sends requests all the while; ends when those begun are answered."""
        stop = asyncio.Event()
        async with aiohttp.ClientSession() as session:

            async def send() -> None:
                while not stop.is_set():
                    self.answers.append(await self._send(session, name, 0, {}))
                    await asyncio.sleep(0.002)

            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(send())
                try:
                    yield
                finally:
                    stop.set()

    @property
    def failed(self) -> list[Answer]:
        """The requests that were not answered with 200."""
        return [answer for answer in self.answers if answer.status != 200]

    def routes(self) -> Counter[str]:
        """How many requests each version answered."""
        return Counter(answer.route for answer in self.answers if answer.status == 200)

    async def _send(
        self, session: aiohttp.ClientSession, name: str, seconds: float, headers: Mapping[str, str]
    ) -> Answer:
        tensor = {"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [0.5]}
        body = {"inputs": [tensor], "parameters": {"seconds": seconds}}
        url = f"{self.url}/v2/models/{name}/infer"
        try:
            async with session.post(url, json=body, headers=headers) as response:
                said = await response.json(content_type=None)
                text = str(said["outputs"][0]["data"][0]) if response.status == 200 else str(said)
                return Answer(response.status, response.headers.get("x-seldon-route", ""), text)
        except (aiohttp.ClientError, TimeoutError) as error:
            return Answer(0, "", repr(error))
