"""Steady requests to models, and what became of them, so that a test can say that none was lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.standin.inference import ROUTE_HEADER


@dataclass
class Counts:
    """What became of the requests to one model.

    Attributes:
        answered: by who answered (`artifact@server-replica`). lost: by HTTP status, or `unreachable`.
        losses: (requests so far, status) of each that was lost, in order.
    """

    answered: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    losses: list[tuple[int, str]] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many there were."""
        return self.answered.total() + self.lost.total()


class Requester:
    """Sends requests to `models` until it is cancelled.

    Args:
        address: of the stand-in's inference port. every: seconds between two requests to one model.
        patiently: what a model does not answer before its first answer is not counted: it is not there yet.
    """

    def __init__(self, address: str, models: Sequence[str], every: float, *, patiently: bool = False) -> None:
        self.counts = {model: Counts() for model in models}
        self._address, self._every, self._patiently = address, every, patiently

    def lost(self) -> dict[str, dict[str, int]]:
        """Returns, per model that lost any, how many by status."""
        return {model: dict(counts.lost) for model, counts in self.counts.items() if counts.lost}

    def asked_each(self, times: int) -> bool:
        """Returns whether every model was asked so often."""
        return all(counts.requests >= times for counts in self.counts.values())

    async def run(self) -> None:
        """See the class."""
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            for model in self.counts:
                tasks.create_task(self._ask_on(session, model))

    async def _ask_on(self, session: aiohttp.ClientSession, model: str) -> None:
        counts = self.counts[model]
        while True:
            answered, told = await self._ask(session, model)
            if answered:
                counts.answered[told] += 1
            elif counts.answered or not self._patiently:
                counts.losses.append((counts.requests, told))
                counts.lost[told] += 1
            await asyncio.sleep(self._every)

    async def _ask(self, session: aiohttp.ClientSession, model: str) -> tuple[bool, str]:
        address, headers = f"{self._address}/v2/models/{model}/infer", {ROUTE_HEADER: model}
        try:
            async with session.post(address, json={"inputs": []}, headers=headers) as response:
                if response.status != 200:
                    return False, str(response.status)
                return True, str((await response.json())["outputs"][0]["data"][0])
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False, "unreachable"
