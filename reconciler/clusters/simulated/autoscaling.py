"""The scheduler's own autoscaler of Servers (docs/seldon.md, "Servers"): it patches `Server.spec.replicas`."""

from __future__ import annotations

from reconciler.clusters.simulated import api
from reconciler.clusters.simulated.records import Replica, Server, Version, World


def shrink(world: World, name: str) -> None:
    """After an unload: a Server with empty replicas shrinks by their number, not below `minReplicas` or 1."""
    server = world.servers.get(name)
    if server is None or server.deleted:
        return
    empty = sum(_empty(replica) for replica in server.replicas.values())
    least = max(1, int(server.spec.get("minReplicas") or 0))
    _resize(world, server, min(server.expected, max(least, server.expected - empty)))


def _empty(replica: Replica) -> bool:
    return not (replica.loaded or replica.loads or replica.draining)


def grow_for(world: World, version: Version) -> None:
    """A version that runs on a Server asks for more replicas than that has: it grows, if it has `maxReplicas`."""
    server = world.servers.get(version.server)
    most = int(server.spec.get("maxReplicas") or 0) if server else 0
    if server and not server.deleted and version.asked > server.expected:
        _resize(world, server, max(server.expected, min(most, version.asked)))


def _resize(world: World, server: Server, size: int) -> None:
    if world.rules.server_autoscaling and size != server.expected:
        api.patch(world, f"Server/{server.name}", {"spec": {"replicas": size}})
