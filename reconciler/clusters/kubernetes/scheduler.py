"""The scheduler's gRPC service, asked for a snapshot of all models and Servers (docs/seldon.md, "Status: what to
believe"). Only read: a model loaded by it would be one that the operator does not know.

It answers with a message per model. Reading them in a thread takes a third of the time that `grpc.aio` needs to hand
10,000 of them over to the event loop one by one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import grpc
from grpc.experimental import ChannelOptions

from reconciler.clusters.kubernetes import scheduler_pb2 as wire
from reconciler.clusters.kubernetes.reported import (
    Reported,
    ReportedModel,
    ReportedReplica,
    ReportedServer,
    ReportedVersion,
)
from reconciler.errors import ClusterUnavailable
from reconciler.model.live import ReplicaState, VersionState

SUBSCRIBER = "model-reconciler"
"""How we name ourselves to the scheduler."""

SECONDS = 20.0
"""Within which a snapshot must be over."""

ROUTES_FOLLOW = 10.0
"""Seconds after a restart within which routes may not follow what is loaded (docs/seldon.md, "Servers")."""

_UNKNOWN = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT)
"""How it may say that it does not know a model."""

_SERVICE = "/seldon.mlops.scheduler.Scheduler/"

VERSION_STATES: dict[int, VersionState] = {
    wire.MODEL_PROGRESSING: VersionState.PROGRESSING,
    wire.MODEL_AVAILABLE: VersionState.AVAILABLE,
    wire.MODEL_FAILED: VersionState.FAILED,
    wire.MODEL_TERMINATING: VersionState.TERMINATING,
    wire.MODEL_TERMINATED: VersionState.TERMINATED,
    wire.MODEL_TERMINATE_FAILED: VersionState.TERMINATE_FAILED,
    wire.MODEL_SCHEDULE_FAILED: VersionState.SCHEDULE_FAILED,
    wire.MODEL_SCALED_DOWN: VersionState.SCALED_DOWN,
    wire.MODEL_CREATE: VersionState.PROGRESSING,
    wire.MODEL_TERMINATE: VersionState.TERMINATING,
}
"""The scheduler's states of a version; any other is unknown."""

REPLICA_STATES: dict[int, ReplicaState] = {
    wire.REPLICA_UNKNOWN: ReplicaState.LOAD_REQUESTED,  # not told yet: it takes memory
    wire.REPLICA_LOAD_REQUESTED: ReplicaState.LOAD_REQUESTED,
    wire.REPLICA_LOADING: ReplicaState.LOADING,
    wire.REPLICA_LOADED: ReplicaState.LOADED,
    wire.REPLICA_LOAD_FAILED: ReplicaState.LOAD_FAILED,
    wire.REPLICA_UNLOAD_REQUESTED: ReplicaState.UNLOAD_REQUESTED,
    wire.REPLICA_UNLOADING: ReplicaState.UNLOADING,
    wire.REPLICA_UNLOADED: ReplicaState.UNLOADED,
    wire.REPLICA_UNLOAD_FAILED: ReplicaState.UNLOAD_FAILED,
    wire.REPLICA_AVAILABLE: ReplicaState.AVAILABLE,
    wire.REPLICA_LOADED_UNAVAILABLE: ReplicaState.LOADED_UNAVAILABLE,
    wire.REPLICA_UNLOAD_ENVOY_REQUESTED: ReplicaState.UNLOAD_REQUESTED,
    wire.REPLICA_DRAINING: ReplicaState.DRAINING,
}
"""The scheduler's states of a version on a server replica."""


class Scheduler(Protocol):
    """Who can say what the scheduler knows."""

    async def snapshot(self) -> Reported:
        """Returns all models and Servers. Raises ClusterUnavailable without an answer."""
        ...

    async def model(self, name: str) -> ReportedModel | None:
        """Returns one model, None when the scheduler does not know it. Raises ClusterUnavailable without an answer."""
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...


class GrpcScheduler:
    """The scheduler behind an address.

    Args:
        address: `host:port`. tls: files of CA, certificate and key for mTLS; None for plain text.
        server_name: whom its certificate must name, empty for the host of `address`.
    """

    def __init__(self, address: str, tls: tuple[Path, Path, Path] | None = None, server_name: str = "") -> None:
        self.address = address
        options: list[tuple[str, int | str]] = [
            ("grpc.max_receive_message_length", 64 * 1024 * 1024),
            (ChannelOptions.SingleThreadedUnaryStream, 1),
        ]
        if tls is not None and server_name:
            options.append(("grpc.ssl_target_name_override", server_name))
        if tls is None:
            self._channel = grpc.insecure_channel(address, options=options)
        else:
            ca, certificate, key = (path.read_bytes() for path in tls)
            credentials = grpc.ssl_channel_credentials(ca, key, certificate)
            self._channel = grpc.secure_channel(address, credentials, options=options)
        self._parsed: dict[bytes, ReportedModel] = {}
        self._away = False
        self._settled_at = 0.0

    async def unreachable(self, seconds: float) -> str:
        """Returns why it takes no connection within so many seconds, empty if it does."""
        ready = grpc.channel_ready_future(self._channel)
        try:
            await asyncio.to_thread(ready.result, seconds)
        except grpc.FutureTimeoutError:
            return f"Seldon's scheduler takes no connection at {self.address} within {seconds:.0f} s"
        finally:
            ready.cancel()
        return ""

    async def snapshot(self) -> Reported:
        """Returns all models and Servers; a model that is reported as before is the very same object."""
        models = wire.ModelStatusRequest(subscriber_name=SUBSCRIBER, all_versions=True)
        raw = await self._answers("ModelStatus", models)
        found = await self._answers("ServerStatus", wire.ServerStatusRequest(subscriber_name=SUBSCRIBER))
        self._parsed = {answer: self._parsed.get(answer) or _model(answer) for answer in raw}
        known = {model.name: model for model in self._parsed.values()}
        there = {server.name: server for server in map(_server, map(wire.ServerStatusResponse.FromString, found))}
        return Reported(known, there, self._restarted(there.values()))

    def _restarted(self, servers: Iterable[ReportedServer]) -> bool:
        """Returns whether it was away, or does not know all Servers again, and routes have had no time since."""
        now = time.monotonic()
        if self._away or any(server.expected < 0 for server in servers):
            self._away, self._settled_at = False, now + ROUTES_FOLLOW
        return now < self._settled_at

    async def model(self, name: str) -> ReportedModel | None:
        """Returns one model with all its versions, None when the scheduler does not know it."""
        asked = wire.ModelStatusRequest(
            subscriber_name=SUBSCRIBER, model=wire.ModelReference(name=name), all_versions=True
        )
        try:
            found = map(_model, await self._answers("ModelStatus", asked))
        except ClusterUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, grpc.RpcError) and cause.code() in _UNKNOWN:
                return None
            raise
        return next((model for model in found if model.name == name and model.versions), None)

    async def _answers(self, method: str, asked: wire.ModelStatusRequest | wire.ServerStatusRequest) -> list[bytes]:
        """Returns the answers to one request, undecoded."""
        call = self._channel.unary_stream(_SERVICE + method)(asked.SerializeToString(), timeout=SECONDS)
        try:
            return await asyncio.to_thread(list, call)
        except asyncio.CancelledError:
            call.cancel()  # else the thread would read on
            raise
        except grpc.RpcError as error:
            self._away = self._away or error.code() is grpc.StatusCode.UNAVAILABLE
            why = f"{error.code().name}: {' '.join((error.details() or '').split())}"
            raise ClusterUnavailable(f"no answer from Seldon's scheduler at {self.address}", why=why) from error

    async def close(self) -> None:
        """Lets go of the connection."""
        self._channel.close()


def _model(answer: bytes) -> ReportedModel:
    found = wire.ModelStatusResponse.FromString(answer)
    versions = tuple(sorted((_version(v) for v in found.versions), key=lambda v: v.number))
    namespace = next((v.kubernetes_meta.namespace for v in found.versions), "")
    return ReportedModel(found.model_name, versions, namespace, found.deleted)


def _version(found: wire.ModelVersionStatus) -> ReportedVersion:
    replicas = {
        index: REPLICA_STATES.get(replica.state, ReplicaState.LOAD_REQUESTED)
        for index, replica in found.model_replica_state.items()
    }
    why = found.state.reason or next((r.reason for r in found.model_replica_state.values() if r.reason), "")
    return ReportedVersion(
        number=found.version,
        generation=found.kubernetes_meta.generation,
        server=found.server_name,
        state=VERSION_STATES.get(found.state.state, VersionState.UNKNOWN),
        reason=why,
        available=found.state.available_replicas,
        unavailable=found.state.unavailable_replicas,
        replicas=tuple(sorted(replicas.items())),
    )


def _server(found: wire.ServerStatusResponse) -> ReportedServer:
    replicas = tuple(
        ReportedReplica(r.replica_idx, r.total_memory_bytes, r.available_memory_bytes, r.over_commit_percentage)
        for r in found.resources
    )
    in_order = tuple(sorted(replicas, key=lambda r: r.index))
    return ReportedServer(found.server_name, found.expected_replicas, in_order, found.kubernetes_meta.namespace)
