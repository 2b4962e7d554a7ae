"""The replay checker: runs a plan in a small world of its own, against a scheduler that does its worst.

What is shown for every order tried: each load finds a place, no server replica is over its limit, no model on the air
is taken off it (but by `recreate` and decommissions), whoever fails. Each order is one way the executor and the
scheduler could behave::

    eager      everything that may start starts at once and ends as late as possible
    in turn    one action at a time, in the plan's order
    backwards  one action at a time, the last that may start first
    failing    as `eager`, with every (every other) load failing
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.model.live import LiveState
from reconciler.model.plan import Action, ActionKind, EdgeKind, Guards, Plan
from reconciler.planner.replay_world import Violation, World, world

_LOADS = (ActionKind.LOAD, ActionKind.CHANGE)


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
    for order in _ORDERS if not found else ():
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
        before[action.id] = action
    return found


class _Run:
    """One run of a plan in one order."""

    def __init__(self, plan: Plan, state: World, order: _Order) -> None:
        self.plan = plan
        self.world = state
        self.order = order
        self.done: set[str] = set()
        self.over: set[str] = set()
        self.running: list[Action] = []
        self.waiting: dict[str, Action] = {action.id: action for action in plan.actions}
        self.loads = [action.id for action in plan.actions if action.kind in _LOADS]
        self.failing = any(order.fails(number) for number in range(len(self.loads)))

    def run(self) -> None:
        while self.waiting or self.running:
            ready = self._ready()
            if ready and (self.order.at_once or not self.running):
                self._start(ready[self.order.pick])
            elif self.running:
                self._end(self.running.pop(0))
            elif self.waiting:
                raise Violation(f"{next(iter(self.waiting))} can never start")
            self._check()

    def _ready(self) -> list[Action]:
        """Actions whose predecessors are over; those whose required ones failed are dropped, as the executor does."""
        ready = []
        for action in list(self.waiting.values()):
            if any(edge.action not in self.over for edge in action.after):
                continue
            required = [edge.action for edge in action.after if edge.kind is not EdgeKind.CHAIN]
            if all(name in self.done for name in required):
                ready.append(action)
            else:
                del self.waiting[action.id]
                self.over.add(action.id)
                return self._ready()
        return ready

    def _start(self, action: Action) -> None:
        del self.waiting[action.id]
        try:
            self.world.start(action)
        except Violation:
            # After a failure elsewhere a place may be missing; the executor looks before it writes and does not run it.
            if not (self.failing and action.kind in _LOADS):
                raise
            self.over.add(action.id)
            return
        self.running.append(action)

    def _end(self, action: Action) -> None:
        self.over.add(action.id)
        if action.kind is ActionKind.LOAD and self.order.fails(self.loads.index(action.id)):
            self.world.fail(action)
            return
        self.world.finish(action)
        self.done.add(action.id)

    def _check(self) -> None:
        for slot, free in self.world.free.items():
            if free < 0 and free < self.world.overdrawn.get(slot, 0):
                raise Violation(f"{slot[0]}/{slot[1]} is over its limit by {-free} bytes")
        gone = self.world.off_the_air()
        if gone:
            raise Violation(f"{', '.join(gone)} is taken off the air")
