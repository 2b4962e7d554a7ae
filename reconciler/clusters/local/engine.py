"""Holds the state of the local cluster and does what it says: the one place where decisions meet processes.

Whatever is `LoadRequested` on a replica that answers is loaded, whatever is `Draining` is waited for, whatever is
`UnloadRequested` is unloaded, a retiring replica that holds nothing is ended. Each job reports back a fact; facts and
actions make a new state; the new state starts new jobs. So a gateway that was killed needs no journal: it starts the
jobs its state asks for. All of it runs in one event loop; changes of the state are made one at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from pathlib import Path

import aiohttp

from reconciler.clusters.local import actions, facts, store, view
from reconciler.clusters.local.artifacts import Artifacts, LoadError
from reconciler.clusters.local.gateway import ANSWER_TIMEOUT
from reconciler.clusters.local.mlserver_api import SMOKE_TIMEOUT, MlserverApi
from reconciler.clusters.local.mlserver_settings import STATE_VARIABLE
from reconciler.clusters.local.process import Identity, marked
from reconciler.clusters.local.records import LoadKey, Process, ReplicaKey, State
from reconciler.clusters.local.scheduler import Installed
from reconciler.clusters.local.supervisor import Supervisor
from reconciler.clusters.local.traffic import Traffic
from reconciler.errors import ClusterError
from reconciler.model.live import Failure, LiveState, ReplicaState
from reconciler.model.plan import Action
from reconciler.model.records import FAILED_ANNOTATION, failure_to_json

_log = logging.getLogger(__name__)

DEATHS_FORGIVEN = 2
"""How often the process may die while it loads a version; one that never was whole is given up at once."""

HUNG_AFTER = 60.0
"""Seconds after which a process that nobody waits for and that says nothing at all is taken to hang."""

DEATH_THROES = 5.0
"""Seconds between a connection that breaks and the end of the process, if that is why."""

SAVE_RETRY = 2.0
"""Seconds after which a fact that could not be written to disk is written again."""


class Engine:
    """The local cluster itself.

    Args:
        folder: the state folder. artifacts: what a relative `storageUri` is below. api: to the MLServer processes.
        installed: capabilities of the MLServer installed here.
        hung_after: seconds, see `HUNG_AFTER`.
    """

    def __init__(
        self, folder: Path, artifacts: Path, api: MlserverApi, installed: Installed, hung_after: float = HUNG_AFTER
    ) -> None:
        self._folder = folder
        self._file = folder / "state.json"
        self._artifacts = Artifacts(folder / "versions", artifacts)
        self._api = api
        self._installed = installed
        self._hung_after = hung_after
        self._state = State()
        self._up: dict[ReplicaKey, Process] = {}
        self._unconfirmed: set[ReplicaKey] = set()
        self._jobs: dict[Hashable, asyncio.Task[None]] = {}
        self._kept = State()
        self._changing = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._loading: defaultdict[ReplicaKey, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._staging: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._deaths: Counter[LoadKey] = Counter()
        self._folders: frozenset[str] = frozenset()
        self._stopping = False
        self._revision = time.time_ns()  # never one that an earlier gateway has given out
        self._changed = asyncio.Event()
        self.traffic = Traffic(self._bump)
        self._supervisor = Supervisor(folder, folder / "versions", api, self)

    async def start(self) -> None:
        """Reads the state, ends processes that nobody recorded, and takes up whatever was going on.

        Raises:
            ClusterError: the state cannot be read.
        """
        state = facts.resumed(store.read(self._file))
        (self._folder / "versions").mkdir(exist_ok=True)
        recorded = {(r.process.pid, r.process.started) for _, r in state.replicas() if r.process}
        strays = [i for i in marked(STATE_VARIABLE, str(self._folder)) if (i.pid, i.started) not in recorded]
        await asyncio.gather(*(stray.end(0) for stray in strays))
        for name in self._artifacts.present() - facts.wanted_folders(state):
            self._artifacts.discard(name)
        self._kept = state
        self._up = _serving(state)
        self._unconfirmed = set(self._up)
        self._take_over(state)

    async def adopted(self, within: float) -> None:
        """Waits until the processes that served before say what they still hold, `within` seconds at most.

        One that is too busy to say so in time is sent requests all the same: they wait for it as others do.
        """
        with suppress(TimeoutError):  # then they are confirmed later
            async with asyncio.timeout(within):
                while self._unconfirmed:
                    await self._changed.wait()

    async def stop(self) -> None:
        """Ends all jobs and all MLServer processes; the state stays, so that the next start brings everything back."""
        self._stopping = True
        for job in list(self._jobs.values()):
            job.cancel()
        await asyncio.gather(*self._jobs.values(), return_exceptions=True)
        await self._supervisor.let_go()
        replicas = [self._supervisor.stop(key, record.process) for key, record in self._state.replicas()]
        await asyncio.gather(*replicas)
        with suppress(OSError):  # what is on disk then is a little older, and true enough
            store.write(self._file, self._state)

    async def perform(self, action: Action) -> None:
        """Takes in `action`; what it starts goes on by itself.

        Raises:
            ActionRefused: it cannot be done. ClusterError: the new state cannot be kept. Nothing changed then.
        """
        world = actions.World(self._up.keys(), self._installed)
        await self._ask(lambda state: actions.perform(state, world, action))

    async def record_failure(self, model: str, failure: Failure | None) -> None:
        """Keeps on a model that a version failed to load; None clears it. Raises ClusterError as `perform` does."""
        text = None if failure is None else failure_to_json(failure)
        await self._ask(lambda state: actions.annotated(state, model, FAILED_ANNOTATION, text))

    async def observe(self, seen: int | None, within: float) -> tuple[int, LiveState]:
        """Returns a number for what is live now, and what that is.

        Args:
            seen: the number the caller has: returns when it is no longer the newest, or after `within` seconds.
        """
        if seen == self._revision:
            with suppress(TimeoutError):  # nothing changed: the same is returned
                async with asyncio.timeout(within):
                    await self._changed.wait()
        in_flight = self.traffic.in_flight
        return self._revision, view.live_state(self._state, self._up, self._installed, in_flight, time.time())

    async def on_started(self, replica: ReplicaKey, process: Process) -> None:
        """A process was started for a replica: whatever its predecessor held is gone."""
        self._up.pop(replica, None)
        self._unconfirmed.discard(replica)
        await self._tell(lambda state: facts.process_started(facts.replica_down(state, replica), replica, process))

    async def on_up(self, replica: ReplicaKey, process: Process, adopted: bool) -> None:
        """A process answers: what it lacks is loaded."""
        lost = await self._lost(replica, process) if adopted else []
        self._up[replica] = process
        self._unconfirmed.discard(replica)

        def change(state: State) -> State:
            for key in lost:
                state = facts.moved(state, key, ReplicaState.LOAD_REQUESTED)
            return facts.replica_up(state, replica)

        await self._tell(change)

    async def on_down(self, replica: ReplicaKey) -> None:
        """The process of a replica is gone: its versions are routed around until it is back."""
        self._up.pop(replica, None)
        self._unconfirmed.discard(replica)
        await self._tell(lambda state: facts.process_started(facts.replica_down(state, replica), replica, None))

    async def _lost(self, replica: ReplicaKey, process: Process) -> list[LoadKey]:
        """Returns the versions that should be available in a process found running, and are not."""
        held = [k for k, was in self._state.loads() if k.replica == replica and was is ReplicaState.AVAILABLE]
        asked = (self._api.is_ready(process.url, key.loaded_as, ANSWER_TIMEOUT) for key in held)
        ready = await asyncio.gather(*asked)
        return [key for key, holds in zip(held, ready, strict=True) if not holds]

    async def _ask(self, change: Callable[[State], State]) -> None:
        """Makes a change that somebody asks for: kept on disk first, or not made at all."""
        async with self._changing:
            new = change(self._state)
            if new == self._state:
                return
            async with self._writing:
                try:
                    await asyncio.to_thread(store.write, self._file, new)
                except OSError as error:
                    what = "the local cluster cannot keep its state, so it changed nothing"
                    fix = f"make room or permissions for {self._file}"
                    raise ClusterError(what, why=str(error), fix=fix) from error
                self._kept = new
                self._take_over(new)

    async def _tell(self, change: Callable[[State], State]) -> None:
        """Makes a change that has happened already: true at once, kept on disk soon.

        Many facts share one write. Those that a crash takes with it are found out again: a load or unload that was done
        is done once more, which changes nothing.
        """
        async with self._changing:
            self._take_over(change(self._state))
        if "save" not in self._jobs:
            self._start("save", self._save())

    async def _save(self) -> None:
        while self._kept != self._state:
            async with self._writing:
                newest = self._state
                try:
                    await asyncio.to_thread(store.write, self._file, newest)
                    self._kept = newest
                    continue
                except OSError:
                    _log.exception("the state cannot be written; trying again")
            await asyncio.sleep(SAVE_RETRY)

    def _take_over(self, state: State) -> None:
        self._state = state
        self.traffic.publish(state, {key: process.url for key, process in self._up.items()})
        self._bump()
        if not self._stopping:
            self._drive()

    def _bump(self) -> None:
        self._revision += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _drive(self) -> None:
        """Starts the jobs that the state asks for and that do not run yet."""
        jobs = {
            ReplicaState.LOAD_REQUESTED: self._load,
            ReplicaState.UNLOAD_REQUESTED: self._unload,
            ReplicaState.DRAINING: self._drain,
        }
        for key, was in self._state.loads():
            if was in jobs and key.replica in self._up and key not in self._jobs:
                self._start(key, jobs[was](key))
        ending = set(facts.idle_retiring(self._state))
        for replica, record in self._state.replicas():
            if replica in self._jobs:
                continue
            if replica in ending:
                self._up.pop(replica, None)
                self._start(replica, self._end(replica, record.process))
            else:
                self._supervisor.keep(replica, record.process)
        folders = facts.wanted_folders(self._state)
        for name in self._folders - folders:
            self._start(name, self._discard(name))
        self._folders = folders

    def _start(self, key: Hashable, job: Coroutine[None, None, None]) -> None:
        async def run() -> None:
            try:
                await job
            except Exception:  # noqa: BLE001 - whatever it is, the other jobs go on
                _log.exception("the job for %s failed", key)
                await asyncio.sleep(1)  # a bug must not become a busy loop
            finally:
                if self._jobs.get(key) is task:
                    del self._jobs[key]
            if not self._stopping:
                self._drive()

        task = self._jobs[key] = asyncio.create_task(run(), name=str(key))
        task.add_done_callback(lambda _: job.close())  # a task that is cancelled before it begins never awaits its job

    async def _load(self, key: LoadKey) -> None:
        """Loads one version on one replica, after what is being loaded there."""
        async with self._loading[key.replica]:
            process, version = self._up.get(key.replica), self._state.version(key)
            if process is None or version is None or version.on(key.replica.index) is not ReplicaState.LOAD_REQUESTED:
                return
            await self._tell(lambda state: facts.moved(state, key, ReplicaState.LOADING))
            try:
                await self._load_on(key, process)
            except LoadError as error:
                await self._load_failed(key, process, error.what)
            except (aiohttp.ClientError, OSError) as error:
                await self._broken_off(key, process, str(error))
            else:
                del self._deaths[key]
                await self._tell(lambda state: facts.moved(state, key, ReplicaState.AVAILABLE))

    async def _load_on(self, key: LoadKey, process: Process) -> None:
        version, policy = self._state.version(key), self._state.models[key.model].policy
        if version is None:
            raise LoadError("it was given up")
        async with self._staging[key.loaded_as]:
            await asyncio.to_thread(self._artifacts.stage, key.loaded_as, version.spec)
        limit = time.monotonic() + policy.load_timeout
        await self._api.load(process.url, key.loaded_as, policy.load_timeout)
        if policy.smoke_request is not None:
            within = max(limit - time.monotonic(), SMOKE_TIMEOUT)
            await self._api.smoke(
                process.url, key.loaded_as, policy.smoke_request, within, lambda: self.traffic.awaited(key.replica) > 0
            )

    async def _load_failed(self, key: LoadKey, process: Process, reason: str) -> None:
        """Takes whatever the failed load left out of the process, then tells of the failure."""
        _log.warning("%s on %s: %s", key.loaded_as, key.replica, reason)
        await self._unloaded(key, process)
        await self._tell(lambda state: facts.load_failed(state, key, reason))

    async def _broken_off(self, key: LoadKey, process: Process, cause: str) -> None:
        """The connection broke: the version that was loading is the likely cause, so it is not tried for ever.

        As a rule the process ended with it. A process that goes on may have closed a connection it thought idle; that
        is no reason to end it, nor, the first times, to give the version up.
        """
        cause = f"the connection to server replica {key.replica} broke while loading it: {cause}"
        self._deaths[key] += 1
        forgiven = self._deaths[key] <= DEATHS_FORGIVEN
        if await Identity(process.pid, process.started).gone(DEATH_THROES):
            while self._up.get(key.replica) is process:  # the supervisor is about to tell
                await self._changed.wait()
            version = self._state.version(key)
            forgiven = forgiven and version is not None and version.proven
            cause = f"the process of server replica {key.replica} ended while loading it"
        if forgiven:
            await self._tell(lambda state: facts.moved(state, key, ReplicaState.LOAD_REQUESTED))
        else:
            await self._load_failed(key, process, cause)

    async def _unload(self, key: LoadKey) -> None:
        """Unloads one version from one replica; a process that ended has nothing loaded."""
        await self._tell(lambda state: facts.moved(state, key, ReplicaState.UNLOADING))
        process = self._up.get(key.replica)
        if process is not None and await self._unloaded(key, process):
            await self._tell(lambda state: facts.moved(state, key, ReplicaState.UNLOADED))

    async def _unloaded(self, key: LoadKey, process: Process) -> bool:
        """Takes a version out of a process, however often that takes; returns False if the process went before.

        A process that is busy is waited for: other models answer there. Only one that hangs is ended.
        """
        delay = 0.2
        while self._up.get(key.replica) is process:
            if await self._hangs(key.replica, process):
                await self._supervisor.restart(key.replica)
                return False
            if await self._api.unload(process.url, key.loaded_as):
                return True
            await asyncio.sleep(delay)
            delay = min(delay * 2, 10.0)
        return False

    async def _hangs(self, replica: ReplicaKey, process: Process) -> bool:
        """Waits until a process that runs answers anybody; returns whether it does not for very long.

        Predictions may hold it up for as long as the data plane waits for one.
        """
        patience = ANSWER_TIMEOUT if self.traffic.awaited(replica) else self._hung_after
        before = self.traffic.answers(replica)
        if await self._supervisor.answers(process, patience) or self.traffic.answers(replica) != before:
            return False
        return Identity(process.pid, process.started).alive() and self._up.get(replica) is process

    async def _drain(self, key: LoadKey) -> None:
        """Waits until one version answers nothing on one replica any more, or the model's drain time-out is over."""
        model = self._state.models.get(key.model)
        with suppress(TimeoutError):  # then it goes on regardless
            async with asyncio.timeout(model.policy.drain_timeout if model else 0):
                while self.traffic.on_replica(key) and self._is(key, ReplicaState.DRAINING):
                    await self._changed.wait()
        if self._is(key, ReplicaState.DRAINING):
            await self._tell(lambda state: facts.moved(state, key, ReplicaState.UNLOAD_REQUESTED))

    def _is(self, key: LoadKey, state: ReplicaState) -> bool:
        version = self._state.version(key)
        return version is not None and version.on(key.replica.index) is state

    async def _end(self, replica: ReplicaKey, process: Process | None) -> None:
        await self._supervisor.stop(replica, process)
        await self._tell(lambda state: facts.replica_stopped(state, replica))

    async def _discard(self, name: str) -> None:
        async with self._staging[name]:
            await asyncio.to_thread(self._artifacts.discard, name)
        self._staging.pop(name, None)


def _serving(state: State) -> dict[ReplicaKey, Process]:
    """Returns the processes recorded in `state` that run and had versions available: they are sent requests at once."""
    held = {key.replica for key, was in state.loads() if was is ReplicaState.AVAILABLE}
    known = [(key, record.process) for key, record in state.replicas() if record.process and key in held]
    return {key: process for key, process in known if Identity(process.pid, process.started).alive()}
