"""Where a version goes: pure placement by the rules of Seldon's scheduler (docs/seldon.md, "Capacity").

A Server matches if it offers everything a model needs; a replica of it, if it is ready and has room. Replicas are taken
by most room, then lowest index. All wanted replicas or none, unless `minReplicas` is above 0. Unlike Seldon, what
cannot be placed is refused before anything is written, and Servers are not chosen at random: most room, then name.
"""

from __future__ import annotations

from collections.abc import Collection

from reconciler.clusters.local.records import ReplicaKey, ServerRecord, State, VersionRecord
from reconciler.errors import ActionRefused
from reconciler.model.live import ReplicaState
from reconciler.model.manifests import ModelSpec
from reconciler.model.quantity import format_bytes

Installed = frozenset[str]
"""The capabilities of the inference server installed here."""


def offered(server: ServerRecord, installed: Installed) -> frozenset[str]:
    """Returns what `server` really offers: of its capabilities those installed here, and its extra ones."""
    own = server.spec.capabilities
    base = installed if own is None else installed & frozenset(own)
    return base | frozenset(server.spec.extra_capabilities)


def room(state: State, key: ReplicaKey) -> int:
    """Returns the bytes that can still be placed on a replica; below 0 after its limit was lowered."""
    taken = sum(
        version.memory
        for model in state.models.values()
        for version in model.versions
        if version.server == key.server and key.index in version.occupied
    )
    return state.servers[key.server].spec.limit - taken


def usable(state: State, up: Collection[ReplicaKey], server: ServerRecord) -> list[int]:
    """Returns the indices of the replicas of `server` that take new versions."""
    if server.deleting:
        return []
    return [r.index for r in server.replicas if not r.retiring and ReplicaKey(server.name, r.index) in up]


def by_preference(state: State, server: str, indices: Collection[int]) -> list[int]:
    """Returns `indices` in the order in which replicas are taken."""
    return sorted(indices, key=lambda index: (-room(state, ReplicaKey(server, index)), index))


def place(
    state: State, up: Collection[ReplicaKey], installed: Installed, spec: ModelSpec, memory: int
) -> tuple[str, tuple[int, ...]]:
    """Returns the Server and replica indices on which a new version goes.

    Args:
        up: the replicas whose process answers. memory: bytes the version takes on each replica.

    Raises:
        ActionRefused: no Server can take it; says what each of them lacks.
    """
    candidates = _servers(state, installed, spec)
    fitting = {server.name: _with_room(state, up, server, memory) for server in candidates}
    wanted = spec.wanted_replicas
    if wanted < 1:
        raise ActionRefused(
            "the model asks for no replica", why="nothing would answer", fix="set spec.replicas to 1 or more"
        )
    for enough in (wanted, spec.min_replicas or wanted):
        full = [(name, indices) for name, indices in fitting.items() if len(indices) >= enough]
        if full:
            name, indices = min(full, key=lambda pair: (-_total_room(state, *pair), pair[0]))
            return name, tuple(sorted(indices[:wanted]))
    raise _no_room(state, up, candidates, wanted, memory)


def place_more(state: State, up: Collection[ReplicaKey], version: VersionRecord, count: int) -> tuple[int, ...]:
    """Returns `count` further replica indices of its Server for a version already placed.

    Raises:
        ActionRefused: fewer replicas have room.
    """
    server = state.servers[version.server]
    free = [index for index in _with_room(state, up, server, version.memory) if index not in version.occupied]
    if len(free) < count:
        raise _no_room(state, up, [server], count, version.memory)
    return tuple(free[:count])


def surplus(state: State, version: VersionRecord, keep: int) -> tuple[int, ...]:
    """Returns the replica indices that a version gives up to be left with `keep`: those with the least room."""
    ready = [i for i, s in version.replicas if s is ReplicaState.AVAILABLE]
    rest = [i for i in version.occupied if i not in ready]
    order = by_preference(state, version.server, ready) + by_preference(state, version.server, rest)
    return tuple(order[keep:])


def _servers(state: State, installed: Installed, spec: ModelSpec) -> list[ServerRecord]:
    servers = sorted(state.servers.values(), key=lambda server: server.name)
    named = [s for s in servers if spec.server in (None, s.name) and not s.deleting]
    matching = [s for s in named if spec.needs <= offered(s, installed)]
    if matching:
        return matching
    if not named:
        why = f"there is no Server {spec.server!r}" if spec.server else "there is no Server"
        raise ActionRefused("no Server can take the model", why=why, fix="add a Server manifest or another spec.server")
    lacks = "; ".join(f"{s.name} lacks {', '.join(sorted(spec.needs - offered(s, installed)))}" for s in named)
    raise ActionRefused(
        "no Server can take the model", why=lacks, fix="change spec.requirements, or install the runtime"
    )


def _with_room(state: State, up: Collection[ReplicaKey], server: ServerRecord, memory: int) -> list[int]:
    order = by_preference(state, server.name, usable(state, up, server))
    return [index for index in order if room(state, ReplicaKey(server.name, index)) >= memory]


def _total_room(state: State, server: str, indices: Collection[int]) -> int:
    return sum(room(state, ReplicaKey(server, index)) for index in indices)


def _no_room(
    state: State, up: Collection[ReplicaKey], servers: list[ServerRecord], wanted: int, memory: int
) -> ActionRefused:
    seen = []
    for server in servers:
        rooms = [room(state, ReplicaKey(server.name, index)) for index in usable(state, up, server)]
        texts = ", ".join(format_bytes(free) for free in rooms) or "no replica is ready"
        seen.append(f"{server.name}: {texts}")
    return ActionRefused(
        f"not enough room for {wanted} x {format_bytes(memory)}",
        why="room per replica: " + "; ".join(seen),
        fix="lower spec.memory or spec.replicas, or give the Server more",
    )
