"""Steady requests to one model, as a client would send them, each of them recorded. Judges nothing."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from reconciler.demo.measure import Request

WORKERS = 6
PACE = 0.02
"""Seconds that a worker rests between two requests: steady load, far from saturating a small machine."""

TIME_LIMIT = aiohttp.ClientTimeout(total=5)
"""A request without an answer by then has failed."""


@dataclass(slots=True)
class Traffic:
    """Requests being sent to one model; `requests` grows while they are."""

    url: str
    features: int
    requests: list[Request] = field(default_factory=list)

    async def until(self, count: int) -> None:
        """Waits until `count` requests have been sent in all and answered, or have failed by their time limit."""
        while len(self.requests) < count:  # noqa: ASYNC110 - the workers that append to it never stop before we leave
            await asyncio.sleep(PACE)


@asynccontextmanager
async def flowing(url: str, model: str, features: int) -> AsyncIterator[Traffic]:
    """Sends requests to `model` behind the data plane at `url` for as long as the context is open.

    Args:
        features: how many numbers one request holds.
    """
    traffic = Traffic(f"{url}/v2/models/{model}/infer", features)
    connector = aiohttp.TCPConnector(limit=WORKERS)
    async with aiohttp.ClientSession(timeout=TIME_LIMIT, connector=connector) as session:
        leave = asyncio.Event()
        workers = [asyncio.create_task(_work(session, traffic, leave)) for _ in range(WORKERS)]
        try:
            yield traffic
            leave.set()
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def status_of(url: str, model: str, features: int) -> int:
    """Returns the HTTP status that one request to `model` is answered with, 0 for no answer."""
    async with aiohttp.ClientSession(timeout=TIME_LIMIT) as session:
        traffic = Traffic(f"{url}/v2/models/{model}/infer", features)
        return (await _send(session, traffic, 0)).status


def request_body(data: list[float]) -> dict[str, object]:
    """Returns a request in the Open Inference Protocol for one row of numbers."""
    return {"inputs": [{"name": "predict", "shape": [1, len(data)], "datatype": "FP64", "data": data}]}


async def _work(session: aiohttp.ClientSession, traffic: Traffic, leave: asyncio.Event) -> None:
    for number in itertools.count():
        if leave.is_set():
            return
        traffic.requests.append(await _send(session, traffic, number))
        await asyncio.sleep(PACE)


async def _send(session: aiohttp.ClientSession, traffic: Traffic, number: int) -> Request:
    body = request_body([float((number + position) % 7) for position in range(traffic.features)])
    start = time.monotonic()
    try:
        async with session.post(traffic.url, json=body) as response:
            answer = await response.json(content_type=None)
            version = answer.get("model_version") if isinstance(answer, dict) else None
            return Request(start, time.monotonic(), response.status, version or "")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Request(start, time.monotonic(), 0, error=f"no answer: {type(error).__name__}")
