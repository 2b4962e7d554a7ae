"""What Seldon's scheduler would report, put together from objects alone where it does not answer.

`Conditions` remembers from look to look what a single look cannot tell, and gives a `Reported`, so that `view` makes of
it what it makes of the scheduler's own. What is in it was confirmed by nobody: see `beliefs` and `assumed` for the
rules, and docs/kubernetes.md, "Without the scheduler", for what they mean to people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.clusters.kubernetes.assumed import NOWHERE, Host, Room, Slot
from reconciler.clusters.kubernetes.beliefs import UNLOADED_AFTER, Belief, Believed, first_shown, looked
from reconciler.clusters.kubernetes.reported import (
    Reported,
    ReportedModel,
    ReportedReplica,
    ReportedServer,
    ReportedVersion,
)
from reconciler.clusters.kubernetes.server_view import capabilities_of, limit_of, server_configs, server_spec_of
from reconciler.clusters.kubernetes.statuses import Json, condition
from reconciler.clusters.kubernetes.view import Seen, spec_of
from reconciler.model.live import GONE, ReplicaState
from reconciler.model.manifests import ModelSpec

ROOM_SOURCE = "manifests, conditions and StatefulSets"
"""How reports name where room is from."""

LATE = 2.0
"""Seconds by which a status may be late (docs/seldon.md, "Status: what to believe")."""

_Taken = tuple[tuple[Slot, ...], int]
"""Replicas, and the bytes taken on each of them."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A model as of the last look.

    Attributes:
        revision: of the object then. places: per version number, the Server and replicas that it is assumed on.
        taken: what it takes by that.
    """

    revision: str
    belief: Belief
    model: ReportedModel | None = None
    places: Mapping[int, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    taken: tuple[_Taken, ...] = ()


class Conditions:
    """Makes a `Reported` of each look at the objects."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._ghosts: list[tuple[float, _Taken]] = []
        self._ready: dict[str, int] = {}
        self._connected = float("-inf")

    def reported(self, seen: Seen, now: float) -> Reported:
        """Returns what may be taken for the scheduler's report. `now`: Unix time of the look, in seconds.

        A model of which nothing changed is the very same object as at the look before.
        """
        hosts = {host.name: host for host in _hosts(seen)}
        room = Room(hosts)
        self._remember_ready(hosts, now)
        self._remember_gone(seen, now)
        for _, (slots, memory) in self._ghosts:
            room.take(slots, memory)
        known = {name: self._look(name, found, now) for name, found in seen.models.items()}
        retried = now < self._connected + LATE
        self._known = {
            name: _placed(seen.models[name], known[name], room, now, retried=retried) for name in _in_order(known, seen)
        }
        models = {name: one.model for name, one in self._known.items() if one.model is not None}
        return Reported(models, {name: _server(host, room) for name, host in hosts.items()})

    def _remember_ready(self, hosts: Mapping[str, Host], now: float) -> None:
        """A replica that connects has the scheduler try again what it could not place."""
        if any(len(host.ready) > self._ready.get(name, len(host.ready)) for name, host in hosts.items()):
            self._connected = now
        self._ready = {name: len(host.ready) for name, host in hosts.items()}

    def _look(self, name: str, found: Json, now: float) -> _Known:
        revision, known = str(found["metadata"].get("resourceVersion") or ""), self._known.get(name)
        if known is not None and revision and known.revision == revision and now < known.belief.due(now):
            return known
        belief = looked(None if known is None else known.belief, found, spec_of(found), now)
        if known is None or known.belief.uid != belief.uid:
            return _Known(revision, belief)
        return replace(known, revision=revision, belief=belief)

    def _remember_gone(self, seen: Seen, now: float) -> None:
        """What an object that is gone took counts for a while: it goes when its finalizers do, whoever removed them."""
        self._ghosts = [ghost for ghost in self._ghosts if now < ghost[0]]
        for name, known in self._known.items():
            found = seen.models.get(name)
            if found is None or str(found["metadata"].get("uid", "")) != known.belief.uid:
                self._ghosts += [(now + UNLOADED_AFTER, taken) for taken in known.taken]


def _in_order(known: Mapping[str, _Known], seen: Seen) -> list[str]:
    """Returns the names of all models in the order in which they are placed: those placed before first, by age."""

    def rank(name: str) -> tuple[bool, str, str]:
        return not known[name].places, str(seen.models[name]["metadata"].get("creationTimestamp") or ""), name

    return sorted(known, key=rank)


def _placed(found: Json, known: _Known, room: Room, now: float, *, retried: bool) -> _Known:
    """Returns a model with its versions where they are assumed to be, and books what they take.

    Args:
        retried: the scheduler may just be placing what it could not place before.
    """
    deleting = "deletionTimestamp" in found["metadata"]
    versions, places = [], {}
    taken: list[_Taken] = []
    doubts: list[_Taken] = []
    for version in known.belief.versions or first_shown(known.belief, found):
        states = version.replicas(now)
        server, indices = _place(version, states, room, known.places.get(version.number))
        slots = tuple((server, i) for i, state in zip(indices, states, strict=True) if state not in GONE)
        room.take(slots, version.spec.memory or 0)
        taken.append((slots, version.spec.memory or 0))
        doubts += _doubts(version.spec, len(slots), room, server, loaded=_loaded(states))
        versions.append(_reported(version, server, tuple(sorted(zip(indices, states, strict=True)))))
        places[version.number] = (server, indices)
    if known.belief.pending or (retried and known.belief.unplaced):
        doubts += _doubts(known.belief.spec, known.belief.spec.wanted_replicas, room, loaded=False)
    for slots, memory in doubts:
        room.take(slots, memory)
    name, namespace = str(found["metadata"]["name"]), str(found["metadata"].get("namespace") or "")
    model = ReportedModel(name, tuple(versions), namespace, deleting)
    same = known.model if known.model == model else model
    return replace(known, model=same, places=places, taken=(*taken, *doubts))


def _place(
    version: Believed, states: tuple[ReplicaState, ...], room: Room, before: tuple[str, tuple[int, ...]] | None
) -> tuple[str, tuple[int, ...]]:
    """Returns the Server and the replicas that a version is assumed on, an index for each of `states`."""
    if not states:
        return "", ()
    candidates = room.candidates(version.spec, loaded=_loaded(states))
    if not candidates and version.guessed:
        candidates = sorted(room.hosts.values(), key=lambda host: host.name)
    if not candidates:
        return version.spec.server or NOWHERE, tuple(range(len(states)))
    host = next((host for host in candidates if before and host.name == before[0]), candidates[0])
    there = before[1] if before and before[0] == host.name else ()
    return host.name, room.places(host, len(states), version.spec.memory or 0, there)


def _loaded(states: tuple[ReplicaState, ...]) -> bool:
    return ReplicaState.AVAILABLE in states


def _doubts(spec: ModelSpec, count: int, room: Room, besides: str = "", *, loaded: bool) -> list[_Taken]:
    """Returns what `count` replicas would take on each Server that may have them, other than `besides`."""
    others = room.candidates(spec, loaded=loaded) if count else []
    return [
        (tuple((host.name, i) for i in room.places(host, count, spec.memory or 0)), spec.memory or 0)
        for host in others
        if host.name != besides
    ]


def _reported(version: Believed, server: str, replicas: tuple[tuple[int, ReplicaState], ...]) -> ReportedVersion:
    return ReportedVersion(
        number=version.number,
        generation=version.generation,
        server=server,
        state=version.state,
        reason=version.told.reason,
        available=version.told.available,
        unavailable=version.told.unavailable,
        replicas=replicas,
    )


def _server(host: Host, room: Room) -> ReportedServer:
    replicas = tuple(ReportedReplica(i, host.limit, room.free(host, i)) for i in sorted(host.ready))
    return ReportedServer(host.name, host.asked, replicas)


def _hosts(seen: Seen) -> Iterator[Host]:
    offers = {config.name: config.capabilities for config in server_configs(seen.server_configs)}
    for name, found in seen.servers.items():
        spec = server_spec_of(found)
        loaded = (found.get("status") or {}).get("loadedModels")
        yield Host(
            name=name,
            capabilities=capabilities_of(spec, offers),
            limit=limit_of(spec, seen.server_configs.get(spec.server_config)),
            ready=tuple(range(_ready(found, seen.stateful_sets.get(name), spec.wanted_replicas))),
            asked=spec.wanted_replicas,
            loaded=loaded if isinstance(loaded, int) else None,
        )


def _ready(server: Json, stateful_set: Json | None, asked: int) -> int:
    """Returns how many replicas of a Server are ready; which ones nothing tells, so the lowest indices are assumed."""
    if stateful_set is not None:
        return min(asked, int((stateful_set.get("status") or {}).get("readyReplicas") or 0))
    ready = condition(server, "Ready")
    return asked if ready is not None and ready.get("status") == "True" else 0
