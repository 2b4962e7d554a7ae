"""The room of a stepped rollout, reckoned as one sequence: shrink, load, unload, grow back.

It is placed only where nothing else runs beside it, so every step finds exactly what the one before left. Where the
scheduler may choose among servers, each of them must hold the whole sequence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Set

from reconciler.planner.room import Replica, Rooms
from reconciler.planner.servers import Outlook
from reconciler.planner.unit import Need, Release, Unit


def sequence(
    rooms: Rooms, unit: Unit, foreseen: Set[Release], less: Mapping[Replica, int] | None = None
) -> list[Rooms] | None:
    """Returns the room that `unit` leaves, for each server it may land on; None if it might not find its way.

    Args:
        unit: with `steps` and `need`. foreseen: releases that the upper bounds have already.
        less: bytes of room to do without on some replicas.
    """
    steps, need = unit.steps, unit.need
    assert steps is not None
    assert need is not None
    start = rooms.copy()
    for replica, amount in (less or {}).items():
        start.shift(replica, -amount, -amount)
    for release in unit.releases:
        if release in foreseen:
            start.give(release, 0, -1)
    for release in unit.own_releases:
        start.give(release)
    kept = _shrink(start, [(steps.server, index) for index in steps.replicas], steps.keep, steps.amount)
    if kept is None:
        return None
    reach = {name for name, _ in start.reach(need)}
    servers = [server for server in start.candidates(need) if server.name in reach]
    if not all(server.steady for server in servers):
        return None
    ends = [_on(start, server, unit, kept) for server in servers]
    return [end for end in ends if end is not None] if ends and None not in ends else None


def merge(rooms: Rooms, ends: Iterable[Rooms]) -> None:
    """Sets the bounds of `rooms` to what all of `ends` have in common: the lowest low and the highest high."""
    for replica, bounds in rooms.bounds.items():
        others = [end.bounds[replica] for end in ends]
        bounds.low = min(other.low for other in others)
        bounds.high = max(other.high for other in others)
        bounds.lowest = min(other.lowest for other in others)


def _shrink(rooms: Rooms, slots: list[Replica], keep: int, amount: int) -> list[Replica] | None:
    """Frees all but `keep` of `slots`, those with the least free memory first; returns those that are kept.

    docs/seldon.md, "Capacity": replicas are taken by most free memory, then lowest index, when they become fewer too.
    """
    if keep >= len(slots):
        return slots
    known = [rooms.bounds.get(slot) for slot in slots]
    if any(bounds is None or bounds.low != bounds.high for bounds in known):
        return None
    by_rule = sorted(slots, key=lambda slot: (-rooms.bounds[slot].low, slot[1]))
    for slot in by_rule[keep:]:
        rooms.shift(slot, amount, amount)
    return by_rule[:keep]


def _on(start: Rooms, server: Outlook, unit: Unit, kept: list[Replica]) -> Rooms | None:
    """Walks the rest of the sequence with the new version on `server`; None if a step would not surely fit."""
    steps, need = unit.steps, unit.need
    assert steps is not None
    assert need is not None
    rooms = start.copy()
    landed = _take(rooms, dataclasses.replace(need, pinned=server.name))
    if landed is None:
        return None
    for slot in kept:
        rooms.shift(slot, steps.amount, steps.amount)
    for release in unit.releases:
        if release.action != steps.unload and release not in unit.own_releases:
            rooms.give(release)
    if steps.grow is None:
        return rooms
    held = frozenset(index for _, index in landed)
    return (
        rooms if _take(rooms, dataclasses.replace(steps.grow, pinned=server.name, occupied=held)) is not None else None
    )


def _take(rooms: Rooms, need: Need) -> list[Replica] | None:
    """Books `need`, which is pinned; returns where it lands, None if it is not certain to or nobody knows where."""
    if not rooms.fits(need):
        return None
    landed, surely = rooms.landing(need)
    if not surely:
        return None
    for replica in landed:
        rooms.shift(replica, -need.amount, -need.amount)
    return landed
