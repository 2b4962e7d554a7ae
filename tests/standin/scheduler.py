"""The scheduler's gRPC, served for real: ModelStatus and ServerStatus (docs/seldon.md, "The scheduler's service")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc

from reconciler.clusters.kubernetes import scheduler_pb2 as protocol
from reconciler.clusters.simulated.records import Model, Scheduler, Server, Version, World
from reconciler.clusters.simulated.servers import memory_of
from reconciler.clusters.simulated.snapshot import models_on
from reconciler.model.live import ReplicaState, VersionState

if TYPE_CHECKING:
    from tests.standin.standin import StandIn

SERVICE = "seldon.mlops.scheduler.Scheduler"

MODEL_STATES = {
    VersionState.UNKNOWN: protocol.MODEL_UNKNOWN,
    VersionState.PROGRESSING: protocol.MODEL_PROGRESSING,
    VersionState.AVAILABLE: protocol.MODEL_AVAILABLE,
    VersionState.FAILED: protocol.MODEL_FAILED,
    VersionState.TERMINATING: protocol.MODEL_TERMINATING,
    VersionState.TERMINATED: protocol.MODEL_TERMINATED,
    VersionState.TERMINATE_FAILED: protocol.MODEL_TERMINATE_FAILED,
    VersionState.SCHEDULE_FAILED: protocol.MODEL_SCHEDULE_FAILED,
    VersionState.SCALED_DOWN: protocol.MODEL_SCALED_DOWN,
}
REPLICA_STATES = {state: getattr(protocol, f"REPLICA_{state.name}") for state in ReplicaState}


@asynccontextmanager
async def serving(found: StandIn, port: int) -> AsyncIterator[int]:
    """Serves the scheduler of a stand-in on 127.0.0.1; gives the port."""
    methods = {
        "ModelStatus": grpc.unary_stream_rpc_method_handler(
            _answering(found, model_status),
            request_deserializer=protocol.ModelStatusRequest.FromString,
            response_serializer=protocol.ModelStatusResponse.SerializeToString,
        ),
        "ServerStatus": grpc.unary_stream_rpc_method_handler(
            _answering(found, server_status),
            request_deserializer=protocol.ServerStatusRequest.FromString,
            response_serializer=protocol.ServerStatusResponse.SerializeToString,
        ),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    bound: int = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(grace=None)


def _answering(found: StandIn, snapshot: Any) -> Any:
    """Returns the method that streams a snapshot as it is now. A scheduler that is down answers nobody."""

    async def answer(request: Any, context: Any) -> AsyncIterator[Any]:
        found.advance()
        world = found.simulation.world
        if world.scheduler is Scheduler.DOWN:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the scheduler is being restarted")
        for message in list(snapshot(world, request, found.api.namespace)) if _knows(world) else ():
            yield message

    return answer


def _knows(world: World) -> bool:
    return world.scheduler is not Scheduler.BLANK


def model_status(world: World, request: protocol.ModelStatusRequest, namespace: str) -> Iterator[Any]:
    """Yields an answer for the model asked for, for all of them if none is."""
    for name, model in world.models.items():
        if not request.HasField("model") or request.model.name == name:
            versions = model.versions if request.all_versions else model.versions[-1:]
            yield protocol.ModelStatusResponse(
                model_name=name,
                versions=[_version(model, version, namespace) for version in versions],
                deleted=model.deleted,
            )


def _version(model: Model, version: Version, namespace: str) -> protocol.ModelVersionStatus:
    replicas = {
        index: protocol.ModelReplicaStatus(state=REPLICA_STATES[state], reason=_why(version, state))
        for index, state in version.replicas.items()
    }
    return protocol.ModelVersionStatus(
        version=version.number,
        server_name=version.server,
        kubernetes_meta=protocol.KubernetesMeta(namespace=namespace, generation=version.generation),
        model_replica_state=replicas,
        state=protocol.ModelVersionState(
            state=MODEL_STATES[version.state],
            reason=version.reason,
            available_replicas=version.available,
            unavailable_replicas=version.unavailable,
        ),
    )


def _why(version: Version, state: ReplicaState) -> str:
    return version.reason if state is ReplicaState.LOAD_FAILED else ""


def server_status(world: World, request: protocol.ServerStatusRequest, namespace: str) -> Iterator[Any]:
    """Yields an answer for the Server asked for, for all of them if none is. Draining replicas are left out."""
    for name, server in world.servers.items():
        if not request.HasField("name") or request.name == name:
            resources = list(_resources(world, server))
            found = world.objects.get(f"Server/{name}")
            generation = found.generation if found else 0
            yield protocol.ServerStatusResponse(
                server_name=name,
                resources=resources,
                expected_replicas=server.expected,
                available_replicas=len(resources),
                num_loaded_model_replicas=sum(one.num_loaded_models for one in resources),
                kubernetes_meta=protocol.KubernetesMeta(namespace=namespace, generation=generation),
            )


def _resources(world: World, server: Server) -> Iterator[protocol.ServerReplicaResources]:
    memory, limit = memory_of(server.spec, world.rules)
    for index, replica in sorted(server.replicas.items()):
        if not replica.draining:
            yield protocol.ServerReplicaResources(
                replica_idx=index,
                total_memory_bytes=replica.memory,
                available_memory_bytes=max(0, replica.reported),
                num_loaded_models=len(models_on(world, server, replica)),
                over_commit_percentage=round(100 * limit / memory) - 100 if memory else 0,
            )
