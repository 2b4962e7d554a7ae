"""What the local cluster shows of itself: its state in the words of `LiveState`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from reconciler.clusters.local.records import ModelRecord, ReplicaKey, ServerRecord, State, VersionRecord
from reconciler.clusters.local.scheduler import Installed, offered, room
from reconciler.clusters.local.servers import SERVER_CONFIG
from reconciler.model.live import (
    LOADS_IN_FLIGHT,
    LiveModel,
    LiveReplica,
    LiveServer,
    LiveState,
    LiveVersion,
    ReplicaState,
    ServerConfig,
    Traits,
    VersionState,
)
from reconciler.model.manifests import INSTANCE_LABEL
from reconciler.model.records import records

TRAITS = Traits(commands_traffic=True, reuses_versions=True)

InFlight = Callable[[str, int], int]
"""Number of requests that a version (model, number) is answering."""

_MOVING = LOADS_IN_FLIGHT | {ReplicaState.LOADED_UNAVAILABLE, ReplicaState.DRAINING, ReplicaState.LOADED}


def live_state(
    state: State, up: Collection[ReplicaKey], installed: Installed, in_flight: InFlight, observed_at: float
) -> LiveState:
    """Returns `state` as everybody else sees it. `observed_at` is Unix time in seconds."""
    return LiveState(
        observed_at=observed_at,
        models=tuple(_model(model, in_flight) for model in state.models.values()),
        servers=tuple(_server(state, server, up, installed) for server in state.servers.values()),
        server_configs=(ServerConfig(SERVER_CONFIG, installed),),
        traits=TRAITS,
    )


def version_state(version: VersionRecord) -> VersionState:
    """Returns the state of a version, drawn from those on its replicas; it has failed once nothing of it loads."""
    states = {was for _, was in version.replicas}
    if version.failed and not version.loading:
        return VersionState.FAILED
    if version.ending or states <= {ReplicaState.UNLOADED}:
        return VersionState.TERMINATING if version.occupied else VersionState.TERMINATED
    if states & _MOVING:
        return VersionState.PROGRESSING
    return VersionState.AVAILABLE if ReplicaState.AVAILABLE in states else VersionState.TERMINATING


def _sorted(texts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(texts.items()))


def _model(model: ModelRecord, in_flight: InFlight) -> LiveModel:
    kept = records(model.annotations)
    return LiveModel(
        name=model.name,
        spec=model.live.spec,
        instance=model.labels.get(INSTANCE_LABEL),
        namespace=model.namespace,
        labels=_sorted(model.labels),
        annotations=_sorted(model.annotations),
        versions=tuple(_version(model.name, v, in_flight) for v in model.versions if not v.hidden),
        route=model.route,
        deleting=model.deleting,
        failure=kept.failure,
        rollout=kept.rollout,
    )


def _version(model: str, version: VersionRecord, in_flight: InFlight) -> LiveVersion:
    return LiveVersion(
        number=version.number,
        digest=version.digest,
        memory=version.memory,
        server=version.server,
        state=version_state(version),
        replicas=version.replicas,
        wanted=version.wanted,
        in_flight=in_flight(model, version.number),
        reason=version.reason,
    )


def _server(state: State, server: ServerRecord, up: Collection[ReplicaKey], installed: Installed) -> LiveServer:
    return LiveServer(
        name=server.name,
        spec=server.spec,
        capabilities=offered(server, installed),
        replicas=tuple(
            LiveReplica(
                index=record.index,
                limit=server.spec.limit,
                room=room(state, ReplicaKey(server.name, record.index)),
                ready=not record.retiring and not server.deleting and ReplicaKey(server.name, record.index) in up,
            )
            for record in server.replicas
        ),
        instance=server.labels.get(INSTANCE_LABEL),
        namespace=server.namespace,
        labels=_sorted(server.labels),
        annotations=_sorted(server.annotations),
        deleting=server.deleting,
    )
