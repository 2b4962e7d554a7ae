"""An unload: UnloadRequested → Unloading → (grace period) → Unloaded, and which versions are unloaded.

docs/seldon.md, "How a rolling update really runs" and "The order of states". A load in flight is waited for.
"""

from __future__ import annotations

from reconciler.clusters.simulated import eviction, timing
from reconciler.clusters.simulated.records import Model, Version, World, key
from reconciler.clusters.simulated.versions import UNLOADING, last_available, reckon
from reconciler.model.live import ReplicaState

_OVER = (*UNLOADING, ReplicaState.UNLOADED)


def old_versions(world: World, model: Model) -> None:
    """Unloads every version before the newest ModelAvailable one.

    Later ones are left alone: a version that was superseded before it was available stays loaded, and keeps its
    memory, until a newer one is available.
    """
    newest = None if model.deleted else last_available(model)
    for version in model.versions if newest else ():
        if newest and version.number < newest.number:
            whole_version(world, model, version)


def whole_version(world: World, model: Model, version: Version) -> None:
    """Requests the unload of a version from all of its replicas. One that was never placed stays as it is."""
    indices = [index for index, state in sorted(version.replicas.items()) if state not in _OVER]
    for index in indices:
        request(world, model, version, index)
    if version.server:
        reckon(model, version)


def request(world: World, model: Model, version: Version, index: int) -> None:
    """The scheduler requests an unload."""
    replica = world.replica(version.server, index)
    if replica is None:
        version.replicas[index] = ReplicaState.UNLOADED
        return
    version.replicas[index] = ReplicaState.UNLOAD_REQUESTED
    ticket = replica.unloads[key(model.name, version.number)] = world.ticket()
    world.after(timing.UNLOAD_REQUESTED, "unload begins", model.name, version.number, version.server, index, ticket)


def begins(world: World, name: str, number: int, server: str, index: int, ticket: int) -> None:
    """The agent waits for the grace period."""
    version = _find(world, name, number)
    if version and version.replicas.get(index) is ReplicaState.UNLOAD_REQUESTED:
        version.replicas[index] = ReplicaState.UNLOADING
    world.after(world.rules.unload_grace, "unload ends", name, number, server, index, ticket)


def ends(world: World, name: str, number: int, server: str, index: int, ticket: int) -> None:
    """The agent unloads and reports its free memory. It waits for the end of a load in flight, whose end calls again;
    a load that was requested meanwhile begins now."""
    replica, held = world.replica(server, index), key(name, number)
    if replica is None or replica.unloads.get(held) != ticket:
        return
    if held in replica.loads:
        replica.loads[held].then_unload = ticket
        return
    del replica.unloads[held]
    eviction.drop(replica, held)
    replica.reported = replica.free
    version = _find(world, name, number)
    if version and version.replicas.get(index) is ReplicaState.UNLOADING:
        version.replicas[index] = ReplicaState.UNLOADED
        reckon(world.models[name], version)
    elif version and version.replicas.get(index) is ReplicaState.LOAD_REQUESTED:
        world.after(timing.LOAD_REQUESTED, "load begins", name, number, server, index)
    world.after(0.0, "unloaded", name, server)


def _find(world: World, name: str, number: int) -> Version | None:
    model = world.models.get(name)
    return model.version(number) if model else None
