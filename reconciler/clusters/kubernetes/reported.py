"""What Seldon's scheduler reports, in the words of the live state, and which versions answer by that.

docs/seldon.md, "Status: what to believe" and "How a rolling update really runs".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.live import ReplicaState, VersionState


@dataclass(frozen=True, slots=True)
class ReportedVersion:
    """One version of a model.

    Attributes:
        generation: of the object's last spec that it took in. server: empty when it is placed nowhere.
        available, unavailable: counts of replicas. replicas: (server replica index, state), sorted by index.
    """

    number: int
    generation: int
    server: str
    state: VersionState
    reason: str = ""
    available: int = 0
    unavailable: int = 0
    replicas: tuple[tuple[int, ReplicaState], ...] = ()

    def on(self, *states: ReplicaState) -> tuple[int, ...]:
        """Returns the indices of the server replicas on which it is in one of `states`."""
        return tuple(index for index, state in self.replicas if state in states)


@dataclass(frozen=True, slots=True)
class ReportedModel:
    """A model: its versions sorted by number, the last one being the latest."""

    name: str
    versions: tuple[ReportedVersion, ...]
    namespace: str = ""
    deleted: bool = False

    @property
    def route(self) -> tuple[tuple[int, int], ...]:
        """(version number, weight in percent) of what answers, empty when nothing does.

        The scheduler does not tell routes; they follow from the states: the latest version if it is placed, and beside
        it the newest one that is exactly `ModelAvailable`, by their numbers of replicas.
        """
        if self.deleted or not self.versions or not self.versions[-1].server:
            return ()
        latest = self.versions[-1]
        keeps = next((v for v in reversed(self.versions) if v.state is VersionState.AVAILABLE), latest)
        if keeps is latest:
            return ((latest.number, 100),) if _answering(latest) else ()
        counts = {v.number: len(_answering(v)) for v in (keeps, latest)}
        total = sum(counts.values())
        return tuple((number, max(1, round(100 * n / total))) for number, n in sorted(counts.items()) if n)


def _answering(version: ReportedVersion) -> tuple[int, ...]:
    """Returns the replicas that answer; those that drain only if there is no other."""
    return version.on(ReplicaState.AVAILABLE) or version.on(ReplicaState.DRAINING)


@dataclass(frozen=True, slots=True)
class ReportedReplica:
    """A server replica that does not drain. `total`: bytes of memory. `free`: bytes, overcommit included."""

    index: int
    total: int
    free: int
    overcommit_percent: int = 0

    @property
    def limit(self) -> int:
        """Bytes that may be scheduled on it."""
        return self.total * (100 + self.overcommit_percent) // 100


@dataclass(frozen=True, slots=True)
class ReportedServer:
    """A Server. `expected`: replicas that the scheduler was told of, -1 when it was not told yet."""

    name: str
    expected: int
    replicas: tuple[ReportedReplica, ...] = ()
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """All that the scheduler reports at one moment, by name.

    Attributes:
        restarted: it has restarted so lately that routes may not follow it yet (docs/seldon.md, "Servers").
    """

    models: Mapping[str, ReportedModel] = field(default_factory=dict)
    servers: Mapping[str, ReportedServer] = field(default_factory=dict)
    restarted: bool = False

    def of(self, namespace: str) -> Reported:
        """Returns what is not of another namespace: a scheduler may serve several."""
        own = ("", namespace)
        models = {name: model for name, model in self.models.items() if model.namespace in own}
        servers = {name: server for name, server in self.servers.items() if server.namespace in own}
        return Reported(models, servers, self.restarted)
