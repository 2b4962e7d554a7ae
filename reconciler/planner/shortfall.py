"""Says why a unit found no room: which server lacks how many bytes, and the smallest changes that would help."""

from __future__ import annotations

import dataclasses

from reconciler.model.manifests import Strategy
from reconciler.model.plan import Decision, Reason, Verb
from reconciler.model.quantity import format_bytes
from reconciler.planner.ordering import Arrangement
from reconciler.planner.room import Replica, Rooms
from reconciler.planner.servers import Outlook
from reconciler.planner.unit import Need, Unit


def blocked(unit: Unit, arrangement: Arrangement) -> Decision:
    """Returns the decision `blocked` for `unit`, which `arrangement` could not place."""
    need, rooms = unit.need, arrangement.rooms
    assert need is not None
    candidates = rooms.candidates(need)
    if not candidates:
        return _say(unit, Reason.NO_SERVER, *_no_server(need, rooms))
    big_enough = [server for server in candidates if len(rooms.open_replicas(need, server)) >= need.replicas]
    if not big_enough:
        return _say(unit, Reason.NO_SERVER, *_too_few_replicas(need, candidates, rooms))
    lows = arrangement.lows[need.action]
    short, detail, name = min(_shortfall(need, server, rooms, lows) for server in big_enough)
    return _say(unit, Reason.NO_ROOM, detail, _fixes(unit, short, name))


def _say(unit: Unit, reason: Reason, detail: str, fixes: tuple[str, ...]) -> Decision:
    return dataclasses.replace(unit.decision, verb=Verb.BLOCKED, reason=reason, detail=detail, fixes=fixes)


def _no_server(need: Need, rooms: Rooms) -> tuple[str, tuple[str, ...]]:
    if need.pinned and need.pinned not in rooms.servers:
        known = f"; there are {_names(rooms)}" if rooms.servers else ""
        return f"Server {need.pinned} is neither in Git nor on the cluster{known}", (
            "name an existing Server, or add it",
        )
    asked = ", ".join(sorted(need.requirements))
    where = f"Server {need.pinned} does not offer" if need.pinned else "no Server offers"
    offers = "; ".join(
        f"{s.name} offers {', '.join(sorted(s.capabilities)) or 'nothing'}" for s in rooms.servers.values()
    )
    detail = f"{where} all of its requirements ({asked})" + (f": {offers}" if offers else ": there is no Server at all")
    return detail, ("correct spec.requirements, or add the capability to a Server (extraCapabilities)",)


def _too_few_replicas(need: Need, candidates: list[Outlook], rooms: Rooms) -> tuple[str, tuple[str, ...]]:
    sizes = {server.name: len(rooms.open_replicas(need, server)) for server in candidates}
    best = max(sorted(sizes), key=lambda name: sizes[name])
    held = len(need.occupied)
    wanted, most = need.replicas + held, sizes[best] + held
    total = len(rooms.servers[best].replicas) + need.replicas - sizes[best]
    told = ", ".join(f"{name} can give {count + held}" for name, count in sorted(sizes.items()))
    largest = max((outlook.limit for outlook in rooms.servers[best].replicas.values()), default=0)
    size = ""
    if need.amount > largest:
        size = f", and {format_bytes(need.amount)} is more than one of its replicas can hold ({format_bytes(largest)})"
    fixes = [f"scale Server {best} to {total} replicas"]
    if size:
        fixes = [f"{fixes[0]}, and raise their memory by {format_bytes(need.amount - largest)}"]
    elif most:
        fixes.append(f"or set spec.replicas to {most}")
    return f"it asks for {wanted} replicas, all on one Server; {told}{size}", tuple(fixes)


def _shortfall(need: Need, server: Outlook, rooms: Rooms, lows: dict[Replica, int]) -> tuple[int, str, str]:
    """How many bytes `server` lacks on its least bad choice of replicas, in words, and its name."""
    replicas = rooms.open_replicas(need, server)
    best = sorted((lows[replica] for replica in replicas), reverse=True)[need.replicas - 1]
    short = need.amount - best
    count = f" on each of {need.replicas} replicas" if need.replicas > 1 else ""
    reserve = ", the headroom left free" if any(rooms.bounds[r].reserve for r in replicas) else ""
    detail = (
        f"it needs {format_bytes(need.amount)}{count}; Server {server.name} surely has "
        f"{format_bytes(max(best, 0))}{reserve}: {_exact(short)} short"
    )
    return short, detail, server.name


def _fixes(unit: Unit, short: int, server: str) -> tuple[str, ...]:
    assert unit.need is not None
    fixes = [f"raise the memory of Server {server} by {format_bytes(short)} per replica"]
    if short < unit.need.amount:
        fixes.append(f"or lower spec.memory by {format_bytes(short)}, if it needs less")
    manifest = next((action.model for action in unit.actions if action.model), None)
    freed = max((r.amount for r in unit.releases if r.server == server), default=0)
    rolling = manifest is not None and manifest.policy.strategy is Strategy.ROLLING
    if rolling and unit.decision.verb is Verb.ROLL_OUT and freed >= short:
        fixes.append("or annotate it model-reconciler.io/strategy: recreate (off the air for the time of the load)")
    return tuple(fixes)


def _exact(count: int) -> str:
    text = format_bytes(count)
    return f"{text} ({count} bytes)" if text != str(count) else f"{count} bytes"


def _names(rooms: Rooms) -> str:
    return ", ".join(sorted(rooms.servers))
