"""The scheduler places a model, or fails to, and leaves it at that.

A model is placed when its object's spec changes, when a server replica connects (if it waits for one), or when a
replica it is on drains or is gone; never because memory was freed (docs/seldon.md, "When the scheduler tries again").
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.clusters.simulated import autoscaling, loading, unloading
from reconciler.clusters.simulated.placement import Place, Refusal, place
from reconciler.clusters.simulated.records import Model, Scheduler, World
from reconciler.clusters.simulated.versions import ASSIGNED, HELD, UNLOADING, moved, reckon
from reconciler.model.live import ReplicaState, VersionState


def schedule(world: World, model: Model) -> None:
    """Places the latest version of `model` as a whole, requests what that needs, and drops what it does not.

    A scheduler that is being restarted does nothing: it does all of this when it is told the objects again.
    """
    if model.deleted or world.scheduler is not Scheduler.UP:
        return
    outcome = place(world, model)
    if isinstance(outcome, Refusal):
        _refuse(model, outcome)
    else:
        _assign(world, model, outcome)
    if isinstance(outcome, Refusal) or not outcome.full:
        autoscaling.grow_for(world, model.latest)


def _refuse(model: Model, refusal: Refusal) -> None:
    """The latest version waits. What it has it keeps; what has nothing belongs to no Server, and loses its route."""
    version = model.latest
    if not version.on(*HELD):
        version.server, version.replicas = "", {}
    version.state, version.reason = VersionState.SCHEDULE_FAILED, refusal.reason
    version.available = len(version.on(ReplicaState.AVAILABLE, ReplicaState.DRAINING))
    version.unavailable = max(0, version.asked - version.available)


def _assign(world: World, model: Model, to: Place) -> None:
    version = model.latest
    if version.server not in ("", to.server):
        version = moved(model)
    version.server = to.server
    requested = [index for index in sorted(to.replicas) if version.replicas.get(index) not in ASSIGNED]
    for position, index in enumerate(requested):
        loading.request(world, model, version, index, behind=position)
    for index, state in sorted(version.replicas.items()):
        if index not in to.replicas and state not in (*UNLOADING, ReplicaState.UNLOADED, ReplicaState.DRAINING):
            unloading.request(world, model, version, index)
    reckon(model, version)


def schedule_all(world: World, names: Sequence[str]) -> None:
    """Places several models again, in the order that chance has it."""
    for name in world.choices.order(names):
        schedule(world, world.models[name])


def retry_waiting(world: World) -> None:
    """A server replica has connected: whatever is not whole is placed again."""
    schedule_all(world, [name for name, model in sorted(world.models.items()) if _waits(model)])


def _waits(model: Model) -> bool:
    version = model.latest
    partly = version.state is VersionState.AVAILABLE and version.available < version.asked
    return not model.deleted and (partly or version.state in (VersionState.SCHEDULE_FAILED, VersionState.FAILED))
