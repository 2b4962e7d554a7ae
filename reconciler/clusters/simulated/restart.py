"""A restart of the scheduler (docs/seldon.md, "Servers"): it forgets, is told again, and the leaks are gone.

Requests go on: Envoy keeps its routes, and takes new ones only when it has connected again. Of each model the versions
that agents have loaded are known again under their numbers; the rest is taken in from the objects.
"""

from __future__ import annotations

from reconciler.clusters.simulated import api, timing
from reconciler.clusters.simulated.records import Model, Version, World
from reconciler.clusters.simulated.versions import reckon
from reconciler.model.live import ReplicaState

UNKNOWN_SIZE = -1
"""`expected` of a Server that its agents speak of and the operator has not yet told of."""

_SURVIVES = (ReplicaState.AVAILABLE, ReplicaState.LOADED, ReplicaState.DRAINING)


def begins(world: World) -> None:
    """The scheduler's process ends."""
    world.scheduler_up = False
    world.routes_held_until = world.now + timing.ENVOY_RECONNECTS
    world.after(timing.SCHEDULER_STARTS, "scheduler starts")
    world.after(timing.ENVOY_RECONNECTS, "envoy connects")


def starts(world: World) -> None:
    """It is back, and knows what the agents report."""
    world.models = {name: kept for name, model in world.models.items() if (kept := _reported(world, model)) is not None}
    for server in world.servers.values():
        server.expected = UNKNOWN_SIZE
        for replica in server.replicas.values():
            replica.loads.clear()
            replica.reserved, replica.reported = 0, replica.free
    world.after(timing.SCHEDULER_TOLD, "scheduler told")


def _reported(world: World, model: Model) -> Model | None:
    """Returns what is known again of a model, None when nothing is. One without an object is not loaded again."""
    versions = [v for v in model.versions if v.on(*_SURVIVES)] if f"Model/{model.name}" in world.objects else []
    for version in versions:
        version.replicas = {index: _now(version, index) for index in version.on(*_SURVIVES)}
    found = Model(model.name, versions, model.deleted)
    for version in versions:
        reckon(found, version)
    return found if versions else None


def _now(version: Version, index: int) -> ReplicaState:
    draining = version.replicas[index] is ReplicaState.DRAINING
    return ReplicaState.DRAINING if draining else ReplicaState.AVAILABLE


def told(world: World) -> None:
    """The operator tells it all objects again: what waits is tried again, on room that is free of leaks."""
    world.scheduler_up = True
    for server in world.servers.values():
        server.expected = server.size
    refs = sorted(world.objects)
    names = world.choices.order(sorted({world.objects[ref].name for ref in refs}))
    for ref in sorted(refs, key=lambda ref: list(names).index(world.objects[ref].name)):
        api.announce(world, world.objects[ref])
