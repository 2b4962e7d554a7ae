"""Physical memory: what is loaded beyond it lies on disk (docs/seldon.md, "Memory and overcommit")."""

from __future__ import annotations

from reconciler.clusters.simulated.records import Replica

CANNOT_EVICT = "empty cache, cannot evict"


def make_room(replica: Replica, memory: int) -> bool:
    """Evicts versions of `replica`, least recently used first, until `memory` bytes more fit in its physical memory.

    Returns False, with everything evicted that can be, when they do not fit even then: the version is bigger than the
    memory, or loads in flight take it. An evicted version still counts for placing, still shows as ready, and is
    reloaded by the next request for it.
    """
    busy = sum(load.memory for load in replica.loads.values())
    for held in list(replica.loaded):
        if busy + physical(replica) + memory <= replica.memory:
            break
        if held not in replica.evicted:
            replica.evicted.append(held)
    return busy + physical(replica) + memory <= replica.memory


def physical(replica: Replica) -> int:
    """Returns the bytes that versions take which are loaded and not evicted."""
    return sum(memory for held, memory in replica.loaded.items() if held not in replica.evicted)


def drop(replica: Replica, held: str) -> None:
    """A version is unloaded for good."""
    replica.loaded.pop(held, None)
    if held in replica.evicted:
        replica.evicted.remove(held)
