"""What the status of a Model's object says, as plain data (docs/seldon.md, "Status: what to believe"). Pure.

It does not say of which generation it is: `observedGeneration` does not exist. Who may believe it when is in `beliefs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.model.live import VersionState

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """A status.

    Attributes:
        state: of the latest version, None when nothing is said. reason: free text.
        available, unavailable: counts of its replicas; absent means none.
    """

    state: VersionState | None = None
    reason: str = ""
    available: int = 0
    unavailable: int = 0


def told_of(found: Json) -> Told:
    """Returns what the status of `found` says.

    In `ModelReady` the message is the state and the reason is the free text. What `Ready` says is used where that is
    missing: while it is True it has no message.
    """
    status = found.get("status") or {}
    ready = condition(found, "ModelReady") or condition(found, "Ready")
    if ready is None:
        return Told()
    available = _count(status.get("availableReplicas"))
    return Told(
        state=_state(str(ready.get("message") or ""), true=ready.get("status") == "True"),
        reason=str(ready.get("reason") or ""),
        available=available,
        unavailable=max(0, _count(status.get("replicas")) - available),
    )


def condition(found: Json, kind: str) -> Json | None:
    """Returns the condition of type `kind`, None when the object has none."""
    conditions = (found.get("status") or {}).get("conditions")
    for one in conditions if isinstance(conditions, list) else ():
        if isinstance(one, Mapping) and one.get("type") == kind:
            return one
    return None


def _state(message: str, *, true: bool) -> VersionState:
    try:
        return VersionState(message)
    except ValueError:
        return VersionState.AVAILABLE if true else VersionState.UNKNOWN


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def ready_since(found: Json) -> float | None:
    """Returns the Unix time of the last change of the condition `ModelReady`, None when it does not say."""
    ready = condition(found, "ModelReady") or condition(found, "Ready")
    return None if ready is None else unix(ready.get("lastTransitionTime"))


def written_at(found: Json) -> float | None:
    """Returns the Unix time of the last write that was none of a status, None when the object does not say.

    `metadata.written` is what `last_written` found there when the object was read.
    """
    return unix(found["metadata"].get("written"))


def last_written(metadata: Json) -> str:
    """Returns the time at which somebody last wrote more than a status, by `metadata.managedFields`; may be empty."""
    times = (
        str(entry.get("time") or "")
        for entry in metadata.get("managedFields") or ()
        if not entry.get("subresource")  # those who write a status say so
    )
    return max(times, default="")


def unix(text: object) -> float | None:
    """Returns a time of the API server as Unix time, None when it is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp() if text else None
    except ValueError:
        return None
