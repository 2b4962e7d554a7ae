"""The Seldon stand-in: watches the objects of a real API server, lets the simulated cluster decide, and writes what
Seldon would write.

    API server ── watch ──▶ Mirror ──▶ Simulation ──▶ Operator, Workloads ── patch ──▶ API server
                                          │
                                          ├──▶ scheduler   ModelStatus, ServerStatus by gRPC
                                          └──▶ inference   who answers, by HTTP

Simulated time follows a clock (`live`), or is driven: whoever drives steps from event to event, and everything is
written before the next (`step`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from reconciler.clusters.simulated import Artifact, Choices, Rules, Simulation
from reconciler.clusters.simulated.api import FINALIZED
from tests.standin import inference, scheduler
from tests.standin.api import ApiError, ApiServer, Json
from tests.standin.mirror import Mirror
from tests.standin.operator import Operator
from tests.standin.workloads import Workloads

KINDS = ("Server", *sorted(FINALIZED))
"""Kinds of objects that the simulated cluster takes in."""

AGAIN_AFTER = 0.1
"""Seconds until what could not be written is written once more."""


@dataclass
class Ports:
    """Where it listens on 127.0.0.1; 0 takes a free port."""

    scheduler: int = 0
    inference: int = 0


class StandIn:
    """A stand-in for Seldon in one namespace.

    Args:
        speed: simulated seconds per second; None when simulated time is driven by `step`.
    """

    def __init__(self, api: ApiServer, simulation: Simulation, speed: float | None = 1.0) -> None:
        self.api = api
        self.simulation = simulation
        self.ports = Ports()
        self.mirror = Mirror(api, KINDS, self._seen, self._gone)
        self.operator = Operator(api, simulation, self.mirror.objects)
        self.workloads = Workloads(api, simulation)
        self._speed = speed
        self._began = time.monotonic()
        self._woken = asyncio.Event()
        self._writing = asyncio.Lock()

    def advance(self) -> None:
        """Lets simulated time pass up to now; whoever asks or tells something calls it first."""
        if self._speed is not None:
            self.simulation.run_until((time.monotonic() - self._began) * self._speed)

    async def flush(self) -> None:
        """Writes to the API server whatever is not written yet."""
        async with self._writing:
            await self.operator.write()
            if not self.operator.stands_still:
                await self.workloads.write()

    def is_quiet(self) -> bool:
        """Returns whether nothing is under way in the simulation, and all of it is written."""
        self.advance()
        return self.simulation.next_event_at() is None and not self._writing.locked()

    async def step(self) -> None:
        """Carries out the next event of a driven simulation, and writes what follows from it."""
        self.simulation.step()
        await self.flush()

    async def follow_clock(self, speed: float) -> None:
        """From now on, a driven stand-in follows the clock as `live` does; `speed` in simulated seconds per second."""
        self._began, self._speed = time.monotonic() - self.simulation.now / speed, speed
        await self.live()

    async def live(self) -> None:
        """Follows the clock until cancelled."""
        while True:
            self.advance()
            try:
                await self.flush()
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(AGAIN_AFTER)
                continue
            await self._rest()

    async def _rest(self) -> None:
        due = self.simulation.next_event_at()
        assert self._speed is not None  # only a clock is followed
        seconds = None if due is None else max(0.001, (due - self.simulation.now) / self._speed)
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    def kill(self, server: str, replica: int) -> None:
        """Ends the processes of a server replica. Raises KeyError when there is none."""
        self.advance()
        self.simulation.kill(server, replica)
        self._woken.set()

    def restart_scheduler(self) -> None:
        """Ends the scheduler's process; it comes back by itself."""
        self.advance()
        self.simulation.restart_scheduler()
        self._woken.set()

    def set_artifact(self, uri: str, artifact: Artifact) -> None:
        """From now on, loads of `uri` go like this."""
        self.advance()
        self.simulation.set_artifact(uri, artifact)

    def let_operator_stand(self, *, still: bool) -> None:
        """Stops or starts the operator; what happened meanwhile is taken in when it starts."""
        self.advance()
        self.operator.stands_still = still
        if not still:
            for ref in [ref for ref in self.simulation.world.objects if ref not in self.mirror.objects]:
                self.operator.forgets(ref)
            for ref, found in self.mirror.objects.items():
                self.operator.takes_in(ref, found)
        self._woken.set()

    def let_finalizers_hang(self, *, hang: bool) -> None:
        """From now on, objects whose deletion is over stay, or go."""
        self.operator.keeps_finalizers = hang
        self._woken.set()

    def _seen(self, ref: str, found: Json) -> None:
        if not self.operator.stands_still:
            self.advance()
            self.operator.takes_in(ref, found)
        self._woken.set()

    def _gone(self, ref: str, found: Json) -> None:
        if not self.operator.stands_still:
            self.advance()
            self.operator.forgets(ref)
        self._woken.set()


@asynccontextmanager
async def stand_in(
    kubeconfig: Path,
    namespace: str,
    rules: Rules,
    artifacts: Mapping[str, Artifact] | None = None,
    choices: Choices | None = None,
    *,
    speed: float | None = 1.0,
    ports: Ports | None = None,
) -> AsyncIterator[StandIn]:
    """Runs a stand-in; see `StandIn`."""
    async with ApiServer(kubeconfig, namespace) as api:
        found = StandIn(api, Simulation(rules, artifacts, choices), speed)
        await found.workloads.begin()
        since = await found.mirror.begin()
        async with (
            scheduler.serving(found, (ports or Ports()).scheduler) as found.ports.scheduler,
            inference.serving(found, (ports or Ports()).inference) as found.ports.inference,
            _running(found, since),
        ):
            yield found


@asynccontextmanager
async def _running(found: StandIn, since: dict[str, str]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(found.mirror.follow(since))]
    if found._speed is not None:
        tasks.append(asyncio.create_task(found.live()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error  # it has been deaf or idle since: whatever a test saw then says nothing
