"""Requests to all models, all the time, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp

EVERY = 0.05
"""Real seconds from one request to a model to the next."""


@dataclass(frozen=True)
class Answer:
    """What became of one request.

    Attributes:
        at: the stand-in's seconds. who: `artifact@server-replica`, empty when it was not answered.
    """

    at: float
    who: str = ""


class Audience:
    """Asks `models` at the inference port `address`. `seen`: the answers of each, in order."""

    def __init__(self, address: str, models: Sequence[str]) -> None:
        self.seen: dict[str, list[Answer]] = {model: [] for model in models}
        self._address = address

    async def ask_on(self, clock: Callable[[], float]) -> None:
        """Asks until cancelled; `clock` gives the stand-in's seconds."""
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            for model in self.seen:
                tasks.create_task(self._ask_on(session, model, clock))

    async def _ask_on(self, session: aiohttp.ClientSession, model: str, clock: Callable[[], float]) -> None:
        while True:
            at = clock()
            self.seen[model].append(Answer(at, await self._ask(session, model)))
            await asyncio.sleep(EVERY)

    async def _ask(self, session: aiohttp.ClientSession, model: str) -> str:
        async with session.post(f"{self._address}/v2/models/{model}/infer", json={"inputs": []}) as response:
            if response.status != 200:
                return ""
            return str((await response.json())["outputs"][0]["data"][0])

    async def met(self) -> None:
        """Waits until every model has been asked."""
        while not all(answers for answers in self.seen.values()):
            await asyncio.sleep(0.01)

    async def asked_again(self) -> None:
        """Waits until every model has been asked twice from now on."""
        before = {model: len(answers) for model, answers in self.seen.items()}
        while not all(len(answers) >= before[model] + 2 for model, answers in self.seen.items()):
            await asyncio.sleep(0.01)
