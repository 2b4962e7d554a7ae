"""The capacity table of a plan: bytes scheduled per server replica before it, at its worst moment and after it."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.live import LiveState
from reconciler.model.plan import Action, ActionKind, Capacity
from reconciler.planner.ordering import Arrangement
from reconciler.planner.retirement import moved
from reconciler.planner.room import Replica


def capacity(arrangement: Arrangement, live: LiveState, late: Iterable[Action]) -> tuple[Capacity, ...]:
    """Returns one row per server replica, sorted.

    Where the scheduler may choose, peak and after are what it could come to at most, never above the limit (or what was
    there before, where room has leaked).

    Args:
        late: the actions that shrink or delete servers after everything else.
    """
    after = {replica: bounds.limit - bounds.low for replica, bounds in arrangement.rooms.bounds.items()}
    uncounted = [r for unit in arrangement.placed for r in unit.releases if r.action not in arrangement.counted]
    for release in uncounted:
        for slot in [(release.server, index) for index in release.replicas]:
            if slot in after:
                after[slot] -= release.amount
    for unit in arrangement.placed:
        for action in unit.actions if unit.steps is None else ():
            for slot, amount in _given_up(action, live, after):
                after[slot] -= amount
    # Pods that only restart hold the same in the end.
    for action in [action for action in late if action.kind is not ActionKind.UPDATE_SERVER]:
        coming = moved(action, live, arrangement)
        for (server, index), taken in after.items():
            if server == action.subject:
                after[server, index] = taken + coming[index] if index in coming else 0
    rows = []
    for (server, index), bounds in sorted(arrangement.rooms.bounds.items()):
        before = bounds.limit - bounds.before
        most = max(bounds.limit, before)
        final = min(after[server, index], most)
        peak = min(max(bounds.limit - bounds.lowest, final), most)
        rows.append(Capacity(server, index, bounds.limit, before, peak, final))
    return tuple(rows)


def _given_up(action: Action, live: LiveState, taken: dict[Replica, int]) -> list[tuple[Replica, int]]:
    """What fewer replicas free, and where: those with the least free memory go, the highest index first."""
    model = live.model(action.subject)
    version = model.version(action.number) if model is not None and action.number is not None else None
    if action.kind is not ActionKind.CHANGE or version is None:
        return []
    slots = [(version.server, index) for index in version.occupied if (version.server, index) in taken]
    fullest = sorted(slots, key=lambda slot: (taken[slot], slot), reverse=True)
    return [(slot, version.memory) for slot in fullest[: sum(use.replicas for use in action.frees)]]
