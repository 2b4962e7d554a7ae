"""The live state: what a cluster observes at one moment, as frozen data.

The words are those of Seldon Core 2's scheduler (docs/seldon.md, "Status: what to believe"), because it is the cluster
most users have; every other cluster says the same things in them.

How the recorded `update-fits` looks in these words, step by step (0: before, 1: the new version loads, 2: it took the
route over and the old one unloads, 3: over)::

    step  versions                                                route       room of mlserver/0
    0     1 available on mlserver {0: available}                  1:100       700000
    1     1 available {0: available}, 2 progressing {0: loading}  1:100       400000  (free 700000 - 300000 in flight)
    2     1 terminating {0: unloading}, 2 available {0: available} 2:100      400000
    3     1 terminated {0: unloaded}, 2 available                 2:100       700000
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

from reconciler.model.carried import LiveCarried, LiveExperiment, LivePipeline
from reconciler.model.manifests import ModelSpec, ServerSpec


class VersionState(enum.StrEnum):
    """State of one version of a model, in the scheduler's words."""

    PROGRESSING = "ModelProgressing"
    AVAILABLE = "ModelAvailable"
    FAILED = "ModelFailed"
    SCHEDULE_FAILED = "ScheduleFailed"
    SCALED_DOWN = "ModelScaledDown"
    TERMINATING = "ModelTerminating"
    TERMINATED = "ModelTerminated"
    TERMINATE_FAILED = "ModelTerminateFailed"
    UNKNOWN = "ModelStateUnknown"


class ReplicaState(enum.StrEnum):
    """State of one version on one server replica, in the scheduler's words."""

    LOAD_REQUESTED = "LoadRequested"
    LOADING = "Loading"
    LOADED = "Loaded"
    AVAILABLE = "Available"
    LOADED_UNAVAILABLE = "LoadedUnavailable"
    LOAD_FAILED = "LoadFailed"
    UNLOAD_REQUESTED = "UnloadRequested"
    UNLOADING = "Unloading"
    UNLOADED = "Unloaded"
    UNLOAD_FAILED = "UnloadFailed"
    DRAINING = "Draining"


LOADS_IN_FLIGHT = frozenset({ReplicaState.LOAD_REQUESTED, ReplicaState.LOADING})
"""States in which a load has begun and is not over."""

GONE = frozenset({ReplicaState.UNLOADED, ReplicaState.LOAD_FAILED})
"""States in which a version takes no memory of its replica."""


LEAVING = frozenset({ReplicaState.UNLOAD_REQUESTED, ReplicaState.UNLOADING, ReplicaState.DRAINING})
"""States in which a version still takes memory, but not for long."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The annotation `failed`: a version that failed to load, kept on the object so that the next pass knows.

    Attributes:
        digest: the version. count: failures in a row. when: Unix time of the last, in seconds. why: its cause.
        retry: the value that the annotation `retry` had then; another value in the manifest ends the hold.
        terms: `ModelPolicy.load_terms` then; others end the hold as well.
        refused: it did not fail: the scheduler had no room for it, against all reckoning (docs/seldon.md, "Capacity").
    """

    digest: str
    count: int
    when: float
    why: str
    retry: str | None = None
    terms: str = ""
    refused: bool = False

    @property
    def held_until(self) -> float:
        """Unix time at which the back-off ends: 1 min, doubling to 1 h (docs/planning-decisions.md, row 9)."""
        return self.when + min(60.0 * 2.0 ** min(self.count - 1, 10), 3600.0)


@dataclass(frozen=True, slots=True)
class Rollout:
    """The annotation `rollout`: a stepped rollout under way, written with the shrink and removed with the grow-back.

    Attributes:
        digest: the version it leads to. previous: the spec that served before, as it was live.
        replicas: how many to return to. when: Unix time of its beginning, in seconds.
    """

    digest: str
    previous: ModelSpec
    replicas: int
    when: float


class Placed:
    """What the states of a version on its server replicas say of it."""

    __slots__ = ()
    replicas: tuple[tuple[int, ReplicaState], ...]

    @property
    def available(self) -> int:
        """Number of replicas that can answer."""
        return sum(state is ReplicaState.AVAILABLE for _, state in self.replicas)

    @property
    def answering(self) -> int:
        """Number of replicas that answer what is routed to them: one that drains still does."""
        return sum(state in (ReplicaState.AVAILABLE, ReplicaState.DRAINING) for _, state in self.replicas)

    @property
    def occupied(self) -> tuple[int, ...]:
        """Indices of the server replicas whose memory it takes, or will take when its load ends."""
        return tuple(index for index, state in self.replicas if state not in GONE)

    @property
    def staying(self) -> tuple[int, ...]:
        """Indices of the server replicas that it goes on being on: those that it occupies and is not leaving."""
        return tuple(index for index, state in self.replicas if state not in GONE | LEAVING)

    @property
    def loading(self) -> bool:
        """Whether a load of it is in flight on some replica."""
        return any(state in LOADS_IN_FLIGHT for _, state in self.replicas)


@dataclass(frozen=True, slots=True)
class LiveVersion(Placed):
    """One version of a model that the cluster knows.

    Attributes:
        number: the cluster's own counter, from 1. digest: as `ModelSpec.digest`, None when the cluster cannot tell.
        memory: bytes it takes on each of its replicas. server: where it is placed, empty when it is not.
        replicas: (server replica index, state) pairs, sorted by index.
        wanted: replicas its spec asks for.
        in_flight: requests being answered by it now, None when the cluster does not count them.
        reason: free text of the cluster about its state, for people only.
    """

    number: int
    digest: str | None
    memory: int
    server: str
    state: VersionState
    replicas: tuple[tuple[int, ReplicaState], ...] = ()
    wanted: int = 1
    in_flight: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LiveModel:
    """One model as the cluster has it.

    Attributes:
        spec: the last one written (the live version's). instance: the owner by our label, None when there is none.
        annotations: all of the object's annotations, ours included, as written by whomever.
        versions: sorted by number; the last one is the live version. Versions long gone may be left out.
        route: (version number, weight) pairs of what answers; empty when the model is off the air.
        deleting: the object is being deleted; deleting_since: Unix time in seconds at which that began, None when the
            cluster does not tell.
        failure: the version that failed last, rollout: the stepped rollout under way, if one is on record.
        owned: labels and annotations that we wrote, such as `.metadata.labels.team`; empty where that is not known.
    """

    name: str
    spec: ModelSpec
    instance: str | None = None
    namespace: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    versions: tuple[LiveVersion, ...] = ()
    route: tuple[tuple[int, int], ...] = ()
    deleting: bool = False
    failure: Failure | None = None
    rollout: Rollout | None = None
    deleting_since: float | None = None
    owned: frozenset[str] = frozenset()

    @property
    def live_version(self) -> LiveVersion | None:
        """The last version written."""
        return self.versions[-1] if self.versions else None

    def version(self, number: int) -> LiveVersion | None:
        """Returns the version of that number, None when the cluster does not know it (any more)."""
        return next((v for v in self.versions if v.number == number), None)


@dataclass(frozen=True, slots=True)
class LiveReplica:
    """One server replica. `limit` and `room` are in bytes, overcommit included.

    `room` is what the replica can still take now as its scheduler reckons: loads in flight taken off, by Seldon's rule
    twice (docs/seldon.md, "Room is not what is free"). `ready` is False while it starts, drains or is lost, and from
    the moment when its Server asks for no replica of that index, or for other pods. `memory` is what it has without
    overcommit, in bytes: what can be loaded at one time; None when the cluster does not tell.
    """

    index: int
    limit: int
    room: int
    ready: bool = True
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class LiveServer:
    """One server as the cluster has it. `capabilities` are what it really offers, extras included.

    `owned`: as in `LiveModel`.
    """

    name: str
    spec: ServerSpec
    capabilities: frozenset[str]
    replicas: tuple[LiveReplica, ...] = ()
    instance: str | None = None
    namespace: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    deleting: bool = False
    owned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What a new server of that `serverConfig` would offer before its own (extra) capabilities."""

    name: str
    capabilities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Traits:
    """How a kind of cluster differs from Seldon's rules, where it does.

    Attributes:
        commands_traffic: True where we shift, drain and unload (the local cluster); False where the cluster does it by
            itself as soon as the new version is available, and we only observe that it did (Seldon).
        reuses_versions: True where going back to a version that is still loaded needs no new load.
        leaks: True where room may be taken by what nothing shows, so that only a probe knows (docs/seldon.md,
            "Capacity").
        carries: True where there are Experiments and Pipelines, which are carried along with the models they name.
    """

    commands_traffic: bool
    reuses_versions: bool
    leaks: bool = False
    carries: bool = False


SELDON_TRAITS = Traits(commands_traffic=False, reuses_versions=False, leaks=True, carries=True)


_NamedT = TypeVar("_NamedT", LiveModel, LiveServer)


@dataclass(frozen=True, slots=True)
class LiveState:
    """All that a cluster observes at one moment.

    Attributes:
        observed_at: Unix time in seconds. models, servers, server_configs: sorted by name.
        experiments, pipelines: likewise; empty where the cluster has none of that kind (`Traits.carries`).
        hold: why routes do not follow what is loaded for the moment, so that nothing may be changed; empty if they do.
            On Seldon, after a restart of the scheduler (docs/seldon.md, "Servers").
        unverified: why what is shown could not be confirmed by whoever schedules; empty if it was. Then nothing that
            takes room is done before a probe has asked for it.
        room_source: where the room of replicas is known from, in words for people; empty where there is only one way.
    """

    observed_at: float
    models: tuple[LiveModel, ...] = ()
    servers: tuple[LiveServer, ...] = ()
    server_configs: tuple[ServerConfig, ...] = ()
    traits: Traits = SELDON_TRAITS
    hold: str = ""
    unverified: str = ""
    room_source: str = ""
    experiments: tuple[LiveExperiment, ...] = ()
    pipelines: tuple[LivePipeline, ...] = ()

    def __post_init__(self) -> None:
        for attribute in ("models", "servers", "server_configs", "experiments", "pipelines"):
            object.__setattr__(self, attribute, tuple(sorted(getattr(self, attribute), key=lambda item: item.name)))

    def model(self, name: str) -> LiveModel | None:
        """Returns the model of that name, None when there is none."""
        return _named(self.models, name)

    def server(self, name: str) -> LiveServer | None:
        """Returns the server of that name, None when there is none."""
        return _named(self.servers, name)

    @property
    def carried(self) -> tuple[LiveCarried, ...]:
        """What is carried along: the pipelines, then the experiments."""
        return (*self.pipelines, *self.experiments)

    def one_carried(self, ref: str) -> LiveCarried | None:
        """Returns the Experiment or Pipeline that is called `ref` (kind and name), None when there is none."""
        return next((item for item in self.carried if item.ref == ref), None)


_NAME = attrgetter("name")


def _named(items: tuple[_NamedT, ...], name: str) -> _NamedT | None:
    """Returns the item of that name; `items` are sorted by it. Asked for each action with each observation."""
    place = bisect_left(items, name, key=_NAME)
    return items[place] if place < len(items) and items[place].name == name else None
