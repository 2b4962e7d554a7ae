"""An event loop in which waiting takes no time: its clock jumps to the next timer when nothing else is left to do.

A simulated cluster has a clock of its own, and nothing real is waited for; so a story is over as soon as it is
reckoned, and goes the same way each time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")

_MOMENT = 1e-6
"""Seconds that every look at what is due takes, so that later is never at the same time."""


class _Jumping(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        self.now += _MOMENT if ready or timeout is None else max(timeout, _MOMENT)
        return ready


class InstantLoop(asyncio.SelectorEventLoop):
    """The loop. What is to run in a thread runs at once: a thread would take time of ours."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Returns the loop's own time, in seconds."""
        return self._jumping.now

    def run_in_executor(  # type: ignore[override] # typeshed has the executor's own signature of variadic types
        self, executor: Any, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        """Runs `func` at once and returns its result as a future."""
        future: asyncio.Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to whoever awaits it
            future.set_exception(error)
        return future


def run(story: Coroutine[Any, Any, _T]) -> _T:
    """Runs `story` to its end and returns what it returns."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(story)
