"""What a simulation would tell by API server and scheduler: the input of the view, without either."""

from __future__ import annotations

from typing import Any

from reconciler.clusters.kubernetes.reported import (
    Reported,
    ReportedModel,
    ReportedReplica,
    ReportedServer,
    ReportedVersion,
)
from reconciler.clusters.kubernetes.view import Seen
from reconciler.clusters.simulated.records import ApiObject, Model, Server, Version, World
from reconciler.model.live import VersionState

Json = dict[str, Any]


def seen(world: World) -> Seen:
    """Returns the objects of the API server, as it would give them."""
    return Seen(
        models=_objects(world, "Model"),
        servers=_objects(world, "Server"),
        server_configs={name: _config(name, offers, world) for name, offers in world.rules.capabilities.items()},
        stateful_sets={name: _stateful_set(server) for name, server in world.servers.items()},
    )


def _objects(world: World, kind: str) -> dict[str, Json]:
    return {found.name: _object(found) for found in world.objects.values() if found.kind == kind}


def _object(found: ApiObject) -> Json:
    metadata: Json = {"name": found.name, "uid": f"{found.ref}-1", "generation": found.generation}
    metadata |= {"labels": dict(found.labels), "annotations": dict(found.annotations)}
    if found.namespace:
        metadata["namespace"] = found.namespace
    if found.deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    content = {"metadata": metadata, "spec": dict(found.spec), "status": _status(found.status)}
    metadata["resourceVersion"] = str(hash(repr(content)))
    return content


def _status(found: Json) -> Json:
    """Returns a status in the words of the API: those of the recordings are lists of status, message and reason."""
    conditions = [
        {"type": name, "status": value[0], "message": value[1], "reason": value[2]}
        for name, value in found.items()
        if isinstance(value, list)
    ]
    counts = {name: value for name, value in found.items() if not isinstance(value, list)}
    return {**counts, "conditions": conditions}


def _config(name: str, offers: frozenset[str], world: World) -> Json:
    said = {
        "SELDON_SERVER_CAPABILITIES": ",".join(sorted(offers)),
        "SELDON_OVERCOMMIT_PERCENTAGE": str(world.rules.overcommit_percentage),
    }
    agent = {"name": "agent", "env": [{"name": variable, "value": value} for variable, value in said.items()]}
    server = {"name": name, "resources": {"requests": {"memory": str(world.rules.memory)}}}
    return {"metadata": {"name": name}, "spec": {"podSpec": {"containers": [agent, server]}}}


def _stateful_set(server: Server) -> Json:
    updated = server.size - len(server.restarting)
    revision = {"currentRevision": "1", "updateRevision": "2" if server.restarting else "1"}
    ready = sum(not replica.draining for replica in server.replicas.values())
    status = {
        "replicas": len(server.replicas),
        "readyReplicas": ready,
        "updatedReplicas": updated,
        "observedGeneration": 1,
        **revision,
    }
    return {"metadata": {"name": server.name, "generation": 1}, "spec": {"replicas": server.size}, "status": status}


def reported(world: World) -> Reported:
    """Returns what the scheduler would report."""
    return Reported(
        {name: _model(model) for name, model in world.models.items()},
        {name: _server(server, world) for name, server in world.servers.items()},
    )


def _model(model: Model) -> ReportedModel:
    return ReportedModel(model.name, tuple(map(_version, model.versions)), "", model.deleted)


def _version(version: Version) -> ReportedVersion:
    return ReportedVersion(
        version.number,
        version.generation,
        version.server,
        VersionState(version.state),
        version.reason,
        version.available,
        version.unavailable,
        tuple(sorted(version.replicas.items())),
    )


def _server(server: Server, world: World) -> ReportedServer:
    percent = world.rules.overcommit_percentage
    replicas = tuple(
        ReportedReplica(r.index, r.memory, r.reported, 100 * r.limit // r.memory - 100 if r.memory else percent)
        for r in server.replicas.values()
        if not r.draining
    )
    return ReportedServer(server.name, server.expected, tuple(sorted(replicas, key=lambda r: r.index)))
