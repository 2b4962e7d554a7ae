"""Keeps one MLServer process per server replica running: starts or adopts it, restarts it after a crash, ends it.

It tells an observer what happens and knows nothing of models. After a crash it waits before the next start, longer each
time, until a process has lived for a while.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Protocol

from reconciler.clusters.local.mlserver_api import MlserverApi
from reconciler.clusters.local.mlserver_settings import environment
from reconciler.clusters.local.process import Identity, free_port, python, spawn
from reconciler.clusters.local.records import Process, ReplicaKey

_log = logging.getLogger(__name__)

START_TIMEOUT = 120.0
"""Seconds a process may take until it answers; on a busy machine importing its libraries takes long."""

ADOPT_TIMEOUT = 300.0
"""Seconds in which a process found running must answer before it is replaced: as long as one request may take, because
nobody knows what it was asked before."""

GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""

FIRST_DELAY, LONGEST_DELAY, CALM = 0.2, 30.0, 60.0
"""Seconds before the first restart, at most before any, and of life after which the delay starts over."""


class ReplicaObserver(Protocol):
    """Who is told what becomes of the processes."""

    async def on_started(self, replica: ReplicaKey, process: Process) -> None:
        """A process was started; it does not answer yet."""
        ...

    async def on_up(self, replica: ReplicaKey, process: Process, adopted: bool) -> None:
        """The process answers."""
        ...

    async def on_down(self, replica: ReplicaKey) -> None:
        """The process that answered is gone."""
        ...


class Supervisor:
    """The processes of all server replicas.

    Args:
        state: the state folder; a process works in `processes/<server>-<index>/` below it.
        versions: the folder of the version folders.
    """

    def __init__(self, state: Path, versions: Path, api: MlserverApi, observer: ReplicaObserver) -> None:
        self._state = state
        self._versions = versions
        self._api = api
        self._observer = observer
        self._keepers: dict[ReplicaKey, asyncio.Task[None]] = {}
        self._current: dict[ReplicaKey, Process] = {}

    def keep(self, replica: ReplicaKey, known: Process | None) -> None:
        """Sees to it that `replica` has a process; `known` is the one it had when the gateway last ran."""
        if replica not in self._keepers:
            self._keepers[replica] = asyncio.create_task(self._keep(replica, known), name=f"keep {replica}")

    async def stop(self, replica: ReplicaKey, known: Process | None) -> None:
        """Ends the process of `replica` and no longer restarts it."""
        keeper = self._keepers.pop(replica, None)
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        process = self._current.pop(replica, None) or known
        if process is not None:
            await Identity(process.pid, process.started).end(GRACE)

    async def restart(self, replica: ReplicaKey) -> None:
        """Kills the process of `replica` at once, because it hangs; its keeper starts another."""
        process = self._current.get(replica)
        if process is not None:
            _log.warning("replica %s does not answer: process %d is killed", replica, process.pid)
            await Identity(process.pid, process.started).end(0)

    async def answers(self, process: Process, within: float) -> bool:
        """Waits until `process` says who it is; returns False when it ends or `within` seconds are over before."""
        identity = Identity(process.pid, process.started)
        limit = time.monotonic() + within
        while identity.alive() and (left := limit - time.monotonic()) > 0:
            if await self._api.is_up(process.url, process.token, left):
                return True
            await asyncio.sleep(0.1)
        return False

    async def let_go(self) -> None:
        """Stops watching; the processes go on."""
        keepers = list(self._keepers.values())
        self._keepers.clear()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _keep(self, replica: ReplicaKey, known: Process | None) -> None:
        delay = FIRST_DELAY
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._one_life(replica, known)
            except OSError as error:  # no memory, no file descriptors, a full disk: worth another try
                _log.warning("replica %s cannot be started: %s", replica, error)
            known = None
            delay = FIRST_DELAY if loop.time() - began > CALM else delay
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY)

    async def _one_life(self, replica: ReplicaKey, known: Process | None) -> None:
        """From the start (or the adoption) of a process to its end."""
        process = await self._adopted(replica, known)
        adopted = process is not None
        if process is None:
            process = self._started(replica)
            await self._observer.on_started(replica, process)
            if not await self.answers(process, START_TIMEOUT):
                _log.warning("replica %s: process %d did not start; see its log", replica, process.pid)
                await Identity(process.pid, process.started).end(0)
                return
        await self._observer.on_up(replica, process, adopted)
        identity = Identity(process.pid, process.started)
        while not await identity.gone(LONGEST_DELAY):
            continue
        _log.warning("replica %s: process %d ended", replica, process.pid)
        self._current.pop(replica, None)
        await self._observer.on_down(replica)

    async def _adopted(self, replica: ReplicaKey, known: Process | None) -> Process | None:
        """Returns the process known from before if it is the very same and answers; ends it if it does not."""
        if known is None or not Identity(known.pid, known.started).alive():
            return None
        self._current[replica] = known
        if await self.answers(known, ADOPT_TIMEOUT):
            return known
        _log.warning("replica %s: process %d from before does not answer and is replaced", replica, known.pid)
        await Identity(known.pid, known.started).end(0)
        return None

    def _started(self, replica: ReplicaKey) -> Process:
        folder = self._state / "processes" / f"{replica.server}-{replica.index}"
        cwd = folder / "cwd"
        shutil.rmtree(cwd, ignore_errors=True)  # a stray settings.json or .env there would override ours
        cwd.mkdir(parents=True)
        port, token = free_port(), f"{replica.server}-{replica.index}-{secrets.token_hex(8)}"
        variables = environment(os.environ, self._state, self._versions, port, token)
        command = python("-c", "from mlserver.cli import main; main()", "start", str(self._versions))
        identity = spawn(command, cwd=cwd, environment=variables, log=folder / "server.log")
        process = Process(identity.pid, identity.started, port, token)
        self._current[replica] = process
        return process
