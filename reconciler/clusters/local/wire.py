"""Live states and actions as the JSON that goes over the admin socket, and back. Pure."""

from __future__ import annotations

import json
from typing import Any

from reconciler.model.codec import (
    model_policy,
    model_policy_annotations,
    model_spec_from_json,
    model_spec_to_json,
    server_policy,
    server_policy_annotations,
    server_spec_from_json,
    server_spec_to_json,
)
from reconciler.model.live import (
    Failure,
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
from reconciler.model.manifests import ModelManifest, ServerManifest, Source
from reconciler.model.plan import Action, ActionKind, MemoryUse, Reason
from reconciler.model.records import records

Json = dict[str, Any]


def live_to_json(live: LiveState) -> Json:
    """Returns `live` as JSON data. Inverse of `live_from_json`."""
    return {
        "observedAt": live.observed_at,
        "models": [_model_to_json(model) for model in live.models],
        "servers": [_server_to_json(server) for server in live.servers],
        "serverConfigs": [{"name": c.name, "capabilities": sorted(c.capabilities)} for c in live.server_configs],
        "traits": {name: getattr(live.traits, name) for name in Traits.__slots__},
    }


def live_from_json(data: Json) -> LiveState:
    """Returns the live state that `data` says."""
    return LiveState(
        observed_at=data["observedAt"],
        models=tuple(_model_from_json(model) for model in data["models"]),
        servers=tuple(_server_from_json(server) for server in data["servers"]),
        server_configs=tuple(ServerConfig(c["name"], frozenset(c["capabilities"])) for c in data["serverConfigs"]),
        traits=Traits(**data["traits"]),
    )


_OBJECT_FIELDS = ("name", "instance", "namespace", "deleting")


def _object_to_json(item: LiveModel | LiveServer) -> Json:
    pairs = {"labels": [list(p) for p in item.labels], "annotations": [list(p) for p in item.annotations]}
    return {name: getattr(item, name) for name in _OBJECT_FIELDS} | pairs


def _object_from_json(data: Json) -> Json:
    pairs = {field: tuple((key, value) for key, value in data[field]) for field in ("labels", "annotations")}
    return {name: data[name] for name in _OBJECT_FIELDS} | pairs


def _model_to_json(model: LiveModel) -> Json:
    return _object_to_json(model) | {
        "spec": model_spec_to_json(model.spec),
        "versions": [_version_to_json(version) for version in model.versions],
        "route": [list(pair) for pair in model.route],
    }


def failure_fields(failure: Failure) -> Json:
    """Returns the fields of `failure` as JSON data."""
    return {name: getattr(failure, name) for name in Failure.__slots__}


def _model_from_json(data: Json) -> LiveModel:
    kept = records(dict(data["annotations"]))
    return LiveModel(
        **_object_from_json(data),
        spec=model_spec_from_json(data["spec"]),
        versions=tuple(_version_from_json(version) for version in data["versions"]),
        route=tuple((number, weight) for number, weight in data["route"]),
        failure=kept.failure,
        rollout=kept.rollout,
    )


def _version_to_json(version: LiveVersion) -> Json:
    fields = {name: getattr(version, name) for name in LiveVersion.__slots__}
    return fields | {"state": str(version.state), "replicas": [[i, str(state)] for i, state in version.replicas]}


def _version_from_json(data: Json) -> LiveVersion:
    replicas = tuple((index, ReplicaState(state)) for index, state in data["replicas"])
    return LiveVersion(**(data | {"state": VersionState(data["state"]), "replicas": replicas}))


def _server_to_json(server: LiveServer) -> Json:
    return _object_to_json(server) | {
        "spec": server_spec_to_json(server.spec),
        "capabilities": sorted(server.capabilities),
        "replicas": [{name: getattr(r, name) for name in LiveReplica.__slots__} for r in server.replicas],
    }


def _server_from_json(data: Json) -> LiveServer:
    return LiveServer(
        **_object_from_json(data),
        spec=server_spec_from_json(data["spec"]),
        capabilities=frozenset(data["capabilities"]),
        replicas=tuple(LiveReplica(**replica) for replica in data["replicas"]),
    )


def action_to_json(action: Action) -> Json:
    """Returns what a cluster needs of `action` as JSON data. Its edges, source and detail stay with the plan."""
    return {
        "id": action.id,
        "kind": str(action.kind),
        "subject": action.subject,
        "reason": action.reason.name,
        "timeLimit": action.time_limit,
        "digest": action.digest,
        "number": action.number,
        "takes": [[use.server, use.replicas, use.amount] for use in action.takes],
        "model": action.model and _manifest_to_json(action.model),
        "server": action.server and _manifest_to_json(action.server),
    }


def action_from_json(data: Json) -> Action:
    """Returns the action that `data` says. Raises ValueError, KeyError or TypeError when it says none."""
    return Action(
        id=str(data["id"]),
        kind=ActionKind(data["kind"]),
        subject=str(data["subject"]),
        reason=Reason[data["reason"]],
        time_limit=float(data["timeLimit"]),
        digest=str(data["digest"]),
        number=None if data["number"] is None else int(data["number"]),
        takes=tuple(MemoryUse(server, replicas, amount) for server, replicas, amount in data["takes"]),
        model=data["model"] and _model_manifest(data["model"]),
        server=data["server"] and _server_manifest(data["server"]),
    )


def _manifest_to_json(manifest: ModelManifest | ServerManifest) -> Json:
    if isinstance(manifest, ModelManifest):
        spec, policy = model_spec_to_json(manifest.spec), model_policy_annotations(manifest.policy)
    else:
        spec, policy = server_spec_to_json(manifest.spec), server_policy_annotations(manifest.policy)
    return {
        "name": manifest.name,
        "namespace": manifest.namespace,
        "labels": dict(manifest.labels),
        "annotations": dict(manifest.annotations),
        "policy": policy,
        "spec": spec,
    }


def _manifest_fields(data: Json) -> Json:
    return {
        "name": data["name"],
        "source": Source("", 0),
        "namespace": data["namespace"],
        "labels": tuple(sorted(data["labels"].items())),
        "annotations": tuple(sorted(data["annotations"].items())),
    }


def _model_manifest(data: Json) -> ModelManifest:
    policy, _ = model_policy(data["policy"])
    return ModelManifest(**_manifest_fields(data), spec=model_spec_from_json(data["spec"]), policy=policy)


def _server_manifest(data: Json) -> ServerManifest:
    policy, _ = server_policy(data["policy"])
    return ServerManifest(**_manifest_fields(data), spec=server_spec_from_json(data["spec"]), policy=policy)


def canonical(live: LiveState) -> str:
    """Returns a text that is equal for equal states, whenever they were observed."""
    data = live_to_json(live)
    del data["observedAt"]
    return json.dumps(data, sort_keys=True)
