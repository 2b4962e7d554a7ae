"""The capacity table of a plan: bytes scheduled per server replica before it, at its worst moment and after it."""

from __future__ import annotations

from reconciler.model.live import LiveState
from reconciler.model.plan import Action, Capacity
from reconciler.planner.ordering import Arrangement
from reconciler.planner.retirement import moved


def capacity(arrangement: Arrangement, live: LiveState, late: list[Action]) -> tuple[Capacity, ...]:
    """Returns one row per server replica, sorted.

    Where the scheduler may choose, peak and after are what it could come to at most, never above the limit.

    Args:
        late: the actions that shrink or delete servers after everything else.
    """
    after = {replica: bounds.limit - bounds.low for replica, bounds in arrangement.rooms.bounds.items()}
    for unit in arrangement.placed:
        for release in unit.releases:
            if release.action not in arrangement.counted:
                for index in release.replicas:
                    if (release.server, index) in after:
                        after[release.server, index] -= release.amount
    for action in late:
        coming = moved(action, live, arrangement)
        for (server, index), taken in after.items():
            if server == action.subject:
                after[server, index] = taken + coming[index] if index in coming else 0
    rows = []
    for (server, index), bounds in sorted(arrangement.rooms.bounds.items()):
        final = min(after[server, index], bounds.limit)
        peak = min(max(bounds.limit - bounds.lowest, final), bounds.limit)
        rows.append(Capacity(server, index, bounds.limit, bounds.limit - bounds.before, peak, final))
    return tuple(rows)
