"""Says why a unit found no room: which server lacks how many bytes, and why it cannot be done in steps.

What would help is tried in `fixes`; where nothing can be tried, an advice is given here.
"""

from __future__ import annotations

import dataclasses

from reconciler.model.plan import Decision, Reason, Verb
from reconciler.model.quantity import format_bytes
from reconciler.planner.ordering import Arrangement
from reconciler.planner.room import Replica, Rooms
from reconciler.planner.servers import Outlook
from reconciler.planner.unit import Need, Unit

_KEPT = (Verb.HOLD, Verb.REFUSED, Verb.BLOCKED)
"""Verbs that stay as they are when what would be done meanwhile finds no room."""


def shortfall(unit: Unit, arrangement: Arrangement) -> Decision:
    """Returns the decision about `unit`, which `arrangement` could not place: blocked, and why."""
    need, rooms = unit.need, arrangement.rooms
    assert need is not None
    reason, detail, advice = Reason.NO_SERVER, "", ""
    candidates = rooms.candidates(need)
    big_enough = [server for server in candidates if len(rooms.open_replicas(need, server)) >= need.replicas]
    if not candidates:
        detail, advice = _no_server(need, rooms)
    elif not big_enough:
        detail = _too_few_replicas(need, candidates, rooms)
    else:
        lows = arrangement.lows[need.action]
        reason, detail = Reason.NO_ROOM, min(_lacking(need, server, rooms, lows) for server in big_enough)[1]
        detail += _no_steps(unit, big_enough)
    if unit in arrangement.replaced:
        detail += "; meanwhile what serves gets the replicas back that it gave up"
    if unit.decision.verb in _KEPT:
        return dataclasses.replace(unit.decision, detail=f"{unit.decision.detail}; not brought back to whole: {detail}")
    fixes = (advice,) if advice else ()
    return dataclasses.replace(unit.decision, verb=Verb.BLOCKED, reason=reason, detail=detail, fixes=fixes)


def lacking(need: Need, server: Outlook, arrangement: Arrangement) -> int | None:
    """Returns how many bytes `server` lacks on its least bad choice of replicas, None if it has too few of them."""
    lows = arrangement.lows.get(need.action)
    if lows is None or len(arrangement.rooms.open_replicas(need, server)) < need.replicas:
        return None
    return _lacking(need, server, arrangement.rooms, lows)[0]


def _no_server(need: Need, rooms: Rooms) -> tuple[str, str]:
    if need.pinned and need.pinned not in rooms.servers:
        known = f"; there are {', '.join(sorted(rooms.servers))}" if rooms.servers else ""
        detail = f"Server {need.pinned} is neither in Git nor on the cluster{known}"
        return detail, f"add Server {need.pinned}"
    asked = ", ".join(sorted(need.requirements))
    where = f"Server {need.pinned} does not offer" if need.pinned else "no Server offers"
    offers = "; ".join(
        f"{s.name} offers {', '.join(sorted(s.capabilities)) or 'nothing'}" for s in rooms.servers.values()
    )
    detail = f"{where} all of its requirements ({asked})" + (f": {offers}" if offers else ": there is no Server at all")
    return detail, "correct spec.requirements, or add the capability to a Server (extraCapabilities)"


def _too_few_replicas(need: Need, candidates: list[Outlook], rooms: Rooms) -> str:
    held = len(need.occupied)
    sizes = {server.name: len(rooms.open_replicas(need, server)) + held for server in candidates}
    if not any(server.replicas for server in candidates):
        return f"no replica of Server {', '.join(sorted(sizes))} is ready"
    told = ", ".join(f"{name} can give {count}" for name, count in sorted(sizes.items()))
    best = max(sorted(sizes), key=lambda name: sizes[name])
    largest = max((outlook.limit for outlook in rooms.servers[best].replicas.values()), default=0)
    size = ""
    if need.amount > largest:
        size = f", and {format_bytes(need.amount)} is more than one of its replicas can hold ({format_bytes(largest)})"
    return f"it asks for {need.replicas + held} replicas, all on one Server; {told}{size}"


def _lacking(need: Need, server: Outlook, rooms: Rooms, lows: dict[Replica, int]) -> tuple[int, str]:
    """How many bytes `server` lacks on its least bad choice of replicas, and in words."""
    replicas = rooms.open_replicas(need, server)
    best = sorted((lows[replica] for replica in replicas), reverse=True)[need.replicas - 1]
    short = need.amount - best
    count = f" on each of {need.replicas} replicas" if need.replicas > 1 else ""
    reserve = ", the headroom left free" if any(rooms.bounds[r].reserve for r in replicas) else ""
    detail = (
        f"it needs {format_bytes(need.amount)}{count}; Server {server.name} surely has "
        f"{format_bytes(max(best, 0))}{reserve}: {_exact(short)} short"
    )
    return short, detail


def _no_steps(unit: Unit, servers: list[Outlook]) -> str:
    """Why a rollout is not done in steps, where nothing else lets it be done beside."""
    stepped = any(other.steps for other in unit.alternatives)
    if not stepped and not unit.no_steps:
        return ""
    unsteady = ", ".join(server.name for server in servers if not server.steady)
    if unit.no_steps:
        why = unit.no_steps
    elif unsteady:
        why = f"Server {unsteady} has no fixed size, so its autoscaler would take the emptied replica away"
    else:
        why = "it would not surely fit in steps either"
    return f"; not stepped: {why}"


def _exact(count: int) -> str:
    text = format_bytes(count)
    return f"{text} ({count} bytes)" if text != str(count) else f"{count} bytes"
