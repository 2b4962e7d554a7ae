"""Units of actions into one graph: who takes memory from where, and what must come before it.

Two ways, decided per server:

*In waves* (the default): loads that cannot get into each other's way, however the scheduler places them and loads in
flight counting twice, run side by side; the next wave begins when they are over. A load that finds no room takes it
from named unloads of this plan::

    load a ┐                         ┌ load c (takes what `unload a` freed)
    load b ┘ ── chain, memory ──────▶┘

*One by one* (where waves left something without room): a unit begins when the one before it is wholly over. Then it is
known exactly where everything lands, and nothing is lost to caution. Only here the alternatives of a unit are asked,
when nothing else finds room any more; a stepped rollout keeps what its later steps need, as nothing runs beside it.

The bounds of room are in `room`; what a load may take is always what is *certain*, never what is likely.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reconciler.model.live import LiveModel, LiveVersion
from reconciler.model.plan import Action, Edge, EdgeKind, Verb
from reconciler.planner.room import Replica, Rooms
from reconciler.planner.sequence import merge, sequence
from reconciler.planner.servers import Outlook
from reconciler.planner.unit import Need, Priority, Release, Unit
from reconciler.planner.waves import Waves


@dataclass(slots=True)
class Arrangement:
    """Units with their places in the graph, those that found none, and the room this takes.

    Attributes:
        reach: for each action that takes memory, the replicas it may land on.
        counted: actions whose release the bounds of `rooms` have booked already.
        replaced: units that found no room while an alternative that is not what Git asks for was placed.
        lows: for each action that found no room, what each replica surely had for it, with all it could count on.
    """

    rooms: Rooms
    placed: list[Unit] = field(default_factory=list)
    blocked: list[Unit] = field(default_factory=list)
    replaced: list[Unit] = field(default_factory=list)
    reach: dict[str, frozenset[Replica]] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)
    lows: dict[str, dict[Replica, int]] = field(default_factory=dict)


def arrange(
    units: Iterable[Unit], servers: tuple[Outlook, ...], headroom: int, live: Iterable[LiveModel]
) -> Arrangement:
    """Returns the arrangement that leaves the fewest units without room: in waves, or one by one where that helps.

    Args:
        units: in any order. servers: what loads may land on. headroom: percent of each replica to leave free.
        live: all live models: loads of theirs that are in flight and that no unit waits for count twice throughout.
    """
    ordered = sorted(units, key=lambda unit: (unit.priority, unit.decision.name))
    waited_for = {unit.decision.name for unit in ordered if unit.flights}
    stray = [v for model in live if model.name not in waited_for for v in model.versions if v.loading]
    in_waves = _Arranger(_rooms(servers, headroom, stray), frozenset()).run(ordered)
    if not in_waves.blocked:
        return in_waves
    without_room = [need for unit in in_waves.blocked for need in unit.needs]
    tight = _connected(without_room, [need for unit in ordered for need in unit.needs], in_waves.rooms)
    one_by_one = _Arranger(_rooms(servers, headroom, stray), tight).run(ordered)
    return one_by_one if len(one_by_one.blocked) < len(in_waves.blocked) else in_waves


def _rooms(servers: tuple[Outlook, ...], headroom: int, stray: list[LiveVersion]) -> Rooms:
    rooms = Rooms(servers, headroom)
    for version in stray:
        for index in version.occupied:
            rooms.doubt((version.server, index), version.memory)
    return rooms


def _connected(start: list[Need], needs: list[Need], rooms: Rooms) -> frozenset[str]:
    """Returns the servers that `start` may use, and all that share a need with them, directly or not."""
    groups = [{server.name for server in rooms.candidates(need)} for need in needs]
    found = {server.name for need in start for server in rooms.candidates(need)}
    while grown := [group for group in groups if group & found and not group <= found]:
        for group in grown:
            found |= group
    return frozenset(found)


class _Arranger:
    """Puts units into the graph one after the other; `one_by_one` names the servers where nothing runs side by side."""

    def __init__(self, rooms: Rooms, one_by_one: frozenset[str]) -> None:
        self.rooms = rooms
        self.one_by_one = one_by_one
        self.result = Arrangement(rooms)
        self.waves = Waves(rooms)
        self.pool: list[Release] = []
        self.farewells: list[Release] = []
        self.farewell_actions: set[str] = set()
        self.spent: list[Release] = []
        self.foreseen: set[Release] = set()
        self.tails: dict[str, str] = {}
        self.flights: dict[str, set[str]] = {}
        self.extra: dict[str, set[Edge]] = {}

    def run(self, units: list[Unit]) -> Arrangement:
        for unit in units:
            self._foresee(unit)
        for unit in units:
            if unit.need is None:
                self._place_free(unit)
        for rank in sorted({unit.priority for unit in units}):
            self._place_all([unit for unit in units if unit.need is not None and unit.priority is rank])
        self._retire_last()
        self.result.placed = [self._with_extra_edges(unit) for unit in self.result.placed]
        return self.result

    def _foresee(self, unit: Unit) -> None:
        """What a unit may free while others run makes it less certain where those land; its load in flight counts."""
        for flight in unit.flights:
            self.waves.fly(flight)
            self.flights.setdefault(flight.server, set()).add(flight.action)
        names = {server.name for server in self.rooms.candidates(unit.need)} if unit.need else self.one_by_one
        for release in unit.releases:
            in_turn = release.server in self.one_by_one and release.server in names
            if not in_turn or unit.under_way:
                self.rooms.give(release, low=0, high=1)
                self.foreseen.add(release)

    def _place_all(self, units: list[Unit]) -> None:
        """Places what fits, again and again: what one unit frees may be what another needs.

        Those that have the fewest servers to go to come first, so that no other one takes their place.
        """
        waiting = sorted(units, key=lambda unit: len(self.rooms.candidates(unit.need)) if unit.need else 0)
        while True:
            left = [unit for unit in waiting if not self._place(unit)]
            if len(left) == len(waiting):
                other = next((unit for unit in left if self._place_otherwise(unit)), None)
                left = [unit for unit in left if unit is not other]
            if not left or len(left) == len(waiting):
                self.result.blocked += left
                self.result.placed += [unit.otherwise for unit in left if unit.otherwise]
                return
            waiting = left

    def _place_otherwise(self, unit: Unit) -> bool:
        """Places the first alternative that fits, once waves are given up."""
        if not self.one_by_one:
            return False
        placed = next((other for other in unit.alternatives if self._place_alternative(other)), None)
        if placed is not None and placed.decision.verb is Verb.BLOCKED is not unit.decision.verb:
            self.result.replaced.append(unit)
        return placed is not None

    def _place_alternative(self, unit: Unit) -> bool:
        if unit.need is None:
            self._place_free(unit)
            return True
        return self._place_stepped(unit) if unit.steps else self._place(unit)

    def _place_free(self, unit: Unit) -> None:
        """Places a unit that takes nothing; what it frees may be counted on."""
        self.result.placed.append(unit)
        if unit.priority is Priority.DECOMMISSION:
            self.farewells += unit.releases
            self.farewell_actions.add(unit.actions[-1].id)
        else:
            self.pool += unit.releases

    def _place_stepped(self, unit: Unit) -> bool:
        """Places a stepped rollout where nothing runs beside it."""
        need, steps = unit.need, unit.steps
        assert need is not None
        assert steps is not None
        servers = self.rooms.candidates(need)
        names = {server.name for server in servers} | {steps.server}
        ends = sequence(self.rooms, unit, self.foreseen) if names <= self.one_by_one else None
        if ends is None:
            return False
        edges = self._memory_edges(names, lambda less: sequence(self.rooms, unit, self.foreseen, less) is not None, [])
        edges |= {Edge(s.early, EdgeKind.SERVER) for s in servers if s.early is not None and s.steadied}
        edges |= self._server_edges(need) | self._after_tails(names, [])
        reach = frozenset((name, index) for name in names for index in self.rooms.servers[name].replicas)
        merge(self.rooms, ends)
        self.result.counted |= {release.action for release in unit.releases}
        self.spent += [release for release in unit.releases if release.amount]
        for booked in (need, steps.grow):
            if booked is not None:
                self.result.reach[booked.action] = reach
        own = {action.id for action in unit.actions}
        self.extra.setdefault(steps.first, set()).update(edge for edge in edges if edge.action not in own)
        for name in names:
            self.tails[name] = unit.actions[-1].id
        self.result.placed.append(unit)
        return True

    def _place(self, unit: Unit) -> bool:
        need = unit.need
        assert need is not None
        names = {server.name for server in self.rooms.candidates(need)}
        own = [release for release in unit.own_releases if release.server in names]
        for release in own:
            self._credit(release)
        counted_on = self._credits(need)
        if counted_on is None:
            for release in own:
                self._credit(release, -1)
            return False
        self._spend(counted_on)
        strictly = bool(names & self.one_by_one)
        alone = strictly or bool(counted_on) or bool(unit.own_releases)
        edges = self._memory_edges(names, lambda less: self.rooms.fits(need, less), counted_on) | self._server_edges(
            need
        )
        self.result.reach[need.action], before = self.waves.book(need, alone)
        after_wave = {Edge(action, EdgeKind.CHAIN) for action in before}
        edges |= self._after_tails(names, counted_on) if strictly else after_wave
        edges = {edge for edge in edges if edge.action not in {action.id for action in unit.actions}}
        self._settle(unit, names, own, edges)
        return True

    def _spend(self, counted_on: list[Release]) -> None:
        """Takes what is counted on out of the pool, and with it all else that the same actions free: others may use it.

        Whoever does has to wait for the same actions, so it is remembered as spent.
        """
        actions = {release.action for release in counted_on}
        for release in (*self.pool, *self.farewells):
            if release.action in actions and release not in counted_on and release.amount:
                self._credit(release)
                self.spent.append(release)
        self.pool = [release for release in self.pool if release.action not in actions]
        self.farewells = [release for release in self.farewells if release.action not in actions]

    def _settle(self, unit: Unit, names: set[str], own: list[Release], edges: set[Edge]) -> None:
        """Adds `unit`, which may go to the servers `names`, to the graph; those that follow know what it frees."""
        assert unit.need is not None
        strictly = bool(names & self.one_by_one)
        self.extra.setdefault(unit.need.first, set()).update(edges)
        if strictly and not unit.under_way:
            begin = {edge for edge in edges if edge.kind is EdgeKind.CHAIN}
            self.extra.setdefault(_first_in_turn(unit), set()).update(begin)
        for name in names & self.one_by_one:
            self.tails[name] = unit.actions[-1].id
        for release in unit.releases:
            if release in own or (strictly and release.server in names):
                if release not in own:
                    self._credit(release)
                self.spent += [release] if release.amount else []
            else:
                self.pool.append(release)
        self.result.placed.append(unit)

    def _credit(self, release: Release, sign: int = 1) -> None:
        """Counts on `release`. Where it was foreseen, the upper bound has it already."""
        (self.result.counted.add if sign > 0 else self.result.counted.discard)(release.action)
        self.rooms.give(release, low=sign, high=sign if release.server in self.one_by_one else 0)

    def _credits(self, need: Need) -> list[Release] | None:
        """Counts on the fewest releases that make `need` fit, and returns them; None (and counts on none) if none do.

        A decommission comes last: nothing is taken away before its successor serves, if that can be had.
        """
        names = {server.name for server in self.rooms.candidates(need)}
        counted: list[Release] = []
        for release in [r for r in (*self.pool, *self.farewells) if r.server in names and r.amount]:
            if self.rooms.fits(need):
                break
            self._credit(release)
            counted.append(release)
        fits = self.rooms.fits(need)
        if not fits:
            bounds = {replica: self.rooms.bounds[replica] for replica in self.rooms.bounds if replica[0] in names}
            self.result.lows[need.action] = {replica: b.low - b.reserve for replica, b in bounds.items()}
        for release in list(counted):
            self._credit(release, -1)
            if fits and self.rooms.fits(need):
                counted.remove(release)
            elif fits:
                self._credit(release)
        return counted if fits else None

    def _memory_edges(
        self, names: set[str], fits: Callable[[dict[Replica, int]], bool], counted_on: list[Release]
    ) -> set[Edge]:
        """Returns an edge to each unload without which there would be no room, the latest ones first.

        Args:
            names: the servers that matter. fits: whether there is room even with so many bytes less on some replicas.
        """
        required = {Edge(release.action, EdgeKind.MEMORY) for release in counted_on}
        spent = [release for release in self.spent if release.server in names]
        less: dict[Replica, int] = {}
        for release in spent:
            for index in release.replicas:
                less[release.server, index] = less.get((release.server, index), 0) + release.amount
        for release in reversed(spent):
            if fits(less):
                break
            required.add(Edge(release.action, EdgeKind.MEMORY))
            for index in release.replicas:
                less[release.server, index] -= release.amount
        return required

    def _server_edges(self, need: Need) -> set[Edge]:
        """Returns edges to what brings its servers up: required only if `need` would not fit without."""
        candidates = self.rooms.candidates(need)
        gains = {(server.name, index): gain for server in candidates for index, gain in server.gains.items()}
        kind = EdgeKind.CHAIN if self.rooms.fits(need, gains) else EdgeKind.SERVER
        return {Edge(server.early, kind) for server in candidates if server.early is not None}

    def _after_tails(self, names: set[str], counted_on: list[Release]) -> set[Edge]:
        """One by one: after all that came before, and so are the decommissions whose memory is counted on."""
        before = {self.tails[name] for name in names if name in self.tails}
        before |= {action for name in names for action in self.flights.get(name, ())}
        tails = {Edge(action, EdgeKind.CHAIN) for action in before}
        for release in counted_on:
            if release.action in self.farewell_actions:
                self.extra.setdefault(release.action, set()).update(tails)
        return tails

    def _retire_last(self) -> None:
        """Decommissions whose memory nobody waits for come after the loads: the successor serves first."""
        awaited = {edge.action for edges in self.extra.values() for edge in edges if edge.kind is EdgeKind.MEMORY}
        last = self.waves.last() | set(self.tails.values())
        tails = {unit.need.action: unit.actions[-1].id for unit in self.result.placed if unit.need}
        edges = {Edge(tails.get(action, action), EdgeKind.CHAIN) for action in last}
        for unit in self.result.placed:
            if unit.priority is Priority.DECOMMISSION and unit.actions[-1].id not in awaited:
                self.extra.setdefault(unit.actions[-1].id, set()).update(edges)

    def _with_extra_edges(self, unit: Unit) -> Unit:
        return dataclasses.replace(unit, actions=tuple(map(self._with_edges, unit.actions)))

    def _with_edges(self, action: Action) -> Action:
        edges = set(action.after) | self.extra.get(action.id, set())
        required = {edge.action for edge in edges if edge.kind is not EdgeKind.CHAIN}
        kept = {edge for edge in edges if edge.kind is not EdgeKind.CHAIN or edge.action not in required}
        return dataclasses.replace(action, after=tuple(sorted(kept)))


def _first_in_turn(unit: Unit) -> str:
    """The first action that has to wait for its turn: one that takes or frees memory.

    What heals does neither, and comes at once: a server replica that connects meanwhile would have the scheduler try
    again what is not whole, at the very moment when it is asked for less.
    """
    return next((action.id for action in unit.actions if action.takes or action.frees), unit.actions[0].id)
