"""A restart of the scheduler (docs/seldon.md, "Servers"): it forgets, is told again, and the leaks are gone.

Requests go on: Envoy keeps its routes, and takes new ones only when it has connected again. Of each model the versions
that agents have loaded are known again under their numbers; the rest is taken in from the objects.
"""

from __future__ import annotations

from reconciler.clusters.simulated import api, timing
from reconciler.clusters.simulated.records import Model, Replica, Scheduler, Version, World
from reconciler.clusters.simulated.versions import reckon
from reconciler.model.live import ReplicaState

UNKNOWN_SIZE = -1
"""`expected` of a Server that its agents speak of and the operator has not yet told of."""

_START = ("scheduler starts", "agents report", "scheduler told")
"""What happens on its way back."""

_SURVIVES = (ReplicaState.AVAILABLE, ReplicaState.LOADED, ReplicaState.DRAINING)


def begins(world: World) -> None:
    """The scheduler's process ends, be it in the middle of its start."""
    world.agenda = [event for event in world.agenda if event.what not in _START]
    world.scheduler = Scheduler.DOWN
    world.routes_held_until = world.now + timing.ENVOY_RECONNECTS
    world.after(timing.SCHEDULER_STARTS, "scheduler starts")
    world.after(timing.ENVOY_RECONNECTS, "envoy connects")


def starts(world: World) -> None:
    """It is back, and knows nothing."""
    world.scheduler = Scheduler.BLANK
    world.after(timing.AGENTS_REPORT, "agents report")


def agents_report(world: World) -> None:
    """The agents connect: it knows what they have loaded, and no size of any Server."""
    world.scheduler = Scheduler.REPORTED
    world.models = {name: kept for name, model in world.models.items() if (kept := _reported(world, model))}
    for server in world.servers.values():
        server.expected = UNKNOWN_SIZE
        for replica in server.replicas.values():
            _drop_loads(world, server.name, replica)
            replica.reserved, replica.reported = 0, replica.free
    world.after(timing.SCHEDULER_TOLD, "scheduler told")


def _drop_loads(world: World, server: str, replica: Replica) -> None:
    """Nobody waits for the loads in flight any more; they are requested anew."""
    for held, load in replica.loads.items():
        name, _, number = held.rpartition("_")
        if load.then_unload:
            world.after(0.0, "unload ends", name, int(number), server, replica.index, load.then_unload)
    replica.loads.clear()


def _reported(world: World, model: Model) -> Model | None:
    """Returns what is known again of a model, None when nothing is."""
    versions = [version for version in model.versions if version.on(*_SURVIVES)]
    found = Model(model.name, versions, model.deleted)
    for version in versions:
        version.replicas = {index: _again(world, model, version, index) for index in version.on(*_SURVIVES)}
        reckon(found, version)
    return found if versions else None


def _again(world: World, model: Model, version: Version, index: int) -> ReplicaState:
    if version.replicas[index] is ReplicaState.DRAINING:
        return ReplicaState.DRAINING
    world.after(timing.AVAILABLE, "available", model.name, version.number, index)
    return ReplicaState.LOADED


def told(world: World) -> None:
    """The operator tells it all objects again: what waits is tried again, on room that is free of leaks."""
    world.scheduler = Scheduler.UP
    for server in world.servers.values():
        server.expected = server.size
    refs = sorted(world.objects)
    names = world.choices.order(sorted({world.objects[ref].name for ref in refs}))
    for ref in sorted(refs, key=lambda ref: list(names).index(world.objects[ref].name)):
        api.announce(world, world.objects[ref])
