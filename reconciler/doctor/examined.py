"""One observation, with what several hazards need to know of it reckoned once. Pure.

What fits is the planner's answer: its rooms, its forms, its words for a shortfall (docs/planning-decisions.md).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.health import on_the_air
from reconciler.model.live import LiveModel, LiveServer, LiveState, LiveVersion, VersionState
from reconciler.model.manifests import ModelManifest, ModelSpec, Source
from reconciler.model.plan import Guards, ProbePolicy, Reason, Verb
from reconciler.planner import forms, stepped
from reconciler.planner.ordering import arrange
from reconciler.planner.room import Rooms
from reconciler.planner.servers import Outlook, ReplicaOutlook
from reconciler.planner.shortfall import shortfall
from reconciler.planner.situation import Situation
from reconciler.planner.unit import Need, Priority, Unit
from reconciler.planner.verdicts import decision_on

Placed = tuple[LiveModel, LiveVersion]

_ROOMIEST = 3
"""Servers without room that a shortfall is reckoned on at most."""

_NO_PROBES = Guards(probe=ProbePolicy.NEVER)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What would become of one placement, tried alone, on the room that is shown now.

    Attributes:
        fits: it surely finds room. stepped: only after replicas were given up first. detail: what is missing, if it
            does not fit, or only stepped.
    """

    fits: bool
    stepped: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """An observation.

    Attributes:
        on: what takes memory on each server replica, (server, index). outlooks: the servers as loads would find them.
        rooms: what surely is left on each replica. flying: the models of which a load is in flight. answering: the
            names of those that are on the air.
    """

    live: LiveState
    servers: Mapping[str, LiveServer]
    on: Mapping[tuple[str, int], tuple[Placed, ...]]
    outlooks: tuple[Outlook, ...]
    rooms: Rooms
    flying: tuple[LiveModel, ...]
    answering: frozenset[str]

    def models_on(self, server: str) -> tuple[str, ...]:
        """Returns the names of the models that take memory on `server`, sorted."""
        return tuple(sorted({m.name for (name, _), placed in self.on.items() if name == server for m, _ in placed}))

    def untold(self, model: LiveModel) -> bool:
        """Returns whether a version that nobody saw may answer for `model`, though none is shown to.

        Without the scheduler's word the status is that of the latest version only (docs/seldon.md, "Status: what to
        believe"). What could not be placed has taken any other off the air ("The rule behind every outage").
        """
        live = model.live_version
        if not self.live.unverified or live is None or model.name in self.answering:
            return False
        unseen = any(version.digest is None and version.occupied for version in model.versions[:-1])
        return unseen and live.state is not VersionState.SCHEDULE_FAILED

    def fits(self, spec: ModelSpec) -> bool:
        """Returns whether a version of `spec` beside all that is there surely finds room now; unknown memory does."""
        need = Need("", spec.memory or 0, spec.wanted_replicas, spec.needs, spec.server)
        return self.rooms.fits(need)

    def second_version(self, model: LiveModel, *, fixed_size: bool = False) -> Attempt:
        """Returns what would become of another version like the one that is there: beside it, in steps, or not.

        With `fixed_size` as if no autoscaler changed the size of any Server.
        """
        changed = dataclasses.replace(model.spec, artifact_version=(model.spec.artifact_version or 0) + 1)
        situation = self._situation(model, changed)
        decision = decision_on(situation, 11, Verb.ROLL_OUT, Reason.NEW_VERSION)
        outlooks = tuple(dataclasses.replace(o, steady=o.steady or fixed_size) for o in self._near(model))
        unit = stepped.rolling(situation, decision, situation.written(), Priority.ROLLOUT)
        unstepped = tuple(other for other in unit.alternatives if other.steps is None)
        beside = self._attempt(dataclasses.replace(unit, alternatives=unstepped, no_steps=""), outlooks)
        if beside.fits:
            return beside
        found = self._attempt(unit, outlooks)
        return Attempt(fits=True, stepped=True, detail=beside.detail) if found.fits else found

    def again(self, model: LiveModel) -> Attempt:
        """Returns what would become of a re-trigger of the live version."""
        situation = self._situation(model, model.spec)
        decision = decision_on(situation, 5, Verb.RESCUE, Reason.OFF_THE_AIR)
        return self._attempt(forms.retrigger(situation, decision), self._near(model))

    def recreated(self, model: LiveModel) -> Attempt:
        """Returns what would become of the model if it was deleted, and applied again when it is gone."""
        situation = self._situation(model, model.spec)
        decision = decision_on(situation, 5, Verb.RESCUE, Reason.OFF_THE_AIR)
        return self._attempt(forms.recreate(situation, decision), self._near(model))

    def _near(self, model: LiveModel) -> tuple[Outlook, ...]:
        """The servers that matter to `model`: where it is, where any replica has room for it, else the roomiest.

        With hundreds of servers that are full this saves nearly all of the work, and changes no answer.
        """
        amount, home = model.spec.memory or 0, {version.server for version in model.versions}
        named = [o for o in self.outlooks if model.spec.server in (None, o.name) and model.spec.needs <= o.capabilities]
        most = {o.name: max((r.room for r in o.replicas.values()), default=-1) for o in named}
        roomiest = sorted(most, key=lambda name: (-most[name], name))[:_ROOMIEST]
        return tuple(o for o in named if o.name in home or o.name in roomiest or most[o.name] >= amount)

    def _situation(self, model: LiveModel, spec: ModelSpec) -> Situation:
        known = dataclasses.replace(spec, memory=spec.memory or 0, replicas=spec.wanted_replicas)
        desired = ModelManifest(model.name, known, Source("", 0), namespace=model.namespace)
        return Situation(model.name, desired, model, _NO_PROBES, self.live.traits, "", self.live.observed_at)

    def _attempt(self, unit: Unit, outlooks: tuple[Outlook, ...]) -> Attempt:
        arrangement = arrange([unit], outlooks, 0, self.flying)
        if arrangement.placed:
            return Attempt(fits=True)
        return Attempt(fits=False, detail=shortfall(unit, arrangement).detail)


def examined(live: LiveState) -> Examined:
    """Returns `live` with what the hazards need to know of it."""
    on: dict[tuple[str, int], list[Placed]] = {}
    for model in live.models:
        for version in model.versions:
            for index in version.occupied:
                on.setdefault((version.server, index), []).append((model, version))
    outlooks = tuple(_outlook(server, live) for server in live.servers if not server.deleting)
    flying = tuple(model for model in live.models if any(version.loading for version in model.versions))
    return Examined(
        live=live,
        servers={server.name: server for server in live.servers},
        on={replica: tuple(placed) for replica, placed in on.items()},
        outlooks=outlooks,
        rooms=_rooms(outlooks, flying),
        flying=flying,
        answering=frozenset(model.name for model in live.models if on_the_air(model)),
    )


def steady(server: LiveServer, live: LiveState) -> bool:
    """Returns whether Seldon's autoscaler leaves the size of `server` alone (docs/seldon.md, "Servers")."""
    return live.traits.commands_traffic or least(server) >= server.spec.wanted_replicas


def least(server: LiveServer) -> int:
    """Returns the number of replicas below which Seldon's autoscaler does not shrink `server`."""
    return max(server.spec.min_replicas or 1, 1)


def _outlook(server: LiveServer, live: LiveState) -> Outlook:
    replicas = {r.index: ReplicaOutlook(r.limit, r.room) for r in server.replicas if r.ready}
    return Outlook(
        server.name, server.capabilities, replicas, steady=steady(server, live), least=min(least(server), len(replicas))
    )


def _rooms(outlooks: tuple[Outlook, ...], flying: tuple[LiveModel, ...]) -> Rooms:
    """Loads in flight count twice (docs/seldon.md, "Room is not what is free")."""
    rooms = Rooms(outlooks, 0)
    for version in (version for model in flying for version in model.versions if version.loading):
        for index in version.occupied:
            rooms.doubt((version.server, index), version.memory)
    return rooms
