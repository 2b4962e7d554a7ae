"""Requests to all models, all the time, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

EVERY = 0.05
"""Real seconds from one request to a model to the next."""


@dataclass(frozen=True)
class Answer:
    """What became of one request. `at`: simulated seconds. `who`: `artifact@server-replica`, empty without an answer."""

    at: float
    who: str = ""


@dataclass
class Seen:
    """What one model answered, in order."""

    answers: list[Answer] = field(default_factory=list)


class Audience:
    """Asks `models` at the inference port `address`. `seen`: by model."""

    def __init__(self, address: str, models: Sequence[str]) -> None:
        self.seen: dict[str, Seen] = {model: Seen() for model in models}
        self._address = address

    async def ask_on(self, clock: Callable[[], float]) -> None:
        """Asks until cancelled; `clock` gives simulated seconds."""
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            for model in self.seen:
                tasks.create_task(self._ask_on(session, model, clock))

    async def _ask_on(self, session: aiohttp.ClientSession, model: str, clock: Callable[[], float]) -> None:
        while True:
            at = clock()
            self.seen[model].answers.append(Answer(at, await self._ask(session, model)))
            await asyncio.sleep(EVERY)

    async def _ask(self, session: aiohttp.ClientSession, model: str) -> str:
        async with session.post(f"{self._address}/v2/models/{model}/infer", json={"inputs": []}) as response:
            if response.status != 200:
                return ""
            return str((await response.json())["outputs"][0]["data"][0])

    async def met(self) -> None:
        """Waits until every model has been asked."""
        while not all(seen.answers for seen in self.seen.values()):
            await asyncio.sleep(0.01)

    async def asked_again(self) -> None:
        """Waits until every model has been asked twice from now on."""
        before = {model: len(seen.answers) for model, seen in self.seen.items()}
        while not all(len(seen.answers) >= before[model] + 2 for model, seen in self.seen.items()):
            await asyncio.sleep(0.01)
