"""What can be observed of a simulated cluster, in exactly the words of the recordings (tests/recorded/README.md)."""

from __future__ import annotations

from reconciler.clusters.simulated.records import (
    ApiObject,
    Json,
    Model,
    Replica,
    Scheduler,
    Server,
    Version,
    World,
    key,
)
from reconciler.model.live import ReplicaState

_LOADED = (
    ReplicaState.LOADED,
    ReplicaState.AVAILABLE,
    ReplicaState.UNLOAD_REQUESTED,
    ReplicaState.UNLOADING,
    ReplicaState.DRAINING,
)


def snapshot(world: World) -> Json:
    """Returns objects, the scheduler's ModelStatus and its ServerStatus."""
    knows = world.scheduler is not Scheduler.BLANK
    return {
        "objects": {ref: _object(found) for ref, found in world.objects.items()},
        "scheduler": {name: _model(model) for name, model in world.models.items() if knows},
        "servers": {name: _server(world, server) for name, server in world.servers.items() if knows},
    }


def _object(found: ApiObject) -> Json:
    told: Json = {"generation": found.generation, **found.status}
    if found.deleting:
        told["deleting"] = True
    if found.kind == "Server":
        told["spec.replicas"] = found.spec.get("replicas", 1)
    return told


def _model(model: Model) -> Json | str:
    return "deleted" if model.deleted else {str(version.number): _version(version) for version in model.versions}


def _version(version: Version) -> Json:
    return {
        "generation": version.generation,
        "server": version.server,
        "state": str(version.state),
        "available": version.available,
        "unavailable": version.unavailable,
        "replicas": {str(index): str(state) for index, state in sorted(version.replicas.items())},
    }


def _server(world: World, server: Server) -> Json:
    replicas = [replica for _, replica in sorted(server.replicas.items()) if not replica.draining]
    return {
        "expected": server.expected,
        "available": len(replicas),
        "replicas": {
            str(r.index): {"total": r.memory, "free": r.reported, "models": len(models_on(world, server, r))}
            for r in replicas
        },
    }


def models_on(world: World, server: Server, replica: Replica) -> list[str]:
    """Returns the names of the models that have a version loaded on a replica."""
    return [
        name
        for name, model in world.models.items()
        if any(_has(server, replica, name, version) for version in model.versions)
    ]


def _has(server: Server, replica: Replica, name: str, version: Version) -> bool:
    known = version.server == server.name and version.replicas.get(replica.index) in _LOADED
    return known and key(name, version.number) in replica.loaded
