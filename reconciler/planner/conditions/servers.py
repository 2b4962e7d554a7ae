"""Servers: what stands in the way of an action, and how far it is. Pure; asked through the package."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.model.codec import server_policy
from reconciler.model.live import LiveModel, LiveServer, LiveState, LiveVersion
from reconciler.model.manifests import PREFIX, ServerSpec
from reconciler.model.plan import Action, ActionKind
from reconciler.model.quantity import format_bytes
from reconciler.planner.conditions.answers import Obstacle, Patience, Progress, Stage, being_deleted, counted, gone
from reconciler.planner.conditions.metadata import not_ours, same_metadata
from reconciler.planner.conditions.models import matches
from reconciler.planner.restarts import off_the_air_meanwhile, restarts


def _may_write_server(action: Action, live: LiveState, server: LiveServer | None) -> Obstacle | None:
    if server is None:
        missing = action.kind is not ActionKind.CREATE_SERVER
        return Obstacle(f"there is no server {action.subject} on the cluster any more") if missing else None
    if server.deleting:
        return being_deleted()
    if action.server is None:
        return None
    spec = action.server.spec
    return _overfull(server, spec) or _displaced(live, server, spec) or _restarted(live, server, spec)


def _restarted(live: LiveState, server: LiveServer, spec: ServerSpec) -> Obstacle | None:
    """Pods that change restart one after the other, on Seldon; what finds no other place is off the air meanwhile."""
    if live.traits.commands_traffic or not restarts(server.spec, spec):
        return None
    names = off_the_air_meanwhile(server, spec, live)
    return (
        Obstacle(f"{', '.join(names)} would be off the air while its pod restarts", Patience.BRIEF) if names else None
    )


def _overfull(server: LiveServer, spec: ServerSpec) -> Obstacle | None:
    for replica in server.replicas:
        scheduled = replica.limit - replica.room
        if spec.limit < replica.limit and scheduled > spec.limit:
            has = f"{server.name}/{replica.index} has {format_bytes(scheduled)} scheduled"
            return Obstacle(f"{has}, more than its new limit {format_bytes(spec.limit)}", Patience.BRIEF)
    return None


def _displaced(live: LiveState, server: LiveServer, spec: ServerSpec) -> Obstacle | None:
    """Returns the first version that would be left without a place if `server` had only `spec.replicas` replicas."""
    if spec.replicas is None or spec.replicas >= len(server.replicas):
        return None
    room = {(s.name, r.index): r.room for s in live.servers for r in s.replicas if r.ready and not s.deleting}
    room = {place: free for place, free in room.items() if place[0] != server.name or place[1] < (spec.replicas or 0)}
    for model, version in _versions_on(live, server.name):
        lost = [index for index in version.occupied if index >= spec.replicas]
        if lost and not (_place(room, version, server.name, len(lost)) or _move(room, live, model, version)):
            return Obstacle(f"version {version.number} of {model.name} would be left without a place", Patience.BRIEF)
    return None


def _place(room: dict[tuple[str, int], int], version: LiveVersion, server: str, count: int) -> bool:
    held = version.occupied if version.server == server else ()
    places = [p for p, free in room.items() if p[0] == server and p[1] not in held and free >= version.memory]
    for place in places[:count]:
        room[place] -= version.memory
    return len(places) >= count


def _move(room: dict[tuple[str, int], int], live: LiveState, model: LiveModel, version: LiveVersion) -> bool:
    others = (s for s in live.servers if s.name != version.server and matches(s, model.spec))
    return any(_place(room, version, other.name, max(version.wanted, 1)) for other in others)


def _versions_on(live: LiveState, server: str) -> Iterator[tuple[LiveModel, LiveVersion]]:
    return ((m, v) for m in live.models for v in m.versions if v.server == server and v.occupied)


def _may_delete_server(action: Action, live: LiveState, server: LiveServer | None) -> Obstacle | None:
    if server is None or server.deleting:
        return None
    if (found := not_ours(server)) is not None:
        return found
    if not server_policy(dict(server.annotations))[0].prune:
        return Obstacle(f"{server.name} is protected by its annotation {PREFIX}prune")
    names = sorted({model.name for model, _ in _versions_on(live, server.name)})
    return Obstacle(f"it still holds {', '.join(names)}", Patience.BRIEF) if names else None


_ServerCheck = Callable[[Action, LiveState, LiveServer | None], Obstacle | None]
CHECKS: Mapping[ActionKind, _ServerCheck] = {
    ActionKind.CREATE_SERVER: _may_write_server,
    ActionKind.UPDATE_SERVER: _may_write_server,
    ActionKind.SHRINK_SERVER: _may_write_server,
    ActionKind.DELETE_SERVER: _may_delete_server,
}


def _server_progress(action: Action, server: LiveServer | None) -> Progress:
    if server is None or action.server is None or not _same_server(server, action):
        return Progress(Stage.PENDING, "not taken in yet")
    wanted = action.server.spec.wanted_replicas if action.server.spec.replicas is not None else len(server.replicas)
    ready = sum(replica.ready for replica in server.replicas)
    detail = f"{ready} of {counted(wanted, 'replica')} ready"
    return Progress(Stage.DONE if ready == len(server.replicas) == wanted else Stage.PENDING, detail)


def _same_server(server: LiveServer, action: Action) -> bool:
    if action.server is None:
        return False
    wanted, found = action.server.spec, server.spec
    fields = ["server_config", "min_replicas", "max_replicas", "capabilities", "memory", "overcommit_percent"]
    fields += ["extra_capabilities"] + (["replicas"] if wanted.replicas is not None else [])
    same = all(getattr(wanted, field) == getattr(found, field) for field in fields)
    return same and _contained(json.loads(wanted.rest), json.loads(found.rest)) and same_metadata(server, action)


def _contained(wanted: Any, found: Any) -> bool:
    """Returns whether `found` says all that `wanted` says; a cluster may fill in defaults of its own."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(key in found and _contained(value, found[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_contained, wanted, found))
    return bool(wanted == found)


def _no_server_progress(action: Action, server: LiveServer | None) -> Progress:
    return gone(server is None)


PROGRESS: Mapping[ActionKind, Callable[[Action, LiveServer | None], Progress]] = {
    ActionKind.CREATE_SERVER: _server_progress,
    ActionKind.UPDATE_SERVER: _server_progress,
    ActionKind.SHRINK_SERVER: _server_progress,
    ActionKind.DELETE_SERVER: _no_server_progress,
}
