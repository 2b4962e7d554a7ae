"""The end of a Model (docs/seldon.md, "Deleting"): the route goes at once, the object when everything is unloaded."""

from __future__ import annotations

from reconciler.clusters.simulated import timing, unloading
from reconciler.clusters.simulated.records import World
from reconciler.clusters.simulated.versions import reckon
from reconciler.model.live import ReplicaState


def begins(world: World, name: str) -> None:
    """The scheduler learns that a Model is being deleted, and unloads every version of it."""
    model = world.models.get(name)
    if model is not None:
        model.deleted = True
        for version in model.versions:
            unloading.whole_version(world, model, version)
            reckon(model, version)
    finishes(world, name)


def finishes(world: World, name: str) -> None:
    """The object goes, if nothing of its model is left on any replica."""
    model, found = world.models.get(name), world.objects.get(f"Model/{name}")
    if found is None or not found.deleting:
        return
    versions = model.versions if model else []
    if all(state is ReplicaState.UNLOADED for version in versions for state in version.replicas.values()):
        world.after(timing.OBJECT_GONE, "object gone", found.ref)


def gone(world: World, ref: str) -> None:
    """The finalizer is taken off an object that is being deleted."""
    found = world.objects.get(ref)
    if found is not None and found.deleting:
        del world.objects[ref]
