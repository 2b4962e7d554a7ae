"""What a change of a Server's pods does to the models on it (docs/seldon.md, "Servers").

On Seldon the pods restart one after the other. What is on a replica moves elsewhere first if it fits there; if it does
not, it is off the air until the pod is back: a one-replica Server restarts with downtime.
"""

from __future__ import annotations

import dataclasses

from reconciler.model.live import LiveServer, LiveState, LiveVersion, VersionState
from reconciler.model.manifests import ServerSpec

_WAITING = (VersionState.FAILED, VersionState.SCHEDULE_FAILED)


def restarts(live: ServerSpec, wanted: ServerSpec) -> bool:
    """Returns whether going from `live` to `wanted` changes the pods, and not only how many there are."""
    same_size = dataclasses.replace(
        wanted, replicas=live.replicas, min_replicas=live.min_replicas, max_replicas=live.max_replicas
    )
    return same_size != live


def off_the_air_meanwhile(server: LiveServer, live: LiveState) -> list[str]:
    """Returns the models on one replica only that would find no room on the others while theirs restarts, sorted."""
    found: set[str] = set()
    for replica in server.replicas:
        here = _on(server.name, replica.index, live)
        demand = sum(version.memory for _, version in here) + may_come_back(server, live)
        others = [other.room for other in server.replicas if other.ready and other.index != replica.index]
        if max(others, default=-1) < demand:
            found |= {name for name, version in here if version.occupied == (replica.index,)}
    return sorted(found)


def may_come_back(server: LiveServer, live: LiveState) -> int:
    """Returns the bytes that versions which failed or wait may take when the scheduler tries them again by itself.

    It does when a replica connects or drains, at the very moment when others look for a place.
    """
    waiting = 0
    for model in live.models:
        version = model.live_version
        asked = version is not None and version.state in _WAITING and model.spec.server in (None, server.name)
        if version is not None and asked and model.spec.needs <= server.capabilities:
            waiting += model.spec.memory or version.memory
    return waiting


def _on(server: str, index: int, live: LiveState) -> list[tuple[str, LiveVersion]]:
    return [
        (model.name, version)
        for model in live.models
        for version in model.versions
        if version.server == server and index in version.occupied
    ]
