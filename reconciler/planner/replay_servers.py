"""The servers in the replay checker's world: what each replica can take, and where the scheduler puts things.

Written from docs/seldon.md ("Capacity", "Servers"), as `replay_world` is; nothing is shared with the planner's `room`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reconciler.model.live import LiveServer
from reconciler.model.manifests import ModelSpec, ServerSpec
from reconciler.model.plan import Action

Slot = tuple[str, int]


class Violation(Exception):
    """An action breaks a promise of the plan; the text says which, for a person."""


@dataclass(slots=True, eq=False)
class Copy:
    """One version of a model: where it is, what it takes, whether it can answer, whether it is `ModelAvailable`.

    `in_flight`: it is the live version, and a load of it was in flight when the plan began and is not over.
    """

    digest: str
    number: int | None
    server: str
    slots: set[Slot]
    amount: int
    loaded: bool
    settled: bool = False
    in_flight: bool = False
    leaving: frozenset[Slot] = frozenset()

    @property
    def held(self) -> set[Slot]:
        """The slots that it goes on being on."""
        return self.slots - self.leaving


@dataclass(frozen=True, slots=True)
class Flight:
    """A load that an action waits for, and the slots that it is in flight on."""

    copy: Copy
    slots: frozenset[Slot]


@dataclass(slots=True)
class Servers:
    """Room per server replica in bytes, and the loads in flight.

    Nothing is placed on replicas that are `away`: not ready, or of a server that is being deleted. `written`: what
    each server is told to be already; its replicas may be on the way there.
    """

    choose: Callable[[list[str]], str]
    configs: dict[str, frozenset[str]]
    limits: dict[Slot, int] = field(default_factory=dict)
    free: dict[Slot, int] = field(default_factory=dict)
    offers: dict[str, frozenset[str]] = field(default_factory=dict)
    flying: dict[str, Flight] = field(default_factory=dict)
    overdrawn: dict[Slot, int] = field(default_factory=dict)
    away: set[Slot] = field(default_factory=set)
    written: dict[str, ServerSpec] = field(default_factory=dict)
    touched: set[Slot] = field(default_factory=set)

    def add(self, server: LiveServer) -> None:
        """Adds a live server."""
        self.offers[server.name] = server.capabilities
        self.written[server.name] = server.spec
        for replica in server.replicas:
            slot = (server.name, replica.index)
            self.limits[slot], self.free[slot] = replica.limit, replica.room
            self.overdrawn[slot] = min(0, replica.room)
            if server.deleting or not replica.ready:
                self.away.add(slot)

    def overfull(self) -> str:
        """Returns which server replica holds more than its limit, and more than it did at first; empty if none does."""
        for slot in self.touched:
            free = self.free.get(slot, 0)
            if free < 0 and free < self.overdrawn.get(slot, 0):
                return f"{slot[0]}/{slot[1]} is over its limit by {-free} bytes"
        self.touched.clear()
        return ""

    def place(self, spec: ModelSpec, amount: int) -> set[Slot] | None:
        """Takes `amount` bytes for each replica of `spec`, or for what `minReplicas` allows; None where that fails."""
        wanted = spec.wanted_replicas
        for least in (wanted, min(spec.min_replicas or wanted, wanted)):
            found = {name: slots for name, slots in self._fitting(spec, amount).items() if len(slots) >= least}
            if found:
                return self._taken(found[self.choose(sorted(found))][:wanted], amount)
        return None

    def grow(self, copy: Copy, more: int) -> bool:
        """Takes room for `more` replicas of `copy` beside those it has; False where there is none."""
        slots = [s for s in self._open(copy.server) if s not in copy.slots and self._view(s) >= copy.amount]
        if len(slots) < more:
            return False
        copy.slots |= self._taken(sorted(slots, key=self._order)[:more], copy.amount)
        return True

    def shrink(self, copy: Copy, wanted: int) -> None:
        """Takes `copy` off all but `wanted` of its slots: those go that have least room."""
        for slot in sorted(copy.slots, key=self._order)[wanted:]:
            copy.slots.discard(slot)
            self._give(slot, copy.amount)

    def leave(self, copy: Copy) -> None:
        """Takes `copy` off all its slots."""
        for slot in copy.slots:
            self._give(slot, copy.amount)
        copy.slots = set()
        copy.loaded = False

    def bring_up(self, action: Action) -> None:
        """Gives a server what `action` writes, all its replicas ready."""
        assert action.server is not None
        spec = action.server.spec
        self.offers[action.subject] = self._offered(action.subject, spec)
        for index in range(spec.wanted_replicas):
            slot = (action.subject, index)
            self.away.discard(slot)
            before = self.free.get(slot, 0)
            self.free[slot] = spec.limit - (self.limits.get(slot, 0) - before)
            self.limits[slot] = spec.limit
            if self.free[slot] < min(0, before) and spec != self.written.get(action.subject):
                raise Violation(f"{action.id} leaves {action.subject}/{index} over its limit")

    def take_down(self, action: Action, copies: Iterable[tuple[str, Copy]]) -> None:
        """Removes the replicas that `action` leaves out; what is on them moves to those that stay."""
        assert action.server is not None
        own = {slot for slot in self.free if slot[0] == action.subject}
        gone = {slot for slot in own if slot[1] >= action.server.spec.wanted_replicas}
        for name, copy in copies:
            for _ in copy.slots & gone:
                fitting = [slot for slot in own - gone - copy.slots if self.free[slot] >= copy.amount]
                if not fitting:
                    raise Violation(f"{action.id} strands {name}")
                copy.slots |= self._taken([min(fitting, key=self._order)], copy.amount)
            copy.slots -= gone
        for slot in gone:
            del self.free[slot], self.limits[slot]
        self.bring_up(action)

    def _view(self, slot: Slot) -> int:
        """Room as the scheduler sees it: loads in flight count once more than they really take."""
        return self.free[slot] - sum(flight.copy.amount for flight in self.flying.values() if slot in flight.slots)

    def _order(self, slot: Slot) -> tuple[int, int]:
        return (-self._view(slot), slot[1]) if slot in self.free else (0, slot[1])

    def _open(self, server: str) -> list[Slot]:
        return [slot for slot in self.free if slot[0] == server and slot not in self.away]

    def _fitting(self, spec: ModelSpec, amount: int) -> dict[str, list[Slot]]:
        """The replicas with room, of every server that matches, in the order in which they are taken."""
        found: dict[str, list[Slot]] = {}
        for name in [spec.server] if spec.server else sorted(self.offers):
            if name in self.offers and spec.needs <= self.offers[name]:
                slots = [slot for slot in self._open(name) if self._view(slot) >= amount]
                found[name] = sorted(slots, key=self._order)
        return found

    def _offered(self, name: str, spec: ServerSpec) -> frozenset[str]:
        if spec.capabilities is not None:
            return frozenset(spec.capabilities) | frozenset(spec.extra_capabilities)
        base = self.offers.get(name, self.configs.get(spec.server_config, frozenset()))
        return base | frozenset(spec.extra_capabilities)

    def _taken(self, slots: Iterable[Slot], amount: int) -> set[Slot]:
        taken = set(slots)
        for slot in taken:
            self.free[slot] -= amount
        self.touched |= taken
        return taken

    def _give(self, slot: Slot, amount: int) -> None:
        if slot in self.free:
            self.free[slot] += amount
