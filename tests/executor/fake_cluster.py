"""A cluster in memory that loads, shifts, drains and unloads in virtual time, and fails as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from reconciler.errors import ActionRefused, ClusterError, ClusterUnavailable
from reconciler.model.live import (
    Failure,
    LiveModel,
    LiveReplica,
    LiveServer,
    LiveState,
    LiveVersion,
    ReplicaState,
    Traits,
    VersionState,
)
from reconciler.model.manifests import ServerSpec, Strategy
from reconciler.model.plan import Action, ActionKind
from tests.executor.virtual_time import now

SERVER = "mlserver"
LIMIT = 1_000_000


@dataclass
class FakeCluster:
    """`fail_load`, `refuse`: subject → cause. `hang`: ids of actions that the cluster takes in and never finishes."""

    name: str = "fake"
    load_seconds: float = 2.0
    fail_load: dict[str, str] = field(default_factory=dict)
    refuse: dict[str, str] = field(default_factory=dict)
    hang: set[str] = field(default_factory=set)
    silent_performs: int = 0
    silent_until: float = 0.0
    broken: str = ""
    unwritable: str = ""
    in_flight: int = 0
    replicas: int = 2
    performed: list[str] = field(default_factory=list)
    done_at: dict[str, float] = field(default_factory=dict)
    began_at: dict[str, float] = field(default_factory=dict)
    records: list[tuple[str, Failure | None]] = field(default_factory=list)
    models: dict[str, LiveModel] = field(default_factory=dict)
    ready_at: dict[str, float] = field(default_factory=dict)

    async def observe(self, newer_than: LiveState | None = None) -> LiveState:
        if self.broken:
            raise ClusterError("may not be observed", why=self.broken)
        if now() < self.silent_until:
            raise ClusterUnavailable("no answer to observe")
        until = now() + 1.0
        while True:
            state = self._state()
            if newer_than is None or replace(state, observed_at=newer_than.observed_at) != newer_than or now() >= until:
                return state
            await asyncio.sleep(0.1)

    async def perform(self, action: Action) -> None:
        await asyncio.sleep(0.01)
        if self.silent_performs:
            self.silent_performs -= 1
            raise ClusterUnavailable("no answer to perform")
        if action.subject in self.refuse:
            raise ActionRefused("the cluster says no", why=self.refuse[action.subject])
        self.performed.append(action.id)
        self.began_at.setdefault(action.id, now())
        if action.id in self.hang:
            return
        handler = {
            ActionKind.LOAD: self._load,
            ActionKind.SHIFT: self._shift,
            ActionKind.DRAIN: self._drain,
            ActionKind.UNLOAD: self._unload,
            ActionKind.DECOMMISSION: self._decommission,
        }.get(action.kind)
        if handler is not None:
            handler(action)

    async def record_failure(self, model: str, failure: Failure | None) -> None:
        if self.unwritable:
            raise ActionRefused("the annotation was refused", why=self.unwritable)
        self.records.append((model, failure))
        if model in self.models:
            self.models[model] = replace(self.models[model], failure=failure)

    @asynccontextmanager
    async def lock(self, holder: str, timeout: float) -> AsyncIterator[None]:
        yield

    async def close(self) -> None:
        return

    def serve(self, name: str, spec_of: Action, *, number: int = 1) -> None:
        """Puts the version that `spec_of` would load on the air, whole."""
        assert spec_of.model is not None
        spec = spec_of.model.spec
        version = self._version(number, spec_of, ReplicaState.AVAILABLE, VersionState.AVAILABLE)
        self.models[name] = LiveModel(name, spec, "default", versions=(version,), route=((number, 100),))

    def _version(self, number: int, action: Action, replica: ReplicaState, state: VersionState) -> LiveVersion:
        assert action.model is not None
        spec = action.model.spec
        places = tuple((index, replica) for index in range(spec.wanted_replicas))
        return LiveVersion(number, action.digest, spec.memory or 0, SERVER, state, places, spec.wanted_replicas)

    def _load(self, action: Action) -> None:
        assert action.model is not None
        model = self.models.get(action.subject) or LiveModel(action.subject, action.model.spec, "default")
        newest = model.live_version
        if newest is not None and newest.digest == action.digest and newest.state is not VersionState.FAILED:
            return
        number = newest.number + 1 if newest else 1
        version = self._version(number, action, ReplicaState.LOADING, VersionState.PROGRESSING)
        self.models[action.subject] = replace(model, spec=action.model.spec, versions=(*model.versions, version))
        self.ready_at[action.subject] = now() + self.load_seconds

    def _shift(self, action: Action) -> None:
        model = self.models[action.subject]
        number = next(v.number for v in reversed(model.versions) if v.digest == action.digest)
        self.models[action.subject] = replace(model, route=((number, 100),))

    def _drain(self, action: Action) -> None:
        """Only a recreate takes the version out of the route; otherwise another has it already."""
        model = self.models[action.subject]
        if action.model is not None and action.model.policy.strategy is Strategy.RECREATE:
            route = tuple(pair for pair in model.route if pair[0] != action.number)
            self.models[action.subject] = replace(model, route=route)

    def _unload(self, action: Action) -> None:
        model = self.models[action.subject]
        versions = tuple(v for v in model.versions if v.number != action.number)
        route = tuple(pair for pair in model.route if pair[0] != action.number)
        self.models[action.subject] = replace(model, versions=versions, route=route)

    def _decommission(self, action: Action) -> None:
        del self.models[action.subject]

    def _state(self) -> LiveState:
        for name, ready_at in list(self.ready_at.items()):
            if now() >= ready_at:
                del self.ready_at[name]
                self._finish_load(name)
        models = tuple(self._with_in_flight(model) for model in self.models.values())
        taken = [sum(v.memory for m in models for v in m.versions if i in v.occupied) for i in range(self.replicas)]
        replicas = tuple(LiveReplica(index, LIMIT, LIMIT - used) for index, used in enumerate(taken))
        server = LiveServer(SERVER, ServerSpec("mlserver", self.replicas), frozenset({"sklearn"}), replicas, "default")
        return LiveState(now(), models, (server,), traits=Traits(commands_traffic=True, reuses_versions=True))

    def _finish_load(self, name: str) -> None:
        model = self.models[name]
        why = self.fail_load.get(name, "")
        state, replica = (
            (VersionState.FAILED, ReplicaState.LOAD_FAILED) if why else (VersionState.AVAILABLE, ReplicaState.AVAILABLE)
        )
        newest = model.versions[-1]
        places = tuple((index, replica) for index, _ in newest.replicas)
        newest = replace(newest, state=state, replicas=places, reason=why)
        self.models[name] = replace(model, versions=(*model.versions[:-1], newest))

    def _with_in_flight(self, model: LiveModel) -> LiveModel:
        routed = dict(model.route)
        counted = (replace(v, in_flight=0 if routed.get(v.number) else self.in_flight) for v in model.versions)
        return replace(model, versions=tuple(counted))
