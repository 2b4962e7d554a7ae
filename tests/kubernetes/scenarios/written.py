"""Scenarios that nobody recorded: Servers whose replicas have 1M, and what is applied there before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.kubernetes.faults import Asked
from tests.recordings.recording import Recording, parse_recording

Json = dict[str, Any]

WRITES = ("POST", "PUT", "PATCH", "DELETE")


def recording(servers: int | Json, before: Json, after: Json) -> Recording:
    """Returns one with so many server replicas, or with these Servers; all are specs by name."""
    setup = _objects(server(servers) if isinstance(servers, int) else servers)
    document = {"memory": 1_000_000, "servers": setup, "setup": [{"apply": _objects(before)}]}
    return parse_recording({**document, "steps": [{"do": [{"apply": _objects(after)}], "seconds": 1}]})


def _objects(specs: Mapping[str, Json]) -> list[Json]:
    kinds = {name: "Server" if "serverConfig" in spec else "Model" for name, spec in specs.items()}
    return [{"kind": kinds[name], "name": name, "spec": spec} for name, spec in specs.items()]


def server(replicas: int, name: str = "mlserver") -> Json:
    """Returns a Server of a fixed size, by name."""
    return {name: {"serverConfig": "mlserver", "replicas": replicas, "minReplicas": replicas}}


def model(name: str, artifact: str, memory: str, replicas: int = 1) -> Json:
    """Returns a Model, by name."""
    spec = {"storageUri": f"artifacts/{artifact}", "requirements": ["sklearn"], "memory": memory, "replicas": replicas}
    return {name: spec}


def writes(asked: Asked) -> bool:
    """Returns whether a request writes to one of Seldon's objects."""
    return asked.method in WRITES and "/mlops.seldon.io/" in asked.path and "dryRun" not in asked.query
