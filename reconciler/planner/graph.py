"""Puts the actions of a plan in an order that respects their edges."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from reconciler.errors import PlanUnsafe
from reconciler.model.plan import Action, ActionKind

_ORDER = {kind: number for number, kind in enumerate(ActionKind)}


def in_order(actions: Iterable[Action]) -> tuple[Action, ...]:
    """Returns `actions` so that each follows its predecessors, otherwise in the default order: by kind, then name.

    Raises:
        PlanUnsafe: their edges go round in a circle, which is a bug in this package.
    """
    by_id = {action.id: action for action in actions}
    waiting = {action.id: {edge.action for edge in action.after} for action in by_id.values()}
    followers: dict[str, list[str]] = {}
    for action in by_id.values():
        for edge in action.after:
            followers.setdefault(edge.action, []).append(action.id)
    ready = [(_ORDER[by_id[i].kind], i) for i, before in waiting.items() if not before]
    heapq.heapify(ready)
    result: list[Action] = []
    while ready:
        _, current = heapq.heappop(ready)
        result.append(by_id[current])
        for follower in followers.get(current, []):
            waiting[follower].discard(current)
            if not waiting[follower]:
                heapq.heappush(ready, (_ORDER[by_id[follower].kind], follower))
    if len(result) < len(by_id):
        circle = ", ".join(sorted(set(waiting) - {action.id for action in result})[:10])
        raise PlanUnsafe(f"the plan has a cycle among {circle}", why="its edges contradict each other, which is a bug")
    return tuple(result)
