"""Shows a live state: `reconciler status` as text and as JSON. Formats only."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from reconciler import health
from reconciler.model.carried import LiveCarried
from reconciler.model.live import LiveModel, LiveServer, LiveState, LiveVersion
from reconciler.model.quantity import format_bytes


def print_live(live: LiveState, console: Console) -> None:
    """Prints servers, models, and what is carried along: one line for each server replica and each of the others."""
    if live.unverified:
        console.print(f"Unverified: {live.unverified}\n", soft_wrap=True)
    if not live.servers and not live.models:
        console.print("The cluster is empty: no servers, no models.")
        return
    servers = _table("SERVER", "REPLICA", "READY", "ROOM", "OF", "OWNER")
    for server in live.servers:
        for replica in server.replicas:
            ready = "yes" if replica.ready else "no"
            room, limit = format_bytes(replica.room), format_bytes(replica.limit)
            servers.add_row(server.name, str(replica.index), ready, room, limit, server.instance or "nobody")
    models = _table("MODEL", "ANSWERING", "ARTIFACT", "REPLICAS", "SERVER", "STATE", "OWNER")
    for model in live.models:
        models.add_row(*_model_row(model))
    console.print(servers)
    if live.room_source:
        console.print(f"Room as told by {live.room_source}.")
    console.print()
    console.print(models)
    if live.carried:
        console.print()
        console.print(_carried_table(live))
    for trouble in filter(None, map(_trouble, live.models)):
        console.print(trouble)


def live_json(live: LiveState) -> dict[str, Any]:
    """Returns the same as plain data for JSON; bytes are numbers."""
    return {
        "servers": [_server_json(server) for server in live.servers],
        "models": [_model_json(m) for m in live.models],
        "unverified": live.unverified,
        "roomSource": live.room_source,
        "pipelines": [_carried_json(pipeline) for pipeline in live.pipelines],
        "experiments": [_carried_json(experiment) for experiment in live.experiments],
    }


def _carried_table(live: LiveState) -> Table:
    table = _table("KIND", "NAME", "NAMES", "STATE", "OWNER")
    for item in live.carried:
        named = ", ".join((*item.spec.models, *item.spec.pipelines))
        table.add_row(item.kind, item.name, named, _readiness(item), item.instance or "nobody")
    return table


def _readiness(item: LiveCarried) -> str:
    if item.deleting:
        return "being deleted"
    if item.ready is None:
        return "not told"
    return "ready" if item.ready else f"not ready{f': {item.message}' if item.message else ''}"


def _carried_json(item: LiveCarried) -> dict[str, Any]:
    return {
        "name": item.name,
        "instance": item.instance,
        "models": list(item.spec.models),
        "pipelines": list(item.spec.pipelines),
        "ready": item.ready,
        "message": item.message or None,
        "deleting": item.deleting,
    }


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in ("ROOM", "OF") else "left", overflow="fold")
    return table


def _model_row(model: LiveModel) -> tuple[str, ...]:
    serving, live = health.serving_version(model), model.live_version
    counted = serving or live
    return (
        model.name,
        f"version {serving.number}" if serving else "none",
        _artifact(model, serving),
        f"{counted.available}/{counted.wanted}" if counted else "0/0",
        (counted.server if counted else "") or "none",
        _state(model),
        model.instance or "nobody",
    )


def _artifact(model: LiveModel, serving: LiveVersion | None) -> str:
    """What the answering version was loaded from; only the live version's is known."""
    if serving is None:
        return "none"
    return model.spec.storage_uri if serving is model.live_version else "an earlier one"


def _trouble(model: LiveModel) -> str:
    """Why the live version does not serve, if it is known; empty if it does."""
    live = model.live_version
    if live is None or live is health.serving_version(model) or not live.reason:
        return ""
    return f"{model.name} version {live.number} ({model.spec.storage_uri}): {live.reason}"


def _state(model: LiveModel) -> str:
    live, serving = model.live_version, health.serving_version(model)
    if model.deleting:
        return "being deleted"
    if live is None:
        return "no version"
    return str(live.state) if serving is live else f"version {live.number}: {live.state}"


def _server_json(server: LiveServer) -> dict[str, Any]:
    replicas = [
        {"index": replica.index, "ready": replica.ready, "limit": replica.limit, "room": replica.room}
        for replica in server.replicas
    ]
    return {"name": server.name, "instance": server.instance, "replicas": replicas}


def _model_json(model: LiveModel) -> dict[str, Any]:
    serving = health.serving_version(model)
    versions = [
        {
            "number": version.number,
            "digest": version.digest,
            "state": str(version.state),
            "server": version.server or None,
            "wanted": version.wanted,
            "available": version.available,
            "memory": version.memory,
            "inFlight": version.in_flight,
            "reason": version.reason or None,
        }
        for version in model.versions
    ]
    return {
        "name": model.name,
        "instance": model.instance,
        "storageUri": model.spec.storage_uri,
        "servingVersion": serving.number if serving else None,
        "deleting": model.deleting,
        "route": [{"version": number, "weight": weight} for number, weight in model.route],
        "versions": versions,
    }
