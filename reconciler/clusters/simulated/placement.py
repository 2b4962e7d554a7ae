"""Where a version is placed, or why nowhere (docs/seldon.md, "Placement" and "Room is not what is free").

Pure reckoning: nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.clusters.simulated.records import Model, Replica, Server, Version, World
from reconciler.clusters.simulated.versions import ASSIGNED

NO_SERVER = "Failed to schedule model as no matching servers are available"
NO_ROOM = "Failed to schedule model as no matching server had enough suitable replicas"


@dataclass(frozen=True, slots=True)
class Place:
    """A Server and the replicas there, by index. `full`: as many as asked, not merely `minReplicas` or more."""

    server: str
    replicas: tuple[int, ...]
    full: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """No place, in the scheduler's words."""

    reason: str


def room(replica: Replica) -> int:
    """Returns the bytes that the scheduler thinks a replica can still take.

    The report has loads in flight already taken off, and what is reserved for them comes off once more: they count
    twice as soon as anything there has been reported.
    """
    return max(0, replica.reported - replica.reserved)


def place(world: World, model: Model) -> Place | Refusal:
    """Returns where the latest version of `model` goes: the whole number of replicas on any Server comes before
    `minReplicas` on any."""
    version = model.latest
    servers = list(_in_order(world, model, version))
    if not servers:
        return Refusal(NO_SERVER)
    for least in (version.asked, version.least):
        for server in servers if least or not version.asked else ():
            suitable = _suitable(server, version)
            if len(suitable) >= least:
                return Place(server.name, tuple(suitable[: version.asked]), full=len(suitable) >= version.asked)
    return Refusal(NO_ROOM)


def _in_order(world: World, model: Model, version: Version) -> Iterator[Server]:
    """Yields the Servers that match: the one that runs this version first, the others as chance has it."""
    matching = {name: server for name, server in sorted(world.servers.items()) if _matches(server, version)}
    if version.server in matching:
        yield matching.pop(version.server)
    while matching:
        names = list(matching)
        yield matching.pop(names[0] if len(names) == 1 else world.choices.server(model.name, names))


def _matches(server: Server, version: Version) -> bool:
    """A Server matches if it is not another than the one named, and has replicas that offer all that is required."""
    if version.definition.get("server") not in (None, "", server.name):
        return False
    return any(_offers(replica, version) for replica in server.replicas.values())


def _offers(replica: Replica, version: Version) -> bool:
    needs = {*version.definition.get("requirements", ()), version.definition.get("modelType")} - {None, ""}
    return needs <= set(replica.capabilities)


def _suitable(server: Server, version: Version) -> list[int]:
    """Returns the replicas that can take it: those that have it, then most room, then lowest index."""
    here = version.on(*ASSIGNED) if version.server == server.name else []
    candidates = [
        replica
        for replica in server.replicas.values()
        if not replica.draining
        and _offers(replica, version)
        and (replica.index in here or room(replica) >= version.memory)
    ]
    candidates.sort(key=lambda replica: (replica.index not in here, -room(replica), replica.index))
    return [replica.index for replica in candidates]
