"""Servers and their replicas: they start, drain, end and get lost (docs/seldon.md, "Servers").

What happens to a replica index of a Server::

    (none) ── grows ──▶ starting ── connects ──▶ there ── shrinks ──▶ draining ── settled ──▶ (none)
                                                   └───────── lost ──────────────────────────▶ (none)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.clusters.simulated import scheduling, timing
from reconciler.clusters.simulated.records import ApiObject, Model, Replica, Scheduler, Server, Version, World
from reconciler.clusters.simulated.rules import Rules
from reconciler.clusters.simulated.versions import HELD, UNLOADING, reckon
from reconciler.model.codec import server_spec_from_json
from reconciler.model.live import ReplicaState, VersionState

_POD_FIELDS = ("serverConfig", "capabilities", "extraCapabilities", "podSpec")
"""Fields of `Server.spec` that are part of its pods: a change restarts them."""

_SETTLED = (VersionState.AVAILABLE, VersionState.FAILED, VersionState.SCHEDULE_FAILED)


def take_in(world: World, found: ApiObject) -> None:
    """The operator takes in a Server: its StatefulSet follows, the scheduler learns the size a little later."""
    server = world.servers.get(found.name)
    size = _size(found.spec)
    if server is None or server.deleted:
        old = server.replicas if server else {}
        server = world.servers[found.name] = Server(found.name, dict(found.spec), size, size, old)
    new_pods = any(server.spec.get(name) != found.spec.get(name) for name in _POD_FIELDS)
    server.spec, server.size = dict(found.spec), size
    world.after(timing.EXPECTED, "server expected", found.name)
    for index in range(size):
        _start(world, server, index)
    server.starting = {index: ticket for index, ticket in server.starting.items() if index < size}
    if server.starting:
        server.ready = False
    elif not server.ready:
        world.after(timing.SERVER_READY, "server ready", found.name)
    for index in sorted(server.replicas, reverse=True):
        if index >= size:
            world.after(timing.DRAIN_STARTS, "drain", found.name, index, False)
    if new_pods:
        server.restarting = sorted((index for index in server.replicas if index < size), reverse=True)
        _restart_next(world, server)


def _restart_next(world: World, server: Server) -> None:
    """A StatefulSet restarts its pods one after the other, the highest index first."""
    if server.restarting:
        world.after(timing.DRAIN_STARTS, "drain", server.name, server.restarting[0], True)


def _size(spec: Mapping[str, Any]) -> int:
    replicas = spec.get("replicas")
    return 1 if replicas is None else int(replicas)


def expected(world: World, name: str) -> None:
    """The scheduler learns the size of a Server."""
    if name in world.servers and world.scheduler is Scheduler.UP:
        world.servers[name].expected = world.servers[name].size


def deleted(world: World, name: str) -> None:
    """The object of a Server is gone: all of its replicas drain."""
    server = world.servers.get(name)
    if server is None:
        return
    server.deleted, server.size, server.starting = True, 0, {}
    for index in sorted(server.replicas, reverse=True):
        world.after(timing.DRAIN_STARTS, "drain", name, index, False)
    if not server.replicas:
        del world.servers[name]


def _start(world: World, server: Server, index: int) -> None:
    if index not in server.replicas and index not in server.starting:
        server.starting[index] = ticket = world.ticket()
        world.after(timing.REPLICA_STARTS, "connect", server.name, index, ticket)


def connect(world: World, name: str, index: int, ticket: int) -> None:
    """A new replica connects, empty: whatever waits is placed again."""
    server = world.servers.get(name)
    if server is None or server.starting.get(index) != ticket:
        return
    del server.starting[index]
    memory, limit = memory_of(server.spec, world.rules)
    server.replicas[index] = Replica(index, memory, limit, offered(server.spec, world.rules), reported=limit)
    world.after(timing.SERVER_READY, "server ready", name)
    _restart_next(world, server)
    scheduling.retry_waiting(world)


def memory_of(spec: Mapping[str, Any], rules: Rules) -> tuple[int, int]:
    """Returns the physical memory of a replica and its limit for placing, in bytes."""
    read = server_spec_from_json(spec)
    memory = rules.memory if read.memory is None else read.memory
    percent = rules.overcommit_percentage if read.overcommit_percent is None else read.overcommit_percent
    return memory, memory * (100 + percent) // 100


def offered(spec: Mapping[str, Any], rules: Rules) -> list[str]:
    """Returns what a Server can load: its own capabilities or those of its config, and the extra ones."""
    read = server_spec_from_json(spec)
    own = rules.capabilities.get(read.server_config, ()) if read.capabilities is None else read.capabilities
    return sorted({*own, *read.extra_capabilities})


def ready(world: World, name: str) -> None:
    """The StatefulSet has been whole for a while: the status of the Server says so at last."""
    server = world.servers.get(name)
    if server is not None and set(range(server.size)) <= set(server.replicas):
        server.ready = True


def drain(world: World, name: str, index: int, restart: bool) -> None:
    """A replica drains, unless it is wanted again: nothing is placed on it, what it has goes on serving."""
    server, replica = world.servers.get(name), world.replica(name, index)
    if server is None or (restart and index not in server.restarting):
        return
    if restart:
        server.restarting.remove(index)
    if replica is None or replica.draining or (index < server.size and not restart):
        return
    replica.draining = True
    for _, version in _versions_on(world, name, index, ReplicaState.AVAILABLE):
        version.replicas[index] = ReplicaState.DRAINING
    world.after(timing.DRAIN_PLACES, "drain places", name, index)
    world.after(timing.DRAIN_AT_MOST, "replica ends", name, index)


def drain_places(world: World, name: str, index: int) -> None:
    """The models of a draining replica are placed elsewhere."""
    replica = world.replica(name, index)
    if replica is None:
        return
    found = [model for model, version in _versions_on(world, name, index, *HELD) if version is model.latest]
    replica.waiting = [model.name for model in found]
    scheduling.schedule_all(world, replica.waiting)


def settle_drains(world: World) -> None:
    """A draining replica ends a while after everything it had has found its place, or none."""
    for server in world.servers.values():
        for replica in server.replicas.values():
            if replica.waiting is None or replica.ending:
                continue
            if all(_settled(world.models.get(name)) for name in replica.waiting):
                replica.ending = True
                world.after(timing.DRAIN_ENDS, "replica ends", server.name, replica.index)


def _settled(model: Model | None) -> bool:
    return model is None or model.deleted or model.latest.state in _SETTLED


def replica_ends(world: World, name: str, index: int) -> None:
    """A draining replica is over; if it was only restarted, it starts again."""
    server, replica = world.servers.get(name), world.replica(name, index)
    if server is None or replica is None or not replica.draining:
        return
    lose(world, name, index)
    if index < server.size and name in world.servers:
        _start(world, server, index)


def lose(world: World, name: str, index: int) -> None:
    """A replica is gone, with all it had: the models it served are placed anew.

    Raises:
        KeyError: there is no such replica.
    """
    server = world.servers[name]
    del server.replicas[index]
    if server.deleted and not server.replicas:
        del world.servers[name]
    affected: list[str] = []
    for model, version in _versions_on(world, name, index, *HELD, *UNLOADING):
        del version.replicas[index]
        if version is model.latest and not model.deleted:
            affected.append(model.name)
        else:
            reckon(model, version)
            world.after(0.0, "unloaded", model.name, name)
    scheduling.schedule_all(world, affected)


def _versions_on(world: World, name: str, index: int, *states: ReplicaState) -> list[tuple[Model, Version]]:
    return [
        (model, version)
        for _, model in sorted(world.models.items())
        for version in model.versions
        if version.server == name and version.replicas.get(index) in states
    ]
