"""A world for the replay checker: servers, versions and routes, changed by actions under the scheduler's rules.

Written from docs/seldon.md ("How a rolling update really runs", "Capacity"), sharing nothing with the code that makes
plans: it is the second opinion. It knows what the plan's actions ask for, never what the planner thought would happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reconciler.model.live import LiveModel, LiveState, VersionState
from reconciler.model.manifests import Strategy
from reconciler.model.plan import Action, ActionKind, Guards
from reconciler.planner.replay_carried import Carried, carried
from reconciler.planner.replay_servers import Copy, Flight, Servers, Violation

__all__ = ["Violation", "World", "world"]


@dataclass(slots=True)
class World:
    """Servers, versions per model (the newest last), and which version has each route.

    Attributes:
        commanded: whether we shift, drain and unload, and not the scheduler.
        may_go: models that this plan takes off the air on purpose. carried: the Experiments and Pipelines.
    """

    guards: Guards
    servers: Servers
    commanded: bool
    copies: dict[str, list[Copy]] = field(default_factory=dict)
    route: dict[str, Copy] = field(default_factory=dict)
    may_go: set[str] = field(default_factory=set)
    carried: Carried = field(default_factory=Carried)

    def start(self, action: Action) -> None:
        """Takes `action` in. Raises Violation when the scheduler could not place it, or it may not be done now."""
        steps: dict[ActionKind, Callable[[Action], None]] = {
            ActionKind.PROBE: self._start_probe,
            ActionKind.LOAD: self._start_load,
            ActionKind.RETRIGGER: self._start_load,
            ActionKind.CHANGE: self._start_load,
            ActionKind.UNLOAD: self._start_unload,
            ActionKind.WITHDRAW: self._start_removal,
            ActionKind.DECOMMISSION: self._start_removal,
            ActionKind.APPLY: lambda action: self.carried.apply(action, self._answers),
        }
        step = steps.get(action.kind)
        if step is not None:
            step(action)

    def finish(self, action: Action) -> None:
        """Brings `action` to its end. Raises Violation when that end is not reached or breaks a promise."""
        steps: dict[ActionKind, Callable[[Action], None]] = {
            ActionKind.PROBE: self._finish_probe,
            ActionKind.RETRIGGER: self._finish_load,
            ActionKind.LOAD: self._finish_load,
            ActionKind.CHANGE: self._finish_load,
            ActionKind.SHIFT: self._shift,
            ActionKind.UNLOAD: self._finish_unload,
            ActionKind.WITHDRAW: self._finish_removal,
            ActionKind.DECOMMISSION: self._finish_removal,
            ActionKind.WAIT_DELETED: self._finish_removal,
            ActionKind.CREATE_SERVER: self.servers.bring_up,
            ActionKind.UPDATE_SERVER: self.servers.bring_up,
            ActionKind.SHRINK_SERVER: self._shrink_server,
            ActionKind.DELETE_SERVER: self._delete_server,
            ActionKind.APPLY: self.carried.applied,
            ActionKind.REMOVE: lambda action: self.carried.remove(action.subject),
        }
        step = steps.get(action.kind)
        if step is not None:
            step(action)

    def fail(self, action: Action) -> None:
        """Ends a load that failed: it takes no memory any more. A version that answers keeps what it has."""
        flight = self.servers.flying.pop(action.id, None)
        if flight is None:
            return
        copy = flight.copy
        copy.in_flight = False
        if not copy.loaded and copy in self.copies.get(action.subject, []):
            self._remove(action.subject, copy)

    def off_the_air(self, names: Iterable[str] | None = None) -> list[str]:
        """Returns which of `names` (None: of all models) were to stay, but have a route that cannot answer."""
        return [
            name
            for name in (self.route if names is None else names)
            if name in self.route and name not in self.may_go and not self._answers(name)
        ]

    def overfull(self) -> str:
        """Returns which server replica holds more than its limit; empty if none does."""
        return self.servers.overfull()

    def _answers(self, name: str) -> bool:
        copy = self.route.get(name)
        return copy is not None and copy.loaded and copy in self.copies.get(name, ())

    def _start_probe(self, action: Action) -> None:
        copy = self._new_copy(action)
        self.servers.flying[action.id] = Flight(copy, frozenset(copy.slots))

    def _finish_probe(self, action: Action) -> None:
        self.servers.leave(self.servers.flying.pop(action.id).copy)

    def _start_load(self, action: Action) -> None:
        copy = self._find(action)
        if action.kind is ActionKind.LOAD and copy is not None and action.number is not None:
            # Nothing is written: it waits for what is in flight.
            self.servers.flying[action.id] = Flight(copy, frozenset(copy.held if copy.in_flight else ()))
            return
        self._check_nothing_superseded(action, copy)
        if action.kind is not ActionKind.CHANGE:
            self._check_route_is_kept(action, copy)
        before = set() if copy is None else set(copy.slots)
        if copy is None or (not copy.held and not copy.loaded):
            copy = self._placed(action, copy)
        else:
            self._resize(action, copy)
        self.servers.flying[action.id] = Flight(copy, frozenset(copy.slots - before))

    def _check_nothing_superseded(self, action: Action, copy: Copy | None) -> None:
        """A load in flight that is superseded keeps its room for good (docs/seldon.md, "Capacity")."""
        known = self.copies.get(action.subject, [])
        if known and known[-1] is not copy and known[-1].in_flight:
            raise Violation(f"{action.id} supersedes a load in flight")

    def _check_route_is_kept(self, action: Action, copy: Copy | None) -> None:
        """Where the scheduler moves the route: only a version that is `ModelAvailable` keeps it (docs/seldon.md)."""
        serving = self.route.get(action.subject)
        if self.commanded or serving is None or serving is copy or action.subject in self.may_go:
            return
        if not serving.settled and self._answers(action.subject):
            raise Violation(f"{action.id} takes {action.subject} off the air: what serves is not whole")

    def _placed(self, action: Action, known: Copy | None) -> Copy:
        """A new version, or one that is `known` already and had no place."""
        made = self._new_copy(action)
        if known is not None:
            made.number = known.number
            self.copies[action.subject].remove(known)
        self.copies.setdefault(action.subject, []).append(made)
        return made

    def _new_copy(self, action: Action) -> Copy:
        assert action.model is not None
        spec = action.model.spec
        amount = (spec.memory if spec.memory is not None else self.guards.default_model_memory) or 0
        slots = self.servers.place(spec, amount)
        if slots is None:
            raise Violation(f"{action.id} could find no place")
        return Copy(action.digest, None, next(iter(slots))[0] if slots else "", slots, amount, loaded=False)

    def _resize(self, action: Action, copy: Copy) -> None:
        """Grows a version in place, or shrinks it."""
        assert action.model is not None
        wanted = action.model.spec.wanted_replicas
        if not copy.loaded and action.number is None:
            raise Violation(f"{action.id} loads what is loading already")
        more = wanted - len(copy.held)
        if more > 0:
            copy.settled = False
            if not self.servers.grow(copy, more):
                raise Violation(f"{action.id} could find no place for {more} more replicas")
        else:
            self.servers.shrink(copy, wanted)

    def _finish_load(self, action: Action) -> None:
        copy = self.servers.flying.pop(action.id).copy
        copy.loaded = copy.settled = True
        if action.model is not None:
            self.carried.loaded(action.subject, action.model.spec)
        copy.in_flight = False
        if action.kind is ActionKind.CHANGE:
            known = self.copies[action.subject]
            for newer in known[known.index(copy) + 1 :]:
                self._remove(action.subject, newer)

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
        if self.route.get(action.subject) is copy:
            if not _recreated(action):
                raise Violation(f"{action.id} takes {action.subject} off the air")
            self.may_go.add(action.subject)
        if not copy.loaded and any(flight.copy is copy for flight in self.servers.flying.values()):
            raise Violation(f"{action.id} ends a load in flight")

    def _finish_unload(self, action: Action) -> None:
        copy = self._numbered(action)
        if copy is not None:
            self._remove(action.subject, copy)

    def _start_removal(self, action: Action) -> None:
        if action.kind is ActionKind.WITHDRAW and self._answers(action.subject) and not _recreated(action):
            raise Violation(f"{action.id} takes {action.subject} off the air")
        known = self.copies.get(action.subject, [])
        if any(flight.copy in known for flight in self.servers.flying.values()) or (known and known[-1].in_flight):
            raise Violation(f"{action.id} ends a load in flight")
        if action.kind is ActionKind.DECOMMISSION:
            self.carried.check_not_needed(f"Model/{action.subject}")
        self.may_go.add(action.subject)

    def _finish_removal(self, action: Action) -> None:
        self.carried.gone(action.subject)
        for copy in self.copies.pop(action.subject, []):
            self.servers.leave(copy)
        self.route.pop(action.subject, None)

    def _shrink_server(self, action: Action) -> None:
        self.servers.take_down(action, [(name, copy) for name, copies in self.copies.items() for copy in copies])

    def _delete_server(self, action: Action) -> None:
        stranded = sorted(
            n for n, copies in self.copies.items() for c in copies if c.server == action.subject and c.slots
        )
        if stranded:
            raise Violation(f"{action.id} strands {', '.join(stranded)}")
        self.servers.offers.pop(action.subject, None)

    def _find(self, action: Action) -> Copy | None:
        if action.number is not None:
            return self._numbered(action)
        known = self.copies.get(action.subject, [])
        fresh = [copy for copy in known if copy.number is None and copy.digest == action.digest]
        return fresh[-1] if fresh else None

    def _numbered(self, action: Action) -> Copy | None:
        return next((c for c in self.copies.get(action.subject, []) if c.number == action.number), None)

    def _remove(self, model: str, copy: Copy) -> None:
        self.servers.leave(copy)
        self.copies[model].remove(copy)

    def add(self, model: LiveModel) -> None:
        """Adds a live model."""
        for version in model.versions:
            slots = {(version.server, index) for index in version.occupied}
            copy = Copy(
                version.digest or "",
                version.number,
                version.server,
                slots,
                version.memory,
                loaded=version.available > 0,
                settled=version.state is VersionState.AVAILABLE,
                in_flight=version.loading and version is model.live_version,
                leaving=frozenset(slots) - {(version.server, index) for index in version.staying},
            )
            self.copies.setdefault(model.name, []).append(copy)
            if copy.loaded and any(number == version.number and weight for number, weight in model.route):
                self.route[model.name] = copy


def _recreated(action: Action) -> bool:
    return action.model is not None and action.model.policy.strategy is Strategy.RECREATE


def world(live: LiveState, guards: Guards, choose: Callable[[list[str]], str]) -> World:
    """Returns the world as `live` has it; `choose` picks one of several servers by name, as the scheduler would."""
    servers = Servers(choose, {config.name: config.capabilities for config in live.server_configs})
    for server in live.servers:
        servers.add(server)
    made = World(guards, servers, live.traits.commands_traffic, carried=carried(live))
    for model in live.models:
        made.add(model)
    return made
