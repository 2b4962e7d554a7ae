"""The replay checker: runs a plan in a small world of its own, against a scheduler that does its worst.

What is shown for every order tried: each load finds a place, no server replica is over its limit, no model on the air
is taken off it (but by `recreate` and decommissions), nothing is carried along before it can take effect or taken away
while something names it, whoever fails. Each order is one way the executor and the
scheduler could behave::

    eager      everything that may start starts at once and ends as late as possible
    in turn    one action at a time, in the plan's order
    backwards  one action at a time, the last that may start first
    failing    as `eager`, with every (every other) load failing
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.model.live import LiveState
from reconciler.model.plan import Action, ActionKind, EdgeKind, Guards, Plan
from reconciler.planner.replay_carried import justified
from reconciler.planner.replay_world import Violation, World, world

_LOADS = (ActionKind.PROBE, ActionKind.LOAD, ActionKind.RETRIGGER, ActionKind.CHANGE)


@dataclass(frozen=True, slots=True)
class _Order:
    """How a run goes: actions at once, which ready one is next, which server is taken, which loads fail."""

    name: str
    at_once: bool
    pick: int
    choose: Callable[[list[str]], str]
    fails: Callable[[int], bool] = lambda _: False


_ORDERS = (
    _Order("eager", at_once=True, pick=0, choose=lambda names: names[0]),
    _Order("eager, other servers", at_once=True, pick=-1, choose=lambda names: names[-1]),
    _Order("in turn", at_once=False, pick=0, choose=lambda names: names[0]),
    _Order("backwards", at_once=False, pick=-1, choose=lambda names: names[-1]),
    _Order("all loads failing", at_once=True, pick=0, choose=lambda names: names[0], fails=lambda _: True),
    _Order("every other load failing", True, 0, lambda names: names[-1], lambda number: number % 2 == 0),
)


def violations(plan: Plan, live: LiveState, guards: Guards) -> tuple[str, ...]:
    """Returns what is wrong with `plan`, one sentence each, empty when it is safe from `live` on.

    What is shown is safety from the state observed, as long as nobody else writes.
    """
    found = list(_unjustified(plan))
    orders = _ORDERS if plan.actions else _ORDERS[:1]  # nothing to put in order: they are all the same
    for order in orders if not found else ():
        try:
            _Run(plan, world(live, guards, order.choose), order).run()
        except Violation as violation:
            found.append(f"{violation} ({order.name})")
    return tuple(found)


def _unjustified(plan: Plan) -> list[str]:
    """Edges that point nowhere or for no reason, and actions that stand before their predecessors."""
    found: list[str] = []
    before: dict[str, Action] = {}
    for action in plan.actions:
        if action.id in before:
            found.append(f"{action.id} stands in the plan twice")
        for edge in action.after:
            other = before.get(edge.action)
            if other is None:
                found.append(f"{action.id} comes after {edge.action}, which does not come before it")
            elif edge.kind is EdgeKind.ROLLOUT and other.subject != action.subject:
                found.append(f"{action.id} waits for the rollout of {other.subject}")
            elif edge.kind is EdgeKind.MEMORY and not other.frees and other.kind is not ActionKind.CHANGE:
                found.append(f"{action.id} waits for memory of {other.id}, which frees none")
            elif edge.kind is EdgeKind.SERVER and other.server is None and action.server is None:
                found.append(f"{action.id} waits for a server, but {other.id} is about none")
            elif edge.kind is EdgeKind.REFERENCE and not justified(action, other):
                found.append(f"{action.id} waits for {other.id}, and neither names the other")
        before[action.id] = action
    return found


class _Run:
    """One run of a plan in one order."""

    def __init__(self, plan: Plan, state: World, order: _Order) -> None:
        self.world = state
        self.order = order
        self.actions = plan.actions
        self.place = {action.id: number for number, action in enumerate(plan.actions)}
        self.followers: dict[str, list[Action]] = {}
        for action in plan.actions:
            for edge in action.after:
                self.followers.setdefault(edge.action, []).append(action)
        self.awaited = {action.id: len({edge.action for edge in action.after}) for action in plan.actions}
        self.done: set[str] = set()
        self.over: set[str] = set()
        self.ready = [self.place[action.id] for action in plan.actions if not action.after]
        self.running: deque[Action] = deque()
        loads = [a.id for a in plan.actions if a.kind in (ActionKind.LOAD, ActionKind.RETRIGGER)]
        self.failing = {name for number, name in enumerate(loads) if order.fails(number)}

    def run(self) -> None:
        self._check(None)
        while self.ready or self.running:
            if self.ready and (self.order.at_once or not self.running):
                action = self.actions[self.ready.pop(self.order.pick)]
                self._start(action)
            else:
                action = self.running.popleft()
                self._end(action)
            self._check(action)
        if len(self.over) < len(self.actions):
            raise Violation("some actions can never start")

    def _start(self, action: Action) -> None:
        try:
            self.world.start(action)
        except Violation:
            # After a failure elsewhere a place may be missing; the executor looks before it writes and does not run it.
            if not (self.failing and action.kind in _LOADS):
                raise
            self._close(action)
            return
        self.running.append(action)

    def _end(self, action: Action) -> None:
        if action.id in self.failing:
            self.world.fail(action)
        else:
            self.world.finish(action)
            self.done.add(action.id)
        self._close(action)

    def _close(self, action: Action) -> None:
        """Marks `action` as over; what waited for it becomes ready, or is dropped if it needed it done."""
        closing = [action]
        while closing:
            closed = closing.pop()
            self.over.add(closed.id)
            for follower in self.followers.get(closed.id, ()):
                self.awaited[follower.id] -= 1
                if self.awaited[follower.id]:
                    continue
                if all(edge.action in self.done for edge in follower.after if edge.kind is not EdgeKind.CHAIN):
                    bisect.insort(self.ready, self.place[follower.id])
                else:
                    closing.append(follower)

    def _check(self, action: Action | None) -> None:
        """Looks at what `action` may have changed, at everything where it is None or about a server."""
        alone = {action.subject} if action is not None and action.server is None else None
        gone = self.world.off_the_air(alone)
        if gone:
            raise Violation(f"{', '.join(gone)} is taken off the air")
        over = self.world.overfull()
        if over:
            raise Violation(over)
