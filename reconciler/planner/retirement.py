"""Servers that lose something or go: only after the models on them have moved or gone, and only if all of them fit.

What happens to a model on a replica that goes is the cluster's doing (docs/seldon.md, "Servers": it is placed elsewhere
first *if it fits*, else it goes off the air for good), so the plan makes sure beforehand that it fits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Set

from reconciler.model.live import LiveServer, LiveState, LiveVersion
from reconciler.model.manifests import ServerSpec
from reconciler.model.plan import Action, ActionKind, Decision, Edge, EdgeKind, Reason, Verb
from reconciler.model.quantity import format_bytes
from reconciler.planner.ordering import Arrangement
from reconciler.planner.restarts import (
    may_come_back,
    moves,
    off_the_air_meanwhile,
    restarts,
    served_by_an_older_version,
)
from reconciler.planner.servers import ServerVerdict

Stay = tuple[str, LiveVersion]
"""A model's name and a version of it that stays loaded after the plan."""


def retire(verdict: ServerVerdict, live: LiveState, arrangement: Arrangement) -> tuple[Decision, Action | None]:
    """Returns the decision about a server that loses something (`verdict.late`), and the action if it may."""
    action, server = verdict.late, live.server(verdict.decision.name)
    assert action is not None
    assert action.server is not None
    assert server is not None
    if _changes_first(server.name, arrangement):
        detail = "models of this plan change on it first; the next pass decides"
        return dataclasses.replace(verdict.decision, verb=Verb.WAIT, reason=Reason.IN_USE, detail=detail), None
    staying, edges = stays(server, live, arrangement, released_by(arrangement))
    if staying and not live.traits.commands_traffic and _moving(server, action):
        detail = "some of its replicas are starting or draining; the next pass decides"
        return dataclasses.replace(verdict.decision, verb=Verb.WAIT, reason=Reason.STARTING, detail=detail), None
    if action.kind is ActionKind.DELETE_SERVER:
        problem = _in_use(staying)
    else:
        problem = _lost(server, action.server.spec, staying, live, _freed(server, arrangement))
    fixes: tuple[str, ...] = ("remove or move these models first",)
    if not problem and (problem := _restarted(server, action.server.spec, live)):
        fixes = (_way_round(server, live), *fixes)
    if problem:
        blocked = dataclasses.replace(verdict.decision, reason=Reason.IN_USE, detail=problem, fixes=fixes)
        verb = Verb.REFUSED if action.kind is ActionKind.DELETE_SERVER else Verb.BLOCKED
        return dataclasses.replace(blocked, verb=verb), None
    return verdict.decision, dataclasses.replace(action, after=tuple(sorted(edges)))


def stranded(server: LiveServer, size: int, live: LiveState) -> tuple[str, ...]:
    """Names the models of which something may find no place on `server` if only its first `size` replicas were left.

    By the same worst case as a shrink of ours: whatever is moved first, and what waits may come back at that moment.
    But what finds no place in any case takes none from others.
    """
    staying = [(m.name, v) for m in live.models for v in m.versions if v.server == server.name and v.occupied]
    back = 0 if live.traits.commands_traffic else may_come_back(server, live)
    room = {r.index: r.room - back for r in server.replicas if r.index < size and r.ready}
    latest = {m.name: m.live_version for m in live.models}
    stuck = set() if live.traits.commands_traffic else {name for name, v in staying if latest[name] != v}
    demand = dict.fromkeys(sorted(room), 0)
    for _, version in staying:
        for index in room if any(index >= size for index in version.occupied) else ():
            demand[index] += version.memory if index not in version.occupied and version.memory <= room[index] else 0
    return tuple(_stranded(size, staying, room, stuck, demand))


def _moving(server: LiveServer, action: Action) -> bool:
    """Whether a replica that is to stay is on its way: what is on the others has nowhere to go meanwhile.

    A deletion is refused anyway while anything is on the server.
    """
    if action.server is None or action.kind is ActionKind.DELETE_SERVER:
        return False
    return any(not r.ready and r.index < action.server.spec.wanted_replicas for r in server.replicas)


def _changes_first(server: str, arrangement: Arrangement) -> bool:
    """Whether this plan may place something on `server`, or takes replicas of a model off it that it cannot name."""
    if any(replica[0] == server for reach in arrangement.reach.values() for replica in reach):
        return True
    actions = [action for unit in arrangement.placed for action in unit.actions if action.kind is ActionKind.CHANGE]
    return any(use.server == server for action in actions for use in action.frees)


def stays(
    server: LiveServer, live: LiveState, arrangement: Arrangement, released: set[tuple[str, str]]
) -> tuple[list[Stay], set[Edge]]:
    """Returns the versions that stay on `server`, and edges to the actions that take the others off it."""
    leaving: dict[tuple[str, int], str] = {}
    for unit in arrangement.placed:
        for action in unit.actions:
            if (action.id, server.name) not in released:
                continue
            model = live.model(action.subject)
            numbers = [v.number for v in model.versions] if model else []
            whole = action.kind is not ActionKind.UNLOAD
            for number in numbers if whole else [action.number or 0]:
                leaving[action.subject, number] = action.id
    staying: list[Stay] = []
    for model in live.models:
        for version in model.versions:
            if version.server == server.name and version.occupied and (model.name, version.number) not in leaving:
                staying.append((model.name, version))
    edges = {Edge(action, EdgeKind.SERVER) for (_, _), action in leaving.items()}
    return staying, edges


def moved(action: Action, live: LiveState, arrangement: Arrangement) -> dict[int, int]:
    """Returns, for each replica that stays when `action` shrinks its server, the bytes that may come to it at most."""
    server = live.server(action.subject)
    if server is None or action.server is None or action.kind is not ActionKind.SHRINK_SERVER:
        return {}
    wanted = action.server.spec.wanted_replicas
    staying, _ = stays(server, live, arrangement, released_by(arrangement))
    return _demand(wanted, staying, {r.index for r in server.replicas if r.index < wanted})


def released_by(arrangement: Arrangement) -> set[tuple[str, str]]:
    """Returns the (action, server) pairs of everything that is taken off a server."""
    return {(release.action, release.server) for unit in arrangement.placed for release in unit.releases}


def _in_use(stays: Iterable[Stay]) -> str:
    names = sorted({name for name, _ in stays})
    return f"{_some(names)} would be stranded" if names else ""


def _freed(server: LiveServer, arrangement: Arrangement) -> dict[int, int]:
    """Bytes that this plan frees on each replica of `server` before it loses anything."""
    freed: dict[int, int] = {}
    for unit in arrangement.placed:
        for release in unit.releases:
            for index in release.replicas if release.server == server.name else ():
                freed[index] = freed.get(index, 0) + release.amount
    return freed


def _lost(server: LiveServer, spec: ServerSpec, stays: list[Stay], live: LiveState, freed: dict[int, int]) -> str:
    """What would not fit any more on what is left of `server`, empty if everything does."""
    left = [replica for replica in server.replicas if replica.index < spec.wanted_replicas]
    # What more memory gives is not there yet when models have to move.
    room = {r.index: r.room + freed.get(r.index, 0) + min(0, spec.limit - r.limit) for r in left}
    loading = sorted({name for name, version in stays if version.loading})
    if loading:
        return f"a load of {_some(loading)} is in flight on it"
    small = {r.index for r in left if room[r.index] < 0 and spec.limit < r.limit}
    if small:
        crowded = sorted({name for name, v in stays if small & set(v.occupied)})
        what = _some(crowded) if crowded else "room that its scheduler counts as taken"
        return f"its replicas would be too small ({format_bytes(spec.limit)}) for what is on them ({what})"
    offered = _offered(server, spec)
    specs = {model.name: model.spec for model in live.models}
    unserved = sorted({name for name, _ in stays if not specs[name].needs <= offered})
    if unserved:
        return f"{_some(unserved)} requires what it would no longer offer"
    drains = not live.traits.commands_traffic and spec.wanted_replicas < len(server.replicas)
    back = may_come_back(server, live) if drains else 0
    stuck = {name for name, v in stays if drains and not moves(name, v, live)}
    return _displaced(spec, stays, {index: left_over - back for index, left_over in room.items()}, stuck)


def _restarted(server: LiveServer, spec: ServerSpec, live: LiveState) -> str:
    if live.traits.commands_traffic or not restarts(server.spec, spec):
        return ""
    names = off_the_air_meanwhile(server, spec, live)
    return f"its pods restart one after the other, and {_some(names)} would be off the air meanwhile" if names else ""


def _way_round(server: LiveServer, live: LiveState) -> str:
    older = served_by_an_older_version(server, live)
    if older:
        return f"mend the failed version of {_some(older)} first, or take it back in Git"
    more = len(server.replicas) + 1
    return f"scale Server {server.name} to {more} replicas first, so that they find room meanwhile"


def _offered(server: LiveServer, spec: ServerSpec) -> frozenset[str]:
    """What `server` will offer: capabilities replace the config's, extra ones are added (docs/seldon.md, "Objects")."""
    extra = frozenset(spec.extra_capabilities)
    if spec.capabilities is not None:
        return frozenset(spec.capabilities) | extra
    if server.spec.capabilities is not None:
        return extra
    return server.capabilities - (frozenset(server.spec.extra_capabilities) - extra)


def _displaced(spec: ServerSpec, stays: list[Stay], room: dict[int, int], stuck: Set[str]) -> str:
    names = _stranded(spec.wanted_replicas, stays, room, stuck, _demand(spec.wanted_replicas, stays, set(room)))
    left = f"({spec.wanted_replicas} of its replicas)"
    return f"{_some(names)} would not fit on what is left of it {left}" if names else ""


def _stranded(size: int, stays: list[Stay], room: dict[int, int], stuck: Set[str], demand: dict[int, int]) -> list[str]:
    """Which models on the replicas from `size` on would not fit on those that stay, whatever is moved first; sorted.

    Those in `stuck` are not moved at all. `demand`: bytes that may come to each replica that stays.
    """
    found = set()
    for name, version in stays:
        count = sum(index >= size for index in version.occupied)
        takes = {index: max(demand[index], version.memory) for index in set(room) - set(version.occupied)}
        free = [index for index, amount in takes.items() if amount <= room[index]]
        if count > len(free) or (count and name in stuck):
            found.add(name)
    return sorted(found)


def _demand(wanted: int, stays: list[Stay], left: set[int]) -> dict[int, int]:
    """Bytes that may come to each replica of `left` if those from `wanted` on go, wherever each version is moved."""
    demand = dict.fromkeys(sorted(left), 0)
    for _, version in stays:
        if any(index >= wanted for index in version.occupied):
            for index in left - set(version.occupied):
                demand[index] += version.memory
    return demand


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
