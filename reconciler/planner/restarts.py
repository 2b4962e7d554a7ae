"""What a change of a Server's pods does to the models on it (docs/seldon.md, "Servers").

On Seldon the pods restart one after the other. What is on a replica moves elsewhere first if it fits there; if it does
not, it is off the air until the pod is back: a one-replica Server restarts with downtime.
"""

from __future__ import annotations

import dataclasses

from reconciler.health import serving_version
from reconciler.model.live import LiveModel, LiveReplica, LiveServer, LiveState, LiveVersion, VersionState
from reconciler.model.manifests import ServerSpec

_WAITING = (VersionState.FAILED, VersionState.SCHEDULE_FAILED)


def restarts(live: ServerSpec, wanted: ServerSpec) -> bool:
    """Returns whether going from `live` to `wanted` changes the pods, and not only how many there are."""
    same_size = dataclasses.replace(
        wanted, replicas=live.replicas, min_replicas=live.min_replicas, max_replicas=live.max_replicas
    )
    return same_size != live


def off_the_air_meanwhile(server: LiveServer, wanted: ServerSpec, live: LiveState) -> list[str]:
    """Returns the models that might not answer while a replica of theirs restarts, sorted.

    A model needs as many replicas beside that one as it asks for, with room for all that may come there. With fewer it
    keeps those it has, unless it has none, or another Server can take all of it: it moves there as a new version. An
    older version that serves, as its successor failed, is not placed again, and loses its route with the first replica.
    """
    found = set(served_by_an_older_version(server, live))
    size = wanted.wanted_replicas
    going = sum(v.memory for r in server.replicas if r.index >= size for _, v in _on(server.name, r.index, live))
    for replica in server.replicas:
        here = _on(server.name, replica.index, live)
        demand = sum(version.memory for _, version in here) + going + may_come_back(server, live)
        others = [r for r in server.replicas if r.ready and r.index != replica.index and r.index < size]
        for model, version in here:
            keeps = sum(other.index in version.occupied or _left(other, wanted) >= demand for other in others)
            keeps = keeps if moves(model.name, version, live) else 0
            alone = version.occupied == (replica.index,)
            if keeps < max(version.wanted, 1) and (alone or _may_move(model, server, live)):
                found.add(model.name)
    return sorted(found)


def _left(replica: LiveReplica, wanted: ServerSpec) -> int:
    """Returns the room of a replica, in bytes; those that restart first have the new size when the next one does."""
    return replica.room + min(0, wanted.limit - replica.limit)


def served_by_an_older_version(server: LiveServer, live: LiveState) -> list[str]:
    """Returns the models on `server` that answer by a version which is not the live one, sorted."""
    older = [(model, serving_version(model)) for model in live.models]
    return sorted(
        model.name
        for model, serving in older
        if serving is not None and serving.server == server.name and serving != model.live_version
    )


def _may_move(model: LiveModel, server: LiveServer, live: LiveState) -> bool:
    others = [other for other in live.servers if other.name != server.name and not other.deleting]
    return model.spec.server is None and any(model.spec.needs <= other.capabilities for other in others)


def moves(model: str, version: LiveVersion, live: LiveState) -> bool:
    """Returns whether the scheduler places `version` elsewhere when it loses a replica: only the live version is."""
    found = live.model(model)
    return found is not None and found.live_version == version


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


def _on(server: str, index: int, live: LiveState) -> list[tuple[LiveModel, LiveVersion]]:
    return [
        (model, version)
        for model in live.models
        for version in model.versions
        if version.server == server and index in version.occupied
    ]
