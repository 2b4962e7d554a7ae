"""A load: LoadRequested → Loading → Loaded → Available, or → LoadFailed (docs/seldon.md, "The order of states").

The agent takes the memory at Loading and tells the scheduler of it at Loaded. The scheduler reserves it at
LoadRequested and drops that at the end of the load, but only if it still expects one: a load that is not wanted any
more when it ends keeps its room for good ("Room leaks").
"""

from __future__ import annotations

from reconciler.clusters.simulated import eviction, timing
from reconciler.clusters.simulated.records import Load, Model, Replica, Version, World, key
from reconciler.clusters.simulated.versions import last_available, reckon
from reconciler.model.live import ReplicaState

_NOT_THERE = (
    "failed to sync/copy {uri} to .../{server}-{index}/rclone/0: "
    "Failed rclone request to host:127.0.0.1 port:5572 path:/sync/copy"
)


def request(world: World, model: Model, version: Version, index: int, *, behind: int = 0) -> None:
    """The scheduler requests a load. `behind`: how many replicas of the same placement come before this one."""
    replica = world.servers[version.server].replicas[index]
    replica.reserved += version.memory
    version.replicas[index] = ReplicaState.LOAD_REQUESTED
    delay = timing.LOAD_REQUESTED + behind * timing.LOAD_NEXT_REPLICA
    world.after(delay, "load begins", model.name, version.number, version.server, index)


def begins(world: World, name: str, number: int, server: str, index: int) -> None:
    """The agent begins a load, unless an unload of the same version is not over: that one's end calls again."""
    replica, held = world.replica(server, index), key(name, number)
    model, version = _find(world, name, number)
    if replica is None or version is None or version.replicas.get(index) is not ReplicaState.LOAD_REQUESTED:
        return
    if held in replica.unloads:
        return
    version.replicas[index] = ReplicaState.LOADING
    _start(world, replica, name, version)
    reckon(model, version)


def _start(world: World, replica: Replica, name: str, version: Version) -> None:
    artifact = world.artifact(version.definition.get("storageUri", ""))
    load = Load(world.ticket(), version.memory)
    if artifact.missing:
        load.memory, seconds = 0, timing.LOAD_MISSING
    elif artifact.fails or replica.index in artifact.fails_on:
        load.memory, seconds = 0, timing.LOAD_FAILED + artifact.seconds_on(replica.index)
    elif not eviction.make_room(replica, version.memory):
        load.memory, seconds = 0, timing.LOAD_CANNOT_EVICT
    else:
        seconds = timing.LOAD + artifact.seconds_on(replica.index)
    replica.loads[key(name, version.number)] = load
    world.after(seconds, "load ends", name, version.number, version.server, replica.index, load.ticket)


def ends(world: World, name: str, number: int, server: str, index: int, ticket: int) -> None:
    """The agent's load is over. Whether it failed is decided now: what was mended meanwhile loads after all."""
    replica, held = world.replica(server, index), key(name, number)
    model, version = _find(world, name, number)
    if replica is None or held not in replica.loads or replica.loads[held].ticket != ticket:
        return
    load = replica.loads.pop(held)
    if load.then_unload:
        world.after(timing.UNLOAD_REQUESTED, "unload ends", name, number, server, index, load.then_unload)
    if version is None:
        return
    why = _why_it_fails(world, replica, version, load)
    if not why:
        replica.loaded[held] = version.memory
    if version.replicas.get(index) is not ReplicaState.LOADING:
        return
    replica.reserved -= version.memory
    if why:
        version.replicas[index], version.reason = ReplicaState.LOAD_FAILED, why
    else:
        replica.reported = replica.free
        version.replicas[index] = ReplicaState.LOADED
        world.after(timing.AVAILABLE, "available", name, number, index)
    reckon(model, version)


def _why_it_fails(world: World, replica: Replica, version: Version, load: Load) -> str:
    uri = version.definition.get("storageUri", "")
    artifact = world.artifact(uri)
    if artifact.missing:
        return _NOT_THERE.format(uri=uri, server=version.server, index=replica.index)
    if artifact.fails:
        return "rpc error: code = Internal desc = told to fail"
    if replica.index in artifact.fails_on:
        return "rpc error: code = Internal desc = told to fail here"
    if load.memory != version.memory and not eviction.make_room(replica, version.memory):
        return eviction.CANNOT_EVICT
    return ""


def available(world: World, name: str, number: int, index: int) -> None:
    """Envoy has a loaded replica in its routes, if the version is one that routes are made of. One that drains since
    then goes on draining."""
    model, version = _find(world, name, number)
    if version is None or version.replicas.get(index) is not ReplicaState.LOADED:
        return
    if version is model.latest or version is last_available(model):
        replica = world.replica(version.server, index)
        draining = replica is not None and replica.draining
        version.replicas[index] = ReplicaState.DRAINING if draining else ReplicaState.AVAILABLE
        reckon(model, version)


def _find(world: World, name: str, number: int) -> tuple[Model, Version | None]:
    model = world.models.get(name, Model(name))
    return model, model.version(number)
