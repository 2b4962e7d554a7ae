"""A simulated cluster: objects in, status and answers out, time at will.

What happens next is on the agenda of the `World`; the table `HAPPENINGS` says who carries it out. After each happening
what follows from it at once is settled: versions that are not needed any more are unloaded, draining replicas end,
Envoy takes its routes, and the operator writes what it has seen.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from reconciler.clusters.simulated import (
    api,
    autoscaling,
    deletion,
    experiments,
    loading,
    pipelines,
    restart,
    routes,
    scheduling,
    servers,
    status,
    timing,
    unloading,
    versions,
)
from reconciler.clusters.simulated.placement import room
from reconciler.clusters.simulated.plain import from_plain, to_json, to_plain
from reconciler.clusters.simulated.records import ApiObject, Json, Scheduler, World
from reconciler.clusters.simulated.rules import Artifact, Choices, FirstComes, Rules
from reconciler.clusters.simulated.snapshot import snapshot

Answers = dict[tuple[str, str, int] | int, float]
"""Who answers, (storageUri, server, replica) or an HTTP status, with which share of the requests."""


def _take_in(world: World, ref: str) -> None:
    """The operator takes in what became of an object, and tells the scheduler if that is up."""
    kind, _, name = ref.partition("/")
    found = world.objects.get(ref)
    if kind == "Server":
        servers.take_in(world, found) if found else servers.deleted(world, name)
    elif world.scheduler is not Scheduler.UP:
        return  # it is told everything when it is back
    elif kind == "Model" and found:
        deletion.begins(world, name) if found.deleting else scheduling.schedule(world, versions.take_in(world, found))
    elif kind == "Experiment" and found and found.deleting:
        world.after(timing.EXPERIMENT_GONE - timing.TAKE_IN, "experiment gone", name)
    elif kind == "Pipeline" and found and found.deleting:
        world.after(timing.EXPERIMENT_GONE - timing.TAKE_IN, "pipeline gone", name)
    elif kind == "Experiment" and found:
        experiments.take_in(world, found)


def _unloaded(world: World, model: str, server: str) -> None:
    """A version is off a replica: the end of a deletion may wait for that, and the autoscaler looks."""
    deletion.finishes(world, model)
    autoscaling.shrink(world, server)


HAPPENINGS: Mapping[str, Callable[..., None]] = {
    "take in": _take_in,
    "status": status.write,
    "load begins": loading.begins,
    "load ends": loading.ends,
    "available": loading.available,
    "unload begins": unloading.begins,
    "unload ends": unloading.ends,
    "unloaded": _unloaded,
    "object gone": deletion.gone,
    "experiment gone": experiments.gone,
    "pipeline gone": pipelines.gone,
    "connect": servers.connect,
    "server expected": servers.expected,
    "server ready": servers.ready,
    "drain": servers.drain,
    "drain places": servers.drain_places,
    "replica ends": servers.replica_ends,
    "scheduler starts": restart.starts,
    "agents report": restart.agents_report,
    "scheduler told": restart.told,
    "envoy connects": lambda world: None,
}
"""What can happen, and who carries it out."""


class Simulation:
    """Seldon Core 2's rules with a clock of their own.

    Args:
        rules: the settings. artifacts: how what a `storageUri` names behaves; one that is not in here loads at once.
        choices: what is left to chance; by default the first in order.
    """

    def __init__(
        self, rules: Rules, artifacts: Mapping[str, Artifact] | None = None, choices: Choices | None = None
    ) -> None:
        self._world = World(rules, dict(artifacts or {}), choices or FirstComes())
        self.listeners: list[Callable[[float], None]] = []
        self._appointments: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    @property
    def now(self) -> float:
        """Simulated seconds since the beginning."""
        return self._world.now

    @property
    def world(self) -> World:
        """All of its state, for whoever shows it; to be changed by the methods only."""
        return self._world

    def apply(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Applies objects (`kind`, `name` or `metadata`, `spec`) server-side, all together.

        Raises:
            KeyError: one has no kind or no name. ValueError: one the API server would not take.
        """
        api.apply(self._world, objects)
        self._settle()

    def patch(self, ref: str, merge: Mapping[str, Any]) -> None:
        """Applies a JSON merge patch to the object `ref` (`Kind/name`). Raises KeyError when there is none, and
        ValueError when the API server would not take it."""
        api.patch(self._world, ref, merge)
        self._settle()

    def delete(self, ref: str) -> None:
        """Deletes the object `ref` (`Kind/name`), without waiting. Raises KeyError when there is none."""
        api.delete(self._world, ref)
        self._settle()

    def observed(self, event: ApiObject) -> None:
        """An object as a real API server has it: a stand-in for Seldon watches one. Raises ValueError as `apply`."""
        api.observed(self._world, event)
        self._settle()

    def vanished(self, ref: str) -> None:
        """The object `ref` is gone from the real API server."""
        api.vanished(self._world, ref)
        self._settle()

    def disown(self, ref: str) -> None:
        """From now on the object `ref` is as if somebody else had applied it: what an apply lacks is not removed."""
        self._world.objects[ref].applied = {}

    def set_artifact(self, uri: str, artifact: Artifact) -> None:
        """From now on, loads of `uri` go like this."""
        self._world.artifacts[uri] = artifact

    def restart_scheduler(self) -> None:
        """Ends the scheduler's process; it comes back by itself."""
        restart.begins(self._world)
        self._settle()

    def kill(self, server: str, replica: int) -> None:
        """Ends the processes of a server replica, without draining. Raises KeyError when there is none."""
        servers.lose(self._world, server, replica)
        self._settle()

    def appoint(self, when: float, do: Callable[[], None]) -> None:
        """Has `do` called when simulated time reaches `when`: what others do to the cluster meanwhile.

        An appointment comes before an event of the same moment, and is no part of what is dumped.
        """
        bisect.insort(self._appointments, (when, next(self._numbers), do))

    def next_event_at(self) -> float | None:
        """Returns when something happens next, None when nothing will."""
        due = [*(event.at for event in self._world.agenda[:1]), *(when for when, _, _ in self._appointments[:1])]
        return min(due, default=None)

    def step(self) -> None:
        """Goes on to the next event and carries it out. Does nothing when there is none."""
        if self._appointments and self._appointments[0][0] == self.next_event_at():
            when, _, do = self._appointments.pop(0)
            self._world.now = max(self._world.now, when)
            do()
        elif self._world.agenda:
            event = self._world.agenda.pop(0)
            self._world.now = event.at
            HAPPENINGS[event.what](self._world, *event.about)
            self._settle()

    def run_until(self, when: float) -> None:
        """Goes on until `when` (simulated seconds), the events of that very moment included."""
        while (due := self.next_event_at()) is not None and due <= when:
            self.step()
        self._world.now = max(self._world.now, when)

    def _settle(self) -> None:
        for model in list(self._world.models.values()):
            unloading.old_versions(self._world, model)
        servers.settle_drains(self._world)
        routes.update(self._world)
        status.update(self._world)
        for listener in self.listeners:
            listener(self._world.now)

    def snapshot(self) -> Json:
        """Returns objects, scheduler and servers in the recordings' words."""
        return snapshot(self._world)

    def answers(self, route: str) -> Answers:
        """Returns who answers a request to a model, or to `<experiment>.experiment`, now."""
        return routes.answers(self._world, route)

    def serving(self, route: str) -> dict[tuple[str, int], float]:
        """Returns which versions, by model and number, answer with which share now; the rest is not answered."""
        return routes.serving(self._world, route)

    def room(self, server: str, replica: int) -> int:
        """Returns the bytes that the scheduler thinks a replica can take. Raises KeyError when there is none."""
        return room(self._world.servers[server].replicas[replica])

    def dump(self) -> Json:
        """Returns the complete state as plain data; the choices are not part of it."""
        return {name: to_plain(part) for name, part in self._parts()}

    def dump_json(self) -> str:
        """Returns what `dump` does, as JSON text."""
        return to_json(dict(self._parts()))

    def _parts(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self._world, name)) for name in World.__slots__ if name != "choices"]

    @classmethod
    def load(cls, state: Mapping[str, Any], choices: Choices | None = None) -> Self:
        """Returns a simulation that goes on exactly where `dump` was taken.

        Raises:
            TypeError, ValueError, KeyError: `state` is not such a dump.
        """
        found = cls(Rules())
        found._world = from_plain(World, state)
        found._world.choices = choices or FirstComes()
        return found
