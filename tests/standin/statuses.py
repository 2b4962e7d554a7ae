"""Status as Seldon writes it, from the simulated cluster's words and back into them (docs/seldon.md, "The objects").

    simulated   {"ModelReady": ["False", "ModelFailed", "why"], "replicas": 1}      status, message, reason
    API         {"conditions": [{"type": "ModelReady", "status": "False", "message": "ModelFailed", "reason": "why",
                                 "lastTransitionTime": ...}], "replicas": 1}

Empty texts are left out, `observedGeneration` is never written.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.standin.api import Json

COUNTS = ("replicas", "availableReplicas", "loadedModels")


def to_api(status: Mapping[str, object], before: Mapping[str, Json], now: str) -> tuple[Json, dict[str, Json]]:
    """Returns a merge patch of the whole status, and the conditions by type.

    Args:
        before: the conditions by type as written last; `now` is the time of those whose status differs since.
    """
    conditions: dict[str, Json] = {}
    for name, value in sorted(status.items()):
        if isinstance(value, list):
            conditions[name] = _condition(name, value, before.get(name), now)
    counts = {name: status.get(name) for name in COUNTS}
    return {"status": {"conditions": list(conditions.values()), **counts}}, conditions


def _condition(name: str, value: list[str], before: Json | None, now: str) -> Json:
    state, message, reason = value
    since = before["lastTransitionTime"] if before is not None and before["status"] == state else now
    texts = {"message": message, "reason": reason}
    return {"type": name, "status": state, "lastTransitionTime": since, **{n: t for n, t in texts.items() if t}}


def from_api(found: Json) -> Json:
    """Returns an object of the API server in the words of the recordings (tests/recorded/README.md)."""
    metadata, status = found["metadata"], found.get("status") or {}
    told: Json = {"generation": metadata["generation"]}
    for one in status.get("conditions") or ():
        told[one["type"]] = [one["status"], one.get("message", ""), one.get("reason", "")]
    told |= {name: status[name] for name in COUNTS if name in status}
    if "deletionTimestamp" in metadata:
        told["deleting"] = True
    if found["kind"] == "Server":
        told["spec.replicas"] = found["spec"].get("replicas", 1)
    return told
