"""The capacity table of a plan: bytes scheduled per server replica before it, at its worst moment and after it."""

from __future__ import annotations

from reconciler.model.plan import Capacity
from reconciler.planner.ordering import Arrangement


def capacity(arrangement: Arrangement) -> tuple[Capacity, ...]:
    """Returns one row per server replica, sorted.

    Where the scheduler may choose, peak and after are what it could come to at most, never above the limit.
    """
    rooms = arrangement.rooms
    final = {replica: bounds.low for replica, bounds in rooms.bounds.items()}
    for unit in arrangement.placed:
        for release in unit.releases:
            if release.action not in arrangement.counted:
                for index in release.replicas:
                    if (release.server, index) in final:
                        final[release.server, index] += release.amount
    rows = []
    for (server, index), bounds in sorted(rooms.bounds.items()):
        before, peak, after = (bounds.limit - room for room in (bounds.before, bounds.lowest, final[server, index]))
        rows.append(Capacity(server, index, bounds.limit, before, min(peak, bounds.limit), min(after, bounds.limit)))
    return tuple(rows)
