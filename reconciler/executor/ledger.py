"""What became of each action so far. Tells the caller of every change; knows no cluster and no condition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, EdgeKind, Plan


class Ledger:
    """The outcomes of a plan's actions.

    Args:
        on_outcome: called with every new outcome. clock: Unix time in seconds.
    """

    def __init__(self, plan: Plan, on_outcome: Callable[[Outcome], None], clock: Callable[[], float]) -> None:
        self._plan = plan
        self._on_outcome = on_outcome
        self._clock = clock
        self._outcomes = {action.id: Outcome(action.id, Status.PENDING) for action in plan.actions}
        self._over = {action.id: asyncio.Event() for action in plan.actions}

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All outcomes, in the plan's order."""
        return tuple(self._outcomes.values())

    def now(self) -> float:
        """Returns the Unix time in seconds."""
        return self._clock()

    async def predecessors_over(self, action: Action) -> None:
        """Returns when every predecessor of `action` is over, however it ended."""
        for edge in action.after:
            await self._over[edge.action].wait()

    def missing(self, action: Action) -> str | None:
        """Returns which predecessor that `action` needs was not done, for people; None when it has all it needs."""
        for edge in action.after:
            outcome = self._outcomes[edge.action]
            if edge.kind is not EdgeKind.CHAIN and outcome.status is not Status.DONE:
                return f"needs {named(self._plan.action(edge.action))}, which {_ENDED[outcome.status]}"
        return None

    def running(self, action: Action, detail: str = "") -> None:
        """Notes that `action` runs, and what it waits for."""
        before = self._outcomes[action.id]
        started = self._clock() if before.started is None else before.started
        self._write(replace(before, status=Status.RUNNING, detail=detail, started=started))

    def close(self, action: Action, status: Status, detail: str) -> None:
        """Notes how `action` ended, and lets its successors go on."""
        before = self._outcomes[action.id]
        started = None if status is Status.NOT_RUN else before.started
        self._write(Outcome(action.id, status, detail, started, self._clock()))
        self._over[action.id].set()

    def interrupt(self, why: str) -> None:
        """Closes everything that is not over: what runs as interrupted, what has not begun as not run."""
        for action in self._plan.actions:
            outcome = self._outcomes[action.id]
            if outcome.status is Status.RUNNING:
                waited = f"{why}; was waiting: {outcome.detail}" if outcome.detail else why
                self.close(action, Status.INTERRUPTED, waited)
            elif not outcome.over:
                self.close(action, Status.NOT_RUN, f"{why} before it began")

    def _write(self, outcome: Outcome) -> None:
        if outcome != self._outcomes[outcome.action]:
            self._outcomes[outcome.action] = outcome
            self._on_outcome(outcome)


_ENDED = {
    Status.FAILED: "failed",
    Status.NOT_RUN: "was not run",
    Status.INTERRUPTED: "was interrupted",
    Status.PENDING: "has not begun",
    Status.RUNNING: "is not over",
}


def named(action: Action) -> str:
    """Returns how a sentence calls `action`, such as `the unload of iris version 3`."""
    number = "" if action.number is None else f" version {action.number}"
    return f"the {action.kind.value} of {action.subject}{number}"
