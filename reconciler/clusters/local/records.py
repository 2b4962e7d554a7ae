"""What the local cluster keeps about itself, as frozen data. No I/O, no clock.

A `State` is all that survives the gateway's death. Changes are made by the pure functions of `actions` (what somebody
asks for) and `facts` (what happened); both end in `settle`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model.codec import model_policy
from reconciler.model.live import Placed, ReplicaState
from reconciler.model.manifests import ModelPolicy, ModelSpec, ServerSpec


@dataclass(frozen=True, slots=True, order=True)
class ReplicaKey:
    """One server replica."""

    server: str
    index: int

    def __str__(self) -> str:
        return f"{self.server}/{self.index}"


@dataclass(frozen=True, slots=True, order=True)
class LoadKey:
    """One version of one model on one server replica."""

    model: str
    number: int
    replica: ReplicaKey

    @property
    def loaded_as(self) -> str:
        """The name under which MLServer knows the version."""
        return loaded_as(self.model, self.number)


def loaded_as(model: str, number: int) -> str:
    """Returns the name under which inference servers know a version: also its folder's name."""
    return f"{model}_{number}"


@dataclass(frozen=True, slots=True)
class Process:
    """One MLServer process.

    Attributes:
        started: its start time in clock ticks since boot, as /proc says: with `pid` it names this very process.
        token: the name it gives itself in `GET /v2`, so that nobody else on `port` is taken for it.
    """

    pid: int
    started: int
    port: int
    token: str

    @property
    def url(self) -> str:
        """Where its REST API answers."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class ReplicaRecord:
    """One server replica. `retiring`: its versions move away, then its process ends."""

    index: int
    process: Process | None = None
    retiring: bool = False


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """One Server object and its replicas, sorted by index."""

    name: str
    spec: ServerSpec
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    replicas: tuple[ReplicaRecord, ...] = ()
    deleting: bool = False

    def replica(self, index: int) -> ReplicaRecord | None:
        """Returns the replica of that index, None when there is none."""
        return next((r for r in self.replicas if r.index == index), None)

    def with_replica(self, changed: ReplicaRecord) -> ServerRecord:
        """Returns the server with `changed` in the place of the replica of that index."""
        others = [r for r in self.replicas if r.index != changed.index]
        return replace(self, replicas=tuple(sorted([*others, changed], key=lambda r: r.index)))


@dataclass(frozen=True, slots=True)
class VersionRecord(Placed):
    """One version of a model.

    Attributes:
        memory: bytes it takes on each replica. replicas: (server replica index, state), sorted.
        wanted: replicas its spec asks for.
        proven: it was available on all its replicas once; a load that fails later takes nothing away.
        failed: a load of it failed. ending: it is to be unloaded everywhere. hidden: given up by a revert.
        reason: for people.
    """

    number: int
    spec: ModelSpec
    digest: str
    memory: int
    server: str
    replicas: tuple[tuple[int, ReplicaState], ...]
    wanted: int
    proven: bool = False
    failed: bool = False
    ending: bool = False
    hidden: bool = False
    reason: str = ""

    def on(self, index: int) -> ReplicaState | None:
        """Returns its state on the server replica `index`, None when it is not there."""
        return dict(self.replicas).get(index)

    def with_states(self, states: Mapping[int, ReplicaState]) -> VersionRecord:
        """Returns the version with `states` set on those server replicas."""
        return replace(self, replicas=tuple(sorted((dict(self.replicas) | dict(states)).items())))


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One Model object, its versions sorted by number, and its route as (version number, weight) pairs."""

    name: str
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[VersionRecord, ...] = ()
    route: tuple[tuple[int, int], ...] = ()
    deleting: bool = False

    @property
    def live(self) -> VersionRecord:
        """The live version. A model has at least one version that is not hidden."""
        return next(version for version in reversed(self.versions) if not version.hidden)

    @property
    def policy(self) -> ModelPolicy:
        """What our annotations say; those that cannot be read keep their default."""
        return model_policy(self.annotations)[0]

    def version(self, number: int) -> VersionRecord | None:
        """Returns the version of that number, None when there is none."""
        return next((v for v in self.versions if v.number == number), None)

    def routed(self, number: int) -> bool:
        """Returns whether that version is in the route, with whatever weight."""
        return any(routed == number for routed, _ in self.route)

    def with_version(self, changed: VersionRecord) -> ModelRecord:
        """Returns the model with `changed` in the place of the version of that number, or added."""
        others = [v for v in self.versions if v.number != changed.number]
        return replace(self, versions=tuple(sorted([*others, changed], key=lambda v: v.number)))


@dataclass(frozen=True, slots=True)
class State:
    """All that the local cluster keeps. `numbers`: the last version number given to each model name, kept for good."""

    servers: Mapping[str, ServerRecord] = field(default_factory=dict)
    models: Mapping[str, ModelRecord] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)

    def with_model(self, model: ModelRecord) -> State:
        """Returns the state with `model` in the place of the one of that name, or added."""
        return replace(self, models={**self.models, model.name: model})

    def with_server(self, server: ServerRecord) -> State:
        """Returns the state with `server` in the place of the one of that name, or added."""
        return replace(self, servers={**self.servers, server.name: server})

    def replica(self, key: ReplicaKey) -> ReplicaRecord | None:
        """Returns that server replica, None when there is none."""
        server = self.servers.get(key.server)
        return server.replica(key.index) if server else None

    def version(self, key: LoadKey) -> VersionRecord | None:
        """Returns the version that `key` is about, None when it is gone."""
        model = self.models.get(key.model)
        return model.version(key.number) if model else None

    def loads(self) -> Iterator[tuple[LoadKey, ReplicaState]]:
        """Yields every version on every server replica with its state there."""
        for model in self.models.values():
            for version in model.versions:
                for index, state in version.replicas:
                    yield LoadKey(model.name, version.number, ReplicaKey(version.server, index)), state

    def replicas(self) -> Iterator[tuple[ReplicaKey, ReplicaRecord]]:
        """Yields every server replica."""
        for server in self.servers.values():
            for record in server.replicas:
                yield ReplicaKey(server.name, record.index), record
