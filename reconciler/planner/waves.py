"""Which loads may run side by side.

Two loads may if every replica that either may land on has room for it whatever the other does, loads in flight counting
twice (docs/seldon.md, "Room is not what is free"). Loads that may form a wave; a load that may not begins the next one,
after all of the wave before it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.planner.room import Replica, Rooms
from reconciler.planner.unit import Need, Release

WIDTH = 8
"""Loads in one wave at most: more gain nothing, as artifacts come over one network, and every edge is checked."""


@dataclass(slots=True)
class _Member:
    need: Need
    reach: frozenset[Replica]
    taken: frozenset[Replica]
    surely: bool
    alone: bool


@dataclass(slots=True)
class _Wave:
    members: list[_Member] = field(default_factory=list)
    before: frozenset[str] = frozenset()


class Waves:
    """The waves per server, and the bookings of their loads in `rooms`."""

    def __init__(self, rooms: Rooms) -> None:
        """Starts with no load anywhere."""
        self.rooms = rooms
        self.waves: dict[str, _Wave] = {}
        self.flying: set[str] = set()

    def fly(self, flight: Release) -> None:
        """Adds a load that is in flight already: what is observed has its memory taken off once."""
        self.flying.add(flight.action)
        need = Need(flight.action, flight.amount, len(flight.replicas), pinned=flight.server)
        slots = frozenset(
            (flight.server, index) for index in flight.replicas if (flight.server, index) in self.rooms.bounds
        )
        self.waves.setdefault(flight.server, _Wave()).members.append(_Member(need, slots, slots, True, False))

    def book(self, need: Need, alone: bool) -> tuple[frozenset[Replica], set[str]]:
        """Adds `need` to the current waves of its servers, or begins new ones; takes its memory from `rooms`.

        Returns every replica that it may land on, and the actions it comes after: those of the waves before its own.
        """
        waves = self._waves(need)
        if not alone and self._joins(need, waves):
            reach = self._reach_beside(need, _unique(waves))
            for member in _unique(waves):
                self._blur(member)
        else:
            reach = self._reach(need)
            for wave in waves:
                wave.before = frozenset(m.need.action for m in wave.members) or wave.before
                wave.members = []
        taken, surely = self.rooms.landing(need)
        crowded = any(wave.members for wave in waves)
        member = _Member(need, reach, frozenset(taken), surely, alone)
        for replica in taken:
            self.rooms.shift(replica, -need.amount, -need.amount if surely else 0)
        for wave in waves:
            wave.members.append(member)
        if crowded:
            self._blur(member)
        return reach, {action for wave in waves for action in wave.before}

    def last(self) -> set[str]:
        """Returns the loads of the last wave of every server."""
        return {member.need.action for wave in self.waves.values() for member in wave.members}

    def _waves(self, need: Need) -> list[_Wave]:
        return [self.waves.setdefault(server.name, _Wave()) for server in self.rooms.candidates(need)]

    def _joins(self, need: Need, waves: list[_Wave]) -> bool:
        others = _unique(waves)
        if any(member.alone for member in others) or any(len(wave.members) >= WIDTH for wave in waves):
            return False
        newcomer = _Member(need, self._reach_beside(need, others), frozenset(), False, False)
        everyone = [*others, newcomer]
        waiting = [member for member in everyone if member.need.action not in self.flying]
        return all(self._fits_beside(member, everyone, others) for member in waiting)

    def _reach_beside(self, need: Need, others: list[_Member]) -> frozenset[Replica]:
        """Where `need` may land if it is taken in before `others`, which are booked already."""
        more: dict[Replica, int] = {}
        for other in others:
            for replica in other.taken if other.surely else ():
                more[replica] = more.get(replica, 0) + other.need.amount
        return self._reach(need, more)

    def _reach(self, need: Need, more: Mapping[Replica, int] | None = None) -> frozenset[Replica]:
        """Where `need` may land; the probe that asks for it may also land where its version is already."""
        reach = frozenset(self.rooms.reach(need, more))
        if need.asked_by is None or not need.occupied:
            return reach
        return reach | frozenset(self.rooms.reach(dataclasses.replace(need, occupied=frozenset()), more))

    def _fits_beside(self, member: _Member, everyone: list[_Member], booked: list[_Member]) -> bool:
        """Whether `member` is placed even if all others are in flight, wherever they are."""
        less: dict[Replica, int] = {}
        for other in booked:
            for replica in other.taken:
                less[replica] = less.get(replica, 0) - other.need.amount
        for other in everyone:
            if other is not member:
                for replica in other.reach:
                    less[replica] = less.get(replica, 0) + 2 * other.need.amount
        return self.rooms.fits(member.need, less)

    def _blur(self, member: _Member) -> None:
        """Beside others it may land on any replica in its reach, so all of them are booked."""
        if member.taken == member.reach:
            return
        if member.surely:
            for replica in member.taken:
                self.rooms.shift(replica, 0, member.need.amount)
        for replica in member.reach - member.taken:
            self.rooms.shift(replica, -member.need.amount)
        member.taken, member.surely = member.reach, False


def _unique(waves: list[_Wave]) -> list[_Member]:
    return list({member.need.action: member for wave in waves for member in wave.members}.values())
