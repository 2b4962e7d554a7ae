"""Where versions are, as nobody says it: assumed by the scheduler's own rule (docs/seldon.md, "Capacity"). Pure.

On a Server with one replica, or for a version that is on all of them, this is exact. Else it is a guess of which
replica has what; the sum over a Server's replicas is right all the same. A version that several Servers could have
taken is shown on one of them, and takes room on each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.model.manifests import ModelSpec

Slot = tuple[str, int]
"""A Server's name and the index of a replica."""

NOWHERE = "unknown"
"""The Server of a version that is placed, where there is none that could have taken it."""


@dataclass(frozen=True, slots=True)
class Host:
    """A Server that versions may be on. `limit`: bytes per replica. `ready`: indices of its replicas, sorted.

    `loaded` is how many models it says to have loaded, None when it says nothing.
    """

    name: str
    capabilities: frozenset[str]
    limit: int
    ready: tuple[int, ...]
    asked: int
    loaded: int | None = None

    @property
    def indices(self) -> tuple[int, ...]:
        """All replicas there are or should be, those that are ready first."""
        return self.ready + tuple(i for i in range(self.asked) if i not in self.ready)


@dataclass(slots=True)
class Room:
    """What is taken on every replica, in bytes, while placements are assumed one after the other."""

    hosts: Mapping[str, Host]
    taken: dict[Slot, int] = field(default_factory=dict)

    def take(self, slots: Iterable[Slot], memory: int) -> None:
        """Books `memory` bytes on each of `slots`."""
        for slot in slots:
            self.taken[slot] = self.taken.get(slot, 0) + memory

    def free(self, host: Host, index: int) -> int:
        """Returns the bytes left on a replica; what is taken may be more than there is."""
        return max(0, host.limit - self.taken.get((host.name, index), 0))

    def candidates(self, spec: ModelSpec, *, loaded: bool) -> list[Host]:
        """Returns the Servers that may have `spec`, the likeliest first.

        Args:
            loaded: it is known to be loaded somewhere, so that a Server that has nothing loaded is not it.
        """
        matching = [
            host for host in self.hosts.values() if spec.needs <= host.capabilities and spec.server in (None, host.name)
        ]
        narrowed = [host for host in matching if host.loaded != 0] if loaded else matching
        return sorted(narrowed or matching, key=lambda host: host.name)

    def places(self, host: Host, count: int, memory: int, before: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Returns the replicas of `host` that `count` replicas of a version are assumed on, `memory` bytes on each.

        Those of `before` that have room for it come first, those with least free memory given up first; then those with
        most free memory, then the lowest index. What has no room anywhere is assumed there all the same.
        """

        def rank(index: int) -> tuple[bool, bool, bool, int, int]:
            free = self.free(host, index)
            ready = index in host.ready
            return free < memory, not ready, index not in before, -free, index

        indices = sorted(host.indices, key=rank)
        beyond = range(len(indices), max(len(indices), count))
        return tuple([*indices, *beyond][:count])
