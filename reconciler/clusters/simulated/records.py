"""The state of a simulated cluster: plain mutable records, and the agenda of what is to come.

    ApiObject   what the API server holds: generation, spec, status      written by api, status
    Model       what the scheduler knows of a model: its versions        written by versions, scheduling, loading ...
    Server      what the scheduler knows of a Server: its replicas, each with what its agent holds
    Target      one destination of a route, as Envoy has it
    Event       something that will happen

They are mutable, unlike the project's other data, because a simulation *is* its changing state. Nothing in here is
computed from anything else in here, so the records written down are the whole state (see `plain`).
"""

from __future__ import annotations

import bisect
import enum
from dataclasses import dataclass, field
from typing import Any

from reconciler.clusters.simulated.rules import Artifact, Choices, FirstComes, Rules
from reconciler.model.live import ReplicaState, VersionState

Json = dict[str, Any]


@dataclass(slots=True)
class ApiObject:
    """An object of the API server.

    Attributes:
        applied: what the last apply gave (spec, labels, annotations): an apply that lacks one of them removes it.
        status: as last written. told: per part of the status, the last value that is written or on its way.
        deleting: it has a deletion timestamp, and a finalizer keeps it. deleting_since: simulated seconds of that.
    """

    kind: str
    name: str
    namespace: str | None = None
    generation: int = 1
    spec: Json = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    applied: Json = field(default_factory=dict)
    status: Json = field(default_factory=dict)
    told: Json = field(default_factory=dict)
    deleting: bool = False
    deleting_since: float | None = None

    @property
    def ref(self) -> str:
        """`Kind/name`."""
        return f"{self.kind}/{self.name}"


@dataclass(slots=True)
class Version:
    """One version of a model.

    Attributes:
        generation: of the object's last spec that it took in. definition: its spec's fields that make a version.
        asked, least: `replicas` and `minReplicas` of that spec. memory: bytes on each of its replicas.
        server: where it is placed, empty when it is not. replicas: state per index, those long gone included.
        reason: why it failed. available, unavailable: as last reckoned, with `state`.
    """

    number: int
    generation: int
    definition: Json
    memory: int
    asked: int
    least: int
    server: str = ""
    state: VersionState = VersionState.PROGRESSING
    reason: str = ""
    available: int = 0
    unavailable: int = 0
    replicas: dict[int, ReplicaState] = field(default_factory=dict)

    def on(self, *states: ReplicaState) -> list[int]:
        """Returns the indices of its replicas in one of `states`, sorted."""
        return sorted(index for index, state in self.replicas.items() if state in states)


@dataclass(slots=True)
class Model:
    """A model as the scheduler knows it: its versions in order, the last one being the latest."""

    name: str
    versions: list[Version] = field(default_factory=list)
    deleted: bool = False

    @property
    def latest(self) -> Version:
        """The version written last."""
        return self.versions[-1]

    def version(self, number: int) -> Version | None:
        """Returns the version of that number, None when it is forgotten."""
        return next((v for v in self.versions if v.number == number), None)


@dataclass(slots=True)
class Load:
    """A load that an agent carries out.

    Attributes:
        memory: bytes it takes meanwhile: all of the version's, or none while it is failing.
        then_unload: the ticket of an unload that waits for nothing but its end, 0 for none.
    """

    ticket: int
    memory: int
    then_unload: int = 0


@dataclass(slots=True)
class Replica:
    """A server replica: what its agent holds, and what the scheduler reckons of it. All memory is in bytes.

    Attributes:
        memory: physical. limit: for placing, overcommit included. capabilities: what it can load.
        loads, loaded: by version (see `key`), the loads in flight and what is loaded, least recently used first.
        evicted: of the loaded ones, those on disk. unloads: tickets of the unloads that are requested and not over.
        reported: free, as the agent last reported. reserved: for loads in flight, leaks included.
        waiting: models that a draining replica waits for; None before they are placed anew. ending: it is over soon.
    """

    index: int
    memory: int
    limit: int
    capabilities: list[str]
    reported: int
    reserved: int = 0
    loads: dict[str, Load] = field(default_factory=dict)
    loaded: dict[str, int] = field(default_factory=dict)
    evicted: list[str] = field(default_factory=list)
    unloads: dict[str, int] = field(default_factory=dict)
    draining: bool = False
    waiting: list[str] | None = None
    ending: bool = False

    @property
    def free(self) -> int:
        """What the agent would report now."""
        return self.limit - sum(load.memory for load in self.loads.values()) - sum(self.loaded.values())


@dataclass(slots=True)
class Server:
    """A Server as the scheduler and its StatefulSet know it.

    Attributes:
        spec: as taken in. size: replicas that the StatefulSet should have. expected: the same, as the scheduler says.
        replicas: those that are connected. starting: per index, the ticket of a replica on its way.
        restarting: those that are still to restart with a new spec, in that order.
        ready: of its status. deleted: its object is gone.
    """

    name: str
    spec: Json
    size: int
    expected: int
    replicas: dict[int, Replica] = field(default_factory=dict)
    starting: dict[int, int] = field(default_factory=dict)
    restarting: list[int] = field(default_factory=list)
    ready: bool = False
    deleted: bool = False


@dataclass(slots=True)
class Target:
    """A destination of a route. `weight` counts relative to the other targets of the route."""

    model: str
    version: int
    uri: str
    server: str
    replica: int
    weight: float


@dataclass(order=True, slots=True)
class Event:
    """Something that will happen: at the same time, in the order it was put on the agenda."""

    at: float
    ticket: int
    what: str = field(compare=False)
    about: list[Any] = field(compare=False, default_factory=list)


class Scheduler(enum.StrEnum):
    """How far the scheduler is: the order in which a restart goes through it, back to UP."""

    UP = "up"
    DOWN = "down"
    BLANK = "back, and knows nothing"
    REPORTED = "knows what the agents report"


@dataclass(slots=True)
class World:
    """All of a simulated cluster.

    Attributes:
        now: simulated seconds. tickets: given out so far. taken_in: when the last object is or was taken in.
        experiments: by name, the specs that are in effect. routes: as Envoy has them, by route.
        scheduler: how far it is. routes_held_until: before this time Envoy takes no new route.
    """

    rules: Rules = field(default_factory=Rules)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    choices: Choices = field(default_factory=FirstComes)
    now: float = 0.0
    tickets: int = 0
    taken_in: float = 0.0
    scheduler: Scheduler = Scheduler.UP
    routes_held_until: float = 0.0
    objects: dict[str, ApiObject] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    experiments: dict[str, Json] = field(default_factory=dict)
    routes: dict[str, list[Target]] = field(default_factory=dict)
    agenda: list[Event] = field(default_factory=list)

    def ticket(self) -> int:
        """Returns a number never given out before."""
        self.tickets += 1
        return self.tickets

    def at(self, when: float, what: str, *about: Any) -> None:
        """Puts on the agenda that `what` happens at `when`."""
        bisect.insort(self.agenda, Event(when, self.ticket(), what, list(about)))

    def after(self, seconds: float, what: str, *about: Any) -> None:
        """Puts on the agenda that `what` happens in so many seconds."""
        self.at(self.now + seconds, what, *about)

    def artifact(self, uri: str) -> Artifact:
        """Returns how the artifact at `uri` behaves now."""
        return self.artifacts.get(uri, Artifact())

    def replica(self, server: str, index: int) -> Replica | None:
        """Returns the replica if it is connected."""
        found = self.servers.get(server)
        return found.replicas.get(index) if found else None


def key(model: str, version: int) -> str:
    """Returns the name under which an agent holds a version."""
    return f"{model}_{version}"
