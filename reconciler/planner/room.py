"""Room on server replicas while a plan is put together, when it is not certain where the scheduler will place things.

For every replica two bounds of its room are kept, in bytes::

    low    whatever the scheduler chose so far, at least this much is left
    high   at most this much is left

A load is *certain* to be placed if some server has enough replicas whose `low` holds it. Where it lands is known only
if one server can take it and that server's bounds meet (`low` = `high`); then the scheduler's rule says which replicas:
most free memory first, then the lowest index (docs/seldon.md, "Placement"). Otherwise it may land on any replica whose
`high` holds it, and `low` of all of them shrinks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.planner.servers import Outlook
from reconciler.planner.unit import Need, Release

Replica = tuple[str, int]
"""Server name and replica index."""


@dataclass(slots=True)
class Bounds:
    """Room of one replica in bytes; `limit` is its whole size, `reserve` the headroom that plans leave free.

    `lowest` is the least that `low` ever was: the worst moment of the plan.
    """

    limit: int
    reserve: int
    low: int
    high: int
    before: int
    lowest: int


class Rooms:
    """The bounds of all replicas, changed step by step as a plan grows. Not shared between plans."""

    def __init__(self, servers: Iterable[Outlook], headroom: int) -> None:
        """Starts from what is live. `headroom` is in percent of each replica's limit."""
        self.servers = {server.name: server for server in servers}
        self.bounds: dict[Replica, Bounds] = {
            (server.name, index): Bounds(r.limit, r.limit * headroom // 100, r.room, r.room, r.room, r.room)
            for server in self.servers.values()
            for index, r in server.replicas.items()
        }

    def copy(self) -> Rooms:
        """Returns rooms of their own that begin as these are."""
        other = Rooms((), 0)
        other.servers = self.servers
        other.bounds = {replica: dataclasses.replace(bounds) for replica, bounds in self.bounds.items()}
        return other

    def candidates(self, need: Need) -> list[Outlook]:
        """Returns the servers that match `need` whatever their room: pinned name and capabilities."""
        names = [need.pinned] if need.pinned else sorted(self.servers)
        matching = [self.servers[name] for name in names if name in self.servers]
        return [server for server in matching if need.requirements <= server.capabilities]

    def open_replicas(self, need: Need, server: Outlook) -> list[Replica]:
        """Returns the replicas of `server` that do not hold this version already."""
        return [(server.name, index) for index in sorted(server.replicas) if index not in need.occupied]

    def certain(self, need: Need, server: Outlook, less: Mapping[Replica, int] | None = None) -> bool:
        """Returns whether `server` surely takes `need`, even with `less` bytes of room on some replicas."""
        fitting = 0
        for replica in self.open_replicas(need, server):
            bounds = self.bounds[replica]
            fitting += bounds.low - bounds.reserve - (less or {}).get(replica, 0) >= need.amount
        return fitting >= need.replicas

    def fits(self, need: Need, less: Mapping[Replica, int] | None = None) -> bool:
        """Returns whether some server surely takes `need`, even with `less` bytes of room on some replicas."""
        return any(self.certain(need, server, less) for server in self.candidates(need))

    def reach(self, need: Need, more: Mapping[Replica, int] | None = None) -> list[Replica]:
        """Returns every replica where the scheduler may place `need`, by what could be free (and `more` bytes)."""
        return [
            replica
            for server in self.candidates(need)
            for replica in self.open_replicas(need, server)
            if self.bounds[replica].high + (more or {}).get(replica, 0) >= need.amount
        ]

    def landing(self, need: Need) -> tuple[list[Replica], bool]:
        """Returns the replicas that `need` may take, and whether it surely takes all of them."""
        reach = self.reach(need)
        if need.most > need.replicas:
            return reach, False
        exact = all(self.bounds[r].low == self.bounds[r].high for r in reach)
        if len({name for name, _ in reach}) == 1 and (exact or len(reach) == need.replicas):
            by_rule = sorted(reach, key=lambda r: (-self.bounds[r].low, r[1]))
            return sorted(by_rule[: need.replicas]), True
        return reach, False

    def shift(self, replica: Replica, low: int = 0, high: int = 0) -> None:
        """Adds to the bounds of `replica`. Replicas that are gone or not ready are passed over."""
        bounds = self.bounds.get(replica)
        if bounds is not None:
            bounds.low += low
            bounds.high += high
            bounds.lowest = min(bounds.lowest, bounds.low)

    def doubt(self, replica: Replica, amount: int) -> None:
        """Takes `amount` bytes off the lower bound for good, without calling them used."""
        bounds = self.bounds.get(replica)
        if bounds is not None:
            bounds.reserve += amount

    def give(self, release: Release, low: int = 1, high: int = 1) -> None:
        """Books the release of memory: its bytes times `low` and `high` on the bounds (-1 takes a booking back)."""
        for index in release.replicas:
            self.shift((release.server, index), low * release.amount, high * release.amount)
