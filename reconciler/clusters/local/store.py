"""The state file: written whole, flushed and renamed into place on every change: a kill at any moment loses nothing.

Objects are kept in the JSON shape of the Model and Server kinds. Knows nothing of processes or requests.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from reconciler.clusters.local.records import ModelRecord, Process, ReplicaRecord, ServerRecord, State, VersionRecord
from reconciler.errors import ClusterError
from reconciler.model.codec import model_spec_from_json, model_spec_to_json, server_spec_from_json, server_spec_to_json
from reconciler.model.live import ReplicaState

Json = dict[str, Any]

FORMAT = 1
"""Number of the layout of the state file."""


def write_whole(path: Path, text: str) -> None:
    """Replaces the file at `path` with `text`; after a crash it holds the old text or the new one, never a part.

    Raises:
        OSError: it could not be written (a full disk); the old file is as it was.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):  # the first error is the one worth telling
            partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(path: Path) -> State:
    """Returns the state kept at `path`, an empty one when there is no file yet.

    Raises:
        ClusterError: the file cannot be read, or is not one of ours.
    """
    try:
        return state_from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return State()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClusterError(
            f"the state of the local cluster in {path} cannot be read",
            why=f"{type(error).__name__}: {error}",
            fix="restore the file, or start with an empty state folder",
        ) from error


def write(path: Path, state: State) -> None:
    """Keeps `state` at `path`. Raises OSError when it could not be written; the old state is still there then."""
    write_whole(path, json.dumps(state_to_json(state), ensure_ascii=False))


def state_to_json(state: State) -> Json:
    """Returns `state` as JSON data. Inverse of `state_from_json`."""
    return {
        "format": FORMAT,
        "servers": [_server_to_json(server) for server in state.servers.values()],
        "models": [_model_to_json(model) for model in state.models.values()],
        "numbers": dict(state.numbers),
    }


def state_from_json(data: Json) -> State:
    """Returns the state that `data` says. Raises ValueError, KeyError or TypeError when it says none."""
    if data.get("format") != FORMAT:
        raise ValueError(f"format {data.get('format')!r} is not {FORMAT}")
    servers = [_server_from_json(server) for server in data["servers"]]
    models = [_model_from_json(model) for model in data["models"]]
    return State({s.name: s for s in servers}, {m.name: m for m in models}, dict(data["numbers"]))


def _metadata(record: ServerRecord | ModelRecord) -> Json:
    return {
        "name": record.name,
        "namespace": record.namespace,
        "labels": dict(record.labels),
        "annotations": dict(record.annotations),
    }


def _server_to_json(server: ServerRecord) -> Json:
    return {
        "metadata": _metadata(server),
        "spec": server_spec_to_json(server.spec),
        "deleting": server.deleting,
        "replicas": [_replica_to_json(record) for record in server.replicas],
    }


def _server_from_json(data: Json) -> ServerRecord:
    return ServerRecord(
        **data["metadata"],
        spec=server_spec_from_json(data["spec"]),
        deleting=data["deleting"],
        replicas=tuple(_replica_from_json(record) for record in data["replicas"]),
    )


def _replica_to_json(record: ReplicaRecord) -> Json:
    process = record.process
    return {
        "index": record.index,
        "retiring": record.retiring,
        "process": process and {name: getattr(process, name) for name in Process.__slots__},
    }


def _replica_from_json(data: Json) -> ReplicaRecord:
    process = data["process"]
    return ReplicaRecord(data["index"], Process(**process) if process else None, data["retiring"])


def _model_to_json(model: ModelRecord) -> Json:
    return {
        "metadata": _metadata(model),
        "deleting": model.deleting,
        "route": [list(pair) for pair in model.route],
        "versions": [_version_to_json(version) for version in model.versions],
    }


def _model_from_json(data: Json) -> ModelRecord:
    return ModelRecord(
        **data["metadata"],
        deleting=data["deleting"],
        route=tuple((number, weight) for number, weight in data["route"]),
        versions=tuple(_version_from_json(version) for version in data["versions"]),
    )


_VERSION_FIELDS = ("number", "digest", "memory", "server", "wanted", "proven", "failed", "ending", "hidden", "reason")


def _version_to_json(version: VersionRecord) -> Json:
    return {
        **{name: getattr(version, name) for name in _VERSION_FIELDS},
        "spec": model_spec_to_json(version.spec),
        "replicas": [[index, str(state)] for index, state in version.replicas],
    }


def _version_from_json(data: Json) -> VersionRecord:
    return VersionRecord(
        **{name: data[name] for name in _VERSION_FIELDS},
        spec=model_spec_from_json(data["spec"]),
        replicas=tuple((index, ReplicaState(state)) for index, state in data["replicas"]),
    )
