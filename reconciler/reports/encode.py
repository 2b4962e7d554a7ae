"""Parts of plans and reports to and from the JSON shapes that both share (schemas/)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.model.manifests import Source
from reconciler.model.plan import Action, ActionKind, Capacity, Decision, Edge, EdgeKind, MemoryUse, Reason, Verb
from reconciler.reports.report import ReportedAction

Json = dict[str, Any]


def iso(moment: float | None) -> str | None:
    """Returns a Unix time as ISO 8601 in UTC, to the millisecond; None stays None."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str | None) -> float | None:
    """Returns the Unix time of `text`. Raises ValueError when it is no ISO 8601 time. Inverse of `iso`."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


def source_json(source: Source | None) -> Json | None:
    """Returns where a manifest stands."""
    return None if source is None else {"file": source.file, "line": source.line}


def decision_json(decision: Decision) -> Json:
    """Returns one decision; its texts must be clean already."""
    return {
        "kind": decision.kind,
        "name": decision.name,
        "verb": decision.verb.value,
        "reason": decision.reason.value,
        "row": decision.row,
        "detail": decision.detail,
        "fixes": list(decision.fixes),
        "failure": decision.failure,
        "source": source_json(decision.source),
    }


def action_json(action: Action | ReportedAction, detail: str) -> Json:
    """Returns one action without what it writes and without its outcome."""
    return {
        "id": action.id,
        "kind": action.kind.value,
        "subject": action.subject,
        "reason": action.reason.value,
        "version": action.digest if isinstance(action, Action) else action.version,
        "number": action.number,
        "detail": detail,
        "after": [{"action": edge.action, "kind": edge.kind.value} for edge in action.after],
        "takes": [_memory_json(use) for use in action.takes],
        "frees": [_memory_json(use) for use in action.frees],
        "timeLimitSeconds": action.time_limit,
        "source": source_json(action.source),
    }


def capacity_json(capacity: Capacity) -> Json:
    """Returns the bytes of one server replica."""
    return {
        "server": capacity.server,
        "replica": capacity.replica,
        "limitBytes": capacity.limit,
        "beforeBytes": capacity.before,
        "peakBytes": capacity.peak,
        "afterBytes": capacity.after,
    }


def decision_from_json(data: Mapping[str, Any]) -> Decision:
    """Inverse of `decision_json`. Raises KeyError, TypeError or ValueError for another shape."""
    return Decision(
        kind=data["kind"],
        name=data["name"],
        verb=Verb(data["verb"]),
        reason=Reason(data["reason"]),
        row=data["row"],
        detail=data["detail"],
        fixes=tuple(data["fixes"]),
        failure=data["failure"],
        source=source_from_json(data["source"]),
    )


def action_fields(data: Mapping[str, Any]) -> Json:
    """Returns the fields of a `ReportedAction` but its outcome. Raises as `decision_from_json`."""
    return {
        "id": data["id"],
        "kind": ActionKind(data["kind"]),
        "subject": data["subject"],
        "reason": Reason(data["reason"]),
        "version": data["version"],
        "number": data["number"],
        "detail": data["detail"],
        "after": tuple(Edge(edge["action"], EdgeKind(edge["kind"])) for edge in data["after"]),
        "takes": tuple(_memory(use) for use in data["takes"]),
        "frees": tuple(_memory(use) for use in data["frees"]),
        "time_limit": data["timeLimitSeconds"],
        "source": source_from_json(data["source"]),
    }


def capacity_from_json(data: Mapping[str, Any]) -> Capacity:
    """Inverse of `capacity_json`. Raises as `decision_from_json`."""
    bytes_of = (data[f"{name}Bytes"] for name in ("limit", "before", "peak", "after"))
    return Capacity(data["server"], data["replica"], *bytes_of)


def source_from_json(data: Mapping[str, Any] | None) -> Source | None:
    """Inverse of `source_json`. Raises as `decision_from_json`."""
    return None if data is None else Source(data["file"], data["line"])


def _memory_json(use: MemoryUse) -> Json:
    return {"server": use.server, "replicas": use.replicas, "bytes": use.amount}


def _memory(data: Mapping[str, Any]) -> MemoryUse:
    return MemoryUse(data["server"], data["replicas"], data["bytes"])
