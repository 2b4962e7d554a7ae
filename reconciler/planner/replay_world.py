"""A world for the replay checker: servers, versions and routes, changed by actions under the scheduler's rules.

Written from docs/seldon.md ("How a rolling update really runs", "Capacity"), sharing nothing with the code that makes
plans: it is the second opinion. It knows what the plan's actions ask for, never what the planner thought would happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reconciler.model.live import LiveState
from reconciler.model.manifests import ModelManifest, ServerSpec, Strategy
from reconciler.model.plan import Action, ActionKind, Guards

Slot = tuple[str, int]


class Violation(Exception):
    """An action breaks a promise of the plan; the text says which, for a person."""


@dataclass(slots=True)
class Copy:
    """One version of a model: where it is, what it takes, whether it can answer."""

    digest: str
    number: int | None
    server: str
    slots: set[Slot]
    amount: int
    loaded: bool


@dataclass(slots=True)
class World:
    """Room per server replica in bytes, versions per model, and which version has each route."""

    guards: Guards
    choose: Callable[[list[str]], str]
    limits: dict[Slot, int] = field(default_factory=dict)
    free: dict[Slot, int] = field(default_factory=dict)
    offers: dict[str, frozenset[str]] = field(default_factory=dict)
    configs: dict[str, frozenset[str]] = field(default_factory=dict)
    copies: dict[str, list[Copy]] = field(default_factory=dict)
    route: dict[str, Copy] = field(default_factory=dict)
    flying: dict[str, Copy] = field(default_factory=dict)
    may_go: set[str] = field(default_factory=set)
    overdrawn: dict[Slot, int] = field(default_factory=dict)
    touched: set[Slot] = field(default_factory=set)

    def start(self, action: Action) -> None:
        """Takes `action` in. Raises Violation when the scheduler could not place it, or it may not be done now."""
        if action.kind in (ActionKind.LOAD, ActionKind.CHANGE):
            self._start_load(action)
        elif action.kind is ActionKind.UNLOAD:
            self._start_unload(action)
        elif action.kind is ActionKind.DECOMMISSION:
            self._start_decommission(action)

    def finish(self, action: Action) -> None:
        """Brings `action` to its end. Raises Violation when that end is not reached or breaks a promise."""
        steps = {
            ActionKind.LOAD: self._finish_load,
            ActionKind.CHANGE: self._finish_load,
            ActionKind.SHIFT: self._shift,
            ActionKind.UNLOAD: self._finish_unload,
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
        copy = self.flying.pop(action.id, None)
        if copy is not None and not copy.loaded and copy in self.copies.get(action.subject, []):
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
        flying = sum(copy.amount for copy in self.flying.values() if slot in copy.slots and not copy.loaded)
        return self.free[slot] - flying

    def _start_load(self, action: Action) -> None:
        manifest = action.model
        assert manifest is not None
        copy = self._find(action)
        wanted = manifest.spec.wanted_replicas
        if copy is not None and (copy.loaded or len(copy.slots) >= wanted or action.number is not None):
            self._resize(action, copy, wanted)
            self.flying[action.id] = copy
            return
        memory = manifest.spec.memory if manifest.spec.memory is not None else self.guards.default_model_memory
        slots = self._place(manifest, memory or 0, wanted, set())
        if slots is None:
            raise Violation(f"{action.id} could find no place")
        copy = Copy(action.digest, None, next(iter(slots))[0] if slots else "", slots, memory or 0, loaded=False)
        for slot in slots:
            self._take(slot, copy.amount)
        self.copies.setdefault(action.subject, []).append(copy)
        self.flying[action.id] = copy

    def _resize(self, action: Action, copy: Copy, wanted: int) -> None:
        """Grows a version in place, or shrinks it: those replicas go that have least room."""
        more = wanted - len(copy.slots)
        if more > 0:
            open_slots = [slot for slot in self.free if slot[0] == copy.server and slot not in copy.slots]
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

    def _place(self, manifest: ModelManifest, amount: int, wanted: int, without: set[Slot]) -> set[Slot] | None:
        spec = manifest.spec
        found: dict[str, list[Slot]] = {}
        for name in [spec.server] if spec.server else sorted(self.offers):
            if not spec.needs <= self.offers.get(name, frozenset()) or name not in self.offers:
                continue
            slots = [s for s in self.free if s[0] == name and s not in without and self._view(s) >= amount]
            if len(slots) >= wanted:
                found[name] = sorted(slots, key=self._order)[:wanted]
        return set(found[self.choose(sorted(found))]) if found else None

    def _order(self, slot: Slot) -> tuple[int, int]:
        return (-self._view(slot), slot[1]) if slot in self.free else (0, slot[1])

    def _finish_load(self, action: Action) -> None:
        copy = self.flying.pop(action.id)
        copy.loaded = True
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
        if not copy.loaded and any(flying is copy for flying in self.flying.values()):
            raise Violation(f"{action.id} ends a load in flight")

    def _finish_unload(self, action: Action) -> None:
        copy = self._numbered(action)
        if copy is not None:
            self._leave(copy)
            self.copies[action.subject].remove(copy)

    def _start_decommission(self, action: Action) -> None:
        if any(flying in self.copies.get(action.subject, []) for flying in self.flying.values()):
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
            used = self.limits.get(slot, 0) - self.free.get(slot, 0)
            self.limits[slot] = spec.limit
            self.free[slot] = spec.limit - used
            if self.free[slot] < 0:
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
    made = World(guards, choose, configs={config.name: config.capabilities for config in live.server_configs})
    for server in live.servers:
        made.offers[server.name] = server.capabilities
        for replica in server.replicas:
            made.limits[server.name, replica.index] = replica.limit
            made.free[server.name, replica.index] = replica.room
            made.overdrawn[server.name, replica.index] = min(0, replica.room)
    for model in live.models:
        for version in model.versions:
            slots = {(version.server, index) for index in version.occupied}
            loaded = version.available > 0
            copy = Copy(version.digest or "", version.number, version.server, slots, version.memory, loaded)
            made.copies.setdefault(model.name, []).append(copy)
            if loaded and any(number == version.number and weight for number, weight in model.route):
                made.route[model.name] = copy
    return made
