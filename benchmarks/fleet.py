"""A large fleet that is in sync: the same Models and Servers as manifests in Git, as live objects and as a live state.

Names, sizes and counts are fixed by the number of models alone, so that two runs measure the same thing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reconciler.model.codec import model_spec_from_json, server_spec_from_json
from reconciler.model.live import (
    LiveModel,
    LiveReplica,
    LiveServer,
    LiveState,
    LiveVersion,
    ReplicaState,
    ServerConfig,
    VersionState,
)
from reconciler.model.manifests import INSTANCE_LABEL

API_VERSION = "mlops.seldon.io/v1alpha1"
PER_SERVER = 200
"""Models on one Server."""

REPLICAS = 4
"""Replicas of a Server; a model has one."""

MEMORY = 10_000_000
"""Bytes that a replica of a model takes: 50 of them take half of what a server replica has."""

SERVER_MEMORY = 1_000_000_000
"""Bytes of a server replica, before overcommit."""

CHANGED_LABEL = "benchmark/changed"
"""Label of the Models of which Git has a new version."""

Json = dict[str, Any]


def model(number: int, changed: bool = False) -> Json:
    """Returns the Model of that number as a manifest; `changed` names another artifact, so that it is a new version."""
    labels = {"team": f"team-{number % 20:02}"} | ({CHANGED_LABEL: "new"} if changed else {})
    return {
        "apiVersion": API_VERSION,
        "kind": "Model",
        "metadata": {"name": model_name(number), "labels": labels},
        "spec": {
            "storageUri": f"gs://models/team-{number % 20:02}/{model_name(number)}/{'v2' if changed else 'v1'}",
            "requirements": ["sklearn"],
            "memory": f"{MEMORY // 1_000_000}M",
            "replicas": 1,
            "server": server_name(number // PER_SERVER),
        },
    }


def server(number: int) -> Json:
    """Returns the Server of that number as a manifest."""
    containers = [{"name": "mlserver", "resources": {"requests": {"memory": "1G", "cpu": "1"}}}]
    spec = {"serverConfig": "mlserver", "replicas": REPLICAS, "podSpec": {"containers": containers}}
    metadata = {"name": server_name(number)}
    return {"apiVersion": API_VERSION, "kind": "Server", "metadata": metadata, "spec": spec}


def model_name(number: int) -> str:
    """Returns the name of the Model of that number."""
    return f"model-{number:05}"


def server_name(number: int) -> str:
    """Returns the name of the Server of that number."""
    return f"server-{number:03}"


def servers_for(count: int) -> int:
    """Returns how many Servers `count` Models need."""
    return -(-count // PER_SERVER)


def held(number: int, count: int) -> list[int]:
    """Returns how many of `count` Models are on each replica of the Server of that number."""
    here = min(PER_SERVER, count - number * PER_SERVER)
    return [len(range(index, here, REPLICAS)) for index in range(REPLICAS)]


def write_repository(folder: Path, count: int) -> None:
    """Makes a Git repository in `folder` with one file for each of `count` Models and of their Servers."""
    folder.mkdir(parents=True)
    for number in range(servers_for(count)):
        _write(folder / "servers" / f"{server_name(number)}.yaml", server(number))
    for number in range(count):
        _write(folder / "models" / f"team-{number % 20:02}" / f"{model_name(number)}.yaml", model(number))
    _git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "the fleet")


def change(folder: Path, numbers: range) -> None:
    """Commits a new version of the Models of those numbers."""
    for number in numbers:
        _write(folder / "models" / f"team-{number % 20:02}" / f"{model_name(number)}.yaml", model(number, changed=True))
    commit(folder, "new versions")


def commit(folder: Path, message: str) -> None:
    """Commits all that is in `folder`."""
    _git(folder, "add", "--all")
    _git(folder, "-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "-m", message)


def live_state(count: int) -> LiveState:
    """Returns what a cluster shows on which all of it is loaded and answers."""
    return LiveState(
        observed_at=1_700_000_000.0,
        models=tuple(_live_models(count)),
        servers=tuple(_live_server(number, count) for number in range(servers_for(count))),
        server_configs=(ServerConfig("mlserver", frozenset({"mlserver", "sklearn"})),),
    )


def _live_models(count: int) -> Iterator[LiveModel]:
    for number in range(count):
        manifest = model(number)
        spec = model_spec_from_json(manifest["spec"])
        placed = ((number % REPLICAS, ReplicaState.AVAILABLE),)
        where = server_name(number // PER_SERVER)
        yield LiveModel(
            name=manifest["metadata"]["name"],
            spec=spec,
            instance="default",
            namespace="default",
            labels=tuple(sorted({**manifest["metadata"]["labels"], INSTANCE_LABEL: "default"}.items())),
            versions=(LiveVersion(1, spec.digest, MEMORY, where, VersionState.AVAILABLE, placed),),
            route=((1, 100),),
        )


def _live_server(number: int, count: int) -> LiveServer:
    manifest = server(number)
    spec = server_spec_from_json(manifest["spec"] | {"minReplicas": REPLICAS})
    taken = [models * MEMORY for models in held(number, count)]
    return LiveServer(
        name=server_name(number),
        spec=spec,
        capabilities=frozenset({"mlserver", "sklearn"}),
        replicas=tuple(LiveReplica(index, spec.limit, spec.limit - taken[index]) for index in range(REPLICAS)),
        instance="default",
        namespace="default",
        labels=((INSTANCE_LABEL, "default"),),
    )


def _write(file: Path, manifest: Json) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_yaml(manifest))


def _yaml(value: Json, indent: str = "") -> str:
    """Writes maps as people do, one key a line; what is in lists as JSON, which is YAML."""
    lines = []
    for name, item in value.items():
        if isinstance(item, dict):
            lines.append(f"{indent}{name}:\n{_yaml(item, indent + '  ')}")
        else:
            lines.append(f"{indent}{name}: {json.dumps(item) if isinstance(item, list) else item}\n")
    return "".join(lines)


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)
