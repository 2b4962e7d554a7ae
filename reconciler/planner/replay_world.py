"""A world for the replay checker: servers, versions and routes, changed by actions under the scheduler's rules.

Written from docs/seldon.md ("How a rolling update really runs", "Capacity"), sharing nothing with the code that makes
plans: it is the second opinion. It knows what the plan's actions ask for, never what the planner thought would happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reconciler.model.live import LiveState, VersionState
from reconciler.model.manifests import ModelManifest, ServerSpec, Strategy
from reconciler.model.plan import Action, ActionKind, Guards

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
class World:
    """Room per server replica in bytes, versions per model, and which version has each route.

    Nothing is placed on replicas that are `away`: not ready, or of a server that is being deleted.
    """

    guards: Guards
    choose: Callable[[list[str]], str]
    commanded: bool = False
    limits: dict[Slot, int] = field(default_factory=dict)
    free: dict[Slot, int] = field(default_factory=dict)
    offers: dict[str, frozenset[str]] = field(default_factory=dict)
    configs: dict[str, frozenset[str]] = field(default_factory=dict)
    copies: dict[str, list[Copy]] = field(default_factory=dict)
    route: dict[str, Copy] = field(default_factory=dict)
    flying: dict[str, Flight] = field(default_factory=dict)
    may_go: set[str] = field(default_factory=set)
    overdrawn: dict[Slot, int] = field(default_factory=dict)
    away: set[Slot] = field(default_factory=set)
    touched: set[Slot] = field(default_factory=set)

    def start(self, action: Action) -> None:
        """Takes `action` in. Raises Violation when the scheduler could not place it, or it may not be done now."""
        if action.kind is ActionKind.PROBE:
            self._start_probe(action)
        elif action.kind in (ActionKind.LOAD, ActionKind.RETRIGGER, ActionKind.CHANGE):
            self._start_load(action)
        elif action.kind is ActionKind.UNLOAD:
            self._start_unload(action)
        elif action.kind in (ActionKind.DECOMMISSION, ActionKind.WITHDRAW):
            self._start_removal(action)

    def finish(self, action: Action) -> None:
        """Brings `action` to its end. Raises Violation when that end is not reached or breaks a promise."""
        steps = {
            ActionKind.PROBE: self._finish_probe,
            ActionKind.RETRIGGER: self._finish_load,
            ActionKind.LOAD: self._finish_load,
            ActionKind.CHANGE: self._finish_load,
            ActionKind.SHIFT: self._shift,
            ActionKind.UNLOAD: self._finish_unload,
            ActionKind.WITHDRAW: self._finish_all_gone,
            ActionKind.DECOMMISSION: self._finish_all_gone,
            ActionKind.WAIT_DELETED: self._finish_all_gone,
            ActionKind.CREATE_SERVER: self._server,
            ActionKind.UPDATE_SERVER: self._server,
            ActionKind.SHRINK_SERVER: self._shrink,
            ActionKind.DELETE_SERVER: self._delete_server,
        }
        step = steps.get(action.kind)
        if step is not None:
            step(action)

    def fail(self, action: Action) -> None:
        """Ends a load that failed: it takes no memory any more. A version that answers keeps what it has."""
        flight = self.flying.pop(action.id, None)
        if flight is None:
            return
        copy = flight.copy
        copy.in_flight = False
        if not copy.loaded and copy in self.copies.get(action.subject, []):
            self._leave(copy)
            self.copies[action.subject].remove(copy)

    def off_the_air(self, names: Iterable[str] | None = None) -> list[str]:
        """Returns which of `names` (None: of all models) were to stay, but have a route that cannot answer."""
        return [
            name
            for name in (self.route if names is None else names)
            if name in self.route and name not in self.may_go and not self._answers(name)
        ]

    def overfull(self) -> str:
        """Returns which server replica holds more than its limit, and more than it did at first; empty if none does."""
        for slot in self.touched:
            free = self.free.get(slot, 0)
            if free < 0 and free < self.overdrawn.get(slot, 0):
                return f"{slot[0]}/{slot[1]} is over its limit by {-free} bytes"
        self.touched.clear()
        return ""

    def _answers(self, name: str) -> bool:
        copy = self.route[name]
        return copy.loaded and copy in self.copies.get(name, ())

    def _take(self, slot: Slot, amount: int) -> None:
        self.free[slot] -= amount
        self.touched.add(slot)

    def _view(self, slot: Slot) -> int:
        """Room as the scheduler sees it: loads in flight count once more than they really take."""
        return self.free[slot] - sum(flight.copy.amount for flight in self.flying.values() if slot in flight.slots)

    def _start_probe(self, action: Action) -> None:
        copy = self._new_copy(action)
        self.flying[action.id] = Flight(copy, frozenset(copy.slots))

    def _finish_probe(self, action: Action) -> None:
        self._leave(self.flying.pop(action.id).copy)

    def _start_load(self, action: Action) -> None:
        assert action.model is not None
        copy = self._find(action)
        if action.kind is ActionKind.LOAD and copy is not None and action.number is not None:
            # Nothing is written: it waits for what is in flight.
            self.flying[action.id] = Flight(copy, frozenset(copy.held if copy.in_flight else ()))
            return
        self._check_nothing_superseded(action, copy)
        if action.kind is not ActionKind.CHANGE:
            self._check_route_is_kept(action, copy)
        wanted = action.model.spec.wanted_replicas
        before = set() if copy is None else set(copy.slots)
        if copy is None or (not copy.held and not copy.loaded):
            made = self._new_copy(action)
            if copy is not None:
                made.number = copy.number
                self.copies[action.subject].remove(copy)
            self.copies.setdefault(action.subject, []).append(made)
            copy = made
        elif copy.loaded or len(copy.slots) >= wanted or action.number is not None:
            self._resize(action, copy, wanted)
        else:
            raise Violation(f"{action.id} loads what is loading already")
        self.flying[action.id] = Flight(copy, frozenset(copy.slots - before))

    def _check_route_is_kept(self, action: Action, copy: Copy | None) -> None:
        """Where the scheduler moves the route: only a version that is `ModelAvailable` keeps it (docs/seldon.md)."""
        serving = self.route.get(action.subject)
        if self.commanded or serving is None or serving is copy or action.subject in self.may_go:
            return
        if not serving.settled and self._answers(action.subject):
            raise Violation(f"{action.id} takes {action.subject} off the air: what serves is not whole")

    def _check_nothing_superseded(self, action: Action, copy: Copy | None) -> None:
        """A load in flight that is superseded keeps its room for good (docs/seldon.md, "Capacity")."""
        known = self.copies.get(action.subject, [])
        if known and known[-1] is not copy and known[-1].in_flight:
            raise Violation(f"{action.id} supersedes a load in flight")

    def _new_copy(self, action: Action) -> Copy:
        manifest = action.model
        assert manifest is not None
        memory = manifest.spec.memory if manifest.spec.memory is not None else self.guards.default_model_memory
        amount = memory or 0
        wanted = manifest.spec.wanted_replicas
        slots = self._place(manifest, amount, wanted)
        if slots is None and manifest.spec.min_replicas:
            slots = self._place_at_least(manifest, amount, min(manifest.spec.min_replicas, wanted))
        if slots is None:
            raise Violation(f"{action.id} could find no place")
        for slot in slots:
            self._take(slot, amount)
        return Copy(action.digest, None, next(iter(slots))[0] if slots else "", slots, amount, loaded=False)

    def _resize(self, action: Action, copy: Copy, wanted: int) -> None:
        """Grows a version in place, or shrinks it: those replicas go that have least room."""
        more = wanted - len(copy.held)
        if more > 0:
            copy.settled = False
            open_slots = [slot for slot in self._open(copy.server) if slot not in copy.slots]
            fitting = sorted((s for s in open_slots if self._view(s) >= copy.amount), key=self._order)
            if len(fitting) < more:
                raise Violation(f"{action.id} could find no place for {more} more replicas")
            for slot in fitting[:more]:
                copy.slots.add(slot)
                self._take(slot, copy.amount)
        for slot in sorted(copy.slots, key=self._order)[wanted:]:
            copy.slots.discard(slot)
            if slot in self.free:
                self.free[slot] += copy.amount

    def _place(self, manifest: ModelManifest, amount: int, wanted: int) -> set[Slot] | None:
        found = {name: slots for name, slots in self._fitting(manifest, amount).items() if len(slots) >= wanted}
        return set(found[self.choose(sorted(found))][:wanted]) if found else None

    def _place_at_least(self, manifest: ModelManifest, amount: int, least: int) -> set[Slot] | None:
        """What there is, if it is enough for `minReplicas` (docs/seldon.md, "Capacity")."""
        found = {name: slots for name, slots in self._fitting(manifest, amount).items() if len(slots) >= least}
        return set(found[self.choose(sorted(found))][: manifest.spec.wanted_replicas]) if found else None

    def _fitting(self, manifest: ModelManifest, amount: int) -> dict[str, list[Slot]]:
        """The replicas with room, of every server that matches, in the order in which they are taken."""
        spec = manifest.spec
        found: dict[str, list[Slot]] = {}
        for name in [spec.server] if spec.server else sorted(self.offers):
            if not spec.needs <= self.offers.get(name, frozenset()) or name not in self.offers:
                continue
            slots = [slot for slot in self._open(name) if self._view(slot) >= amount]
            found[name] = sorted(slots, key=self._order)
        return found

    def _open(self, server: str) -> list[Slot]:
        return [slot for slot in self.free if slot[0] == server and slot not in self.away]

    def _order(self, slot: Slot) -> tuple[int, int]:
        return (-self._view(slot), slot[1]) if slot in self.free else (0, slot[1])

    def _finish_load(self, action: Action) -> None:
        copy = self.flying.pop(action.id).copy
        copy.loaded = copy.settled = True
        copy.in_flight = False
        if action.kind is ActionKind.CHANGE:
            self._drop_newer(action.subject, copy)

    def _drop_newer(self, model: str, copy: Copy) -> None:
        known = self.copies[model]
        for newer in known[known.index(copy) + 1 :]:
            self._leave(newer)
            known.remove(newer)

    def _shift(self, action: Action) -> None:
        copy = self._find(action)
        if copy is None or not copy.loaded:
            raise Violation(f"{action.id} leads to a version that is not loaded")
        self.route[action.subject] = copy
        self.may_go.discard(action.subject)

    def _start_unload(self, action: Action) -> None:
        copy = self._numbered(action)
        if copy is None:
            raise Violation(f"{action.id} names a version that does not exist")
        recreated = action.model is not None and action.model.policy.strategy is Strategy.RECREATE
        if self.route.get(action.subject) is copy:
            if not recreated:
                raise Violation(f"{action.id} takes {action.subject} off the air")
            self.may_go.add(action.subject)
        if not copy.loaded and any(flight.copy is copy for flight in self.flying.values()):
            raise Violation(f"{action.id} ends a load in flight")

    def _finish_unload(self, action: Action) -> None:
        copy = self._numbered(action)
        if copy is not None:
            self._leave(copy)
            self.copies[action.subject].remove(copy)

    def _start_removal(self, action: Action) -> None:
        recreated = action.model is not None and action.model.policy.strategy is Strategy.RECREATE
        answers = action.subject in self.route and self._answers(action.subject)
        if action.kind is ActionKind.WITHDRAW and answers and not recreated:
            raise Violation(f"{action.id} takes {action.subject} off the air")
        known = self.copies.get(action.subject, [])
        if any(flight.copy in known for flight in self.flying.values()) or (known and known[-1].in_flight):
            raise Violation(f"{action.id} ends a load in flight")
        self.may_go.add(action.subject)

    def _finish_all_gone(self, action: Action) -> None:
        for copy in self.copies.pop(action.subject, []):
            self._leave(copy)
        self.route.pop(action.subject, None)

    def _server(self, action: Action) -> None:
        assert action.server is not None
        spec = action.server.spec
        self.offers[action.subject] = self._offered(action.subject, spec)
        for index in range(spec.wanted_replicas):
            slot = (action.subject, index)
            self.away.discard(slot)
            used = self.limits.get(slot, 0) - self.free.get(slot, 0)
            self.limits[slot] = spec.limit
            before = self.free.get(slot, 0)
            self.free[slot] = spec.limit - used
            if self.free[slot] < min(0, before):
                raise Violation(f"{action.id} leaves {action.subject}/{index} over its limit")

    def _offered(self, name: str, spec: ServerSpec) -> frozenset[str]:
        if spec.capabilities is not None:
            return frozenset(spec.capabilities) | frozenset(spec.extra_capabilities)
        base = self.offers.get(name, self.configs.get(spec.server_config, frozenset()))
        return base | frozenset(spec.extra_capabilities)

    def _shrink(self, action: Action) -> None:
        assert action.server is not None
        gone = {s for s in self.free if s[0] == action.subject and s[1] >= action.server.spec.wanted_replicas}
        left = {s: room for s, room in self.free.items() if s[0] == action.subject and s not in gone}
        for name, copies in self.copies.items():
            for copy in copies:
                for _ in copy.slots & gone:
                    fitting = [s for s in left if s not in copy.slots and self.free[s] >= copy.amount]
                    if not fitting:
                        raise Violation(f"{action.id} strands {name}")
                    target = min(fitting, key=self._order)
                    copy.slots.add(target)
                    self._take(target, copy.amount)
                copy.slots -= gone
        for slot in gone:
            del self.free[slot], self.limits[slot]
        self._server(action)

    def _delete_server(self, action: Action) -> None:
        stranded = sorted(
            n for n, copies in self.copies.items() for c in copies if c.server == action.subject and c.slots
        )
        if stranded:
            raise Violation(f"{action.id} strands {', '.join(stranded)}")
        self.offers.pop(action.subject, None)

    def _find(self, action: Action) -> Copy | None:
        known = self.copies.get(action.subject, [])
        if action.number is not None:
            return self._numbered(action)
        fresh = [copy for copy in known if copy.number is None and copy.digest == action.digest]
        return fresh[-1] if fresh else None

    def _numbered(self, action: Action) -> Copy | None:
        return next((c for c in self.copies.get(action.subject, []) if c.number == action.number), None)

    def _leave(self, copy: Copy) -> None:
        for slot in copy.slots:
            if slot in self.free:
                self.free[slot] += copy.amount
        copy.slots = set()
        copy.loaded = False


def world(live: LiveState, guards: Guards, choose: Callable[[list[str]], str]) -> World:
    """Returns the world as `live` has it; `choose` picks one of several servers by name, as the scheduler would."""
    configs = {config.name: config.capabilities for config in live.server_configs}
    made = World(guards, choose, live.traits.commands_traffic, configs=configs)
    for server in live.servers:
        made.offers[server.name] = server.capabilities
        for replica in server.replicas:
            made.limits[server.name, replica.index] = replica.limit
            made.free[server.name, replica.index] = replica.room
            made.overdrawn[server.name, replica.index] = min(0, replica.room)
            if server.deleting or not replica.ready:
                made.away.add((server.name, replica.index))
    for model in live.models:
        for version in model.versions:
            slots = {(version.server, index) for index in version.occupied}
            loaded = version.available > 0
            settled = version.state is VersionState.AVAILABLE
            copy = Copy(version.digest or "", version.number, version.server, slots, version.memory, loaded, settled)
            copy.in_flight = version.loading and version is model.live_version
            copy.leaving = frozenset(slots) - {(version.server, index) for index in version.staying}
            made.copies.setdefault(model.name, []).append(copy)
            if loaded and any(number == version.number and weight for number, weight in model.route):
                made.route[model.name] = copy
    return made
