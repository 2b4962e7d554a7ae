"""Starting, stopping and finding the gateway process of a local cluster. Runs in the process of the user's command.

`up` detaches a gateway and waits until it answers; `down` ends it and all its MLServer processes, whatever
state they are in, and leaves the state, so that the next `up` brings everything back. All functions block; from a
coroutine call them with `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

import reconciler
from reconciler.clusters.local.client import LocalCluster
from reconciler.clusters.local.mlserver_settings import STATE_VARIABLE, installed
from reconciler.clusters.local.process import Identity, marked, python, spawn
from reconciler.clusters.local.running import Running, read_running
from reconciler.errors import ClusterError, ClusterUnavailable, UsageError

_T = TypeVar("_T")

START_TIMEOUT = 60.0
"""Seconds in which a gateway must answer."""

STOP_GRACE = 60.0
"""Seconds between SIGTERM and SIGKILL of a gateway, which ends its MLServer processes meanwhile."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a local cluster answers. `started`: this very call started it."""

    url: str
    pid: int
    artifacts: Path
    state: Path
    started: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a local cluster. `address` is None when no gateway runs; `mlservers` counts its processes."""

    state: Path
    address: Address | None
    mlservers: int


def up(state: Path, *, port: int | None = None, artifacts: Path | None = None) -> Address:
    """Starts the local cluster in `state` and returns when it answers; one that runs already is left alone.

    Args:
        state: the state folder, made if need be. port: of the data plane on 127.0.0.1; None: the one it had before, or
            9000, or another free one. artifacts: what a relative `storageUri` is below; None: the folder it had before,
            or `artifacts` in the state folder.

    Raises:
        UsageError: the wrong Python, MLServer not installed, the port is taken, or it runs with other settings.
        ClusterError: it did not start; says what its log says.
    """
    check_here(sys.version_info[:2], installed())
    state, artifacts = state.resolve(), artifacts and artifacts.resolve()
    _make_private(state)
    with FileLock(state / "up.lock"):
        running = _answering(state)
        if running is not None:
            _check_same(running, port, artifacts)
            return _address(state, running)
        return _address(state, _started(state, port, artifacts), started=True)


def down(state: Path) -> bool:
    """Ends the gateway and all MLServer processes of the local cluster in `state`; returns whether anything ran."""
    if not state.is_dir():
        return False
    state = state.resolve()
    with FileLock(state / "up.lock"):
        return _blocking(_ended(state))


def status(state: Path) -> Status:
    """Returns what runs of the local cluster in `state`."""
    state = state.resolve()
    running = _answering(state)
    address = None if running is None else _address(state, running)
    return Status(state, address, len(marked(STATE_VARIABLE, str(state))))


def check_here(version: tuple[int, int], capabilities: Collection[str]) -> None:
    """Checks that MLServer can run here. Raises UsageError when it cannot.

    Args:
        version: of this Python. capabilities: of the MLServer installed here, empty when there is none.
    """
    fix = "in a clone, on Python 3.11 or 3.12: pip install '.[local]'"
    if version not in ((3, 11), (3, 12)):
        what = f"the local cluster does not run on Python {version[0]}.{version[1]}"
        raise UsageError(what, why="MLServer 1.7.1 exists for Python 3.11 and 3.12 only", fix=fix)
    if "mlserver" not in capabilities:
        raise UsageError("the local cluster cannot start", why="MLServer is not installed (the extra `local`)", fix=fix)


def _make_private(state: Path) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)
    except OSError as error:
        raise UsageError(
            f"the state folder {state} cannot be used", why=str(error), fix="name another with --state"
        ) from error


def _check_same(running: Running, port: int | None, artifacts: Path | None) -> None:
    for name, asked, has in (("port", port, running.port), ("artifacts", artifacts, running.artifacts)):
        if asked is not None and asked != has:
            what = f"the local cluster runs already, with {name} {has} and not {asked}"
            raise UsageError(what, why="a running one keeps its settings", fix="end it first: reconciler local down")


def _answering(state: Path) -> Running | None:
    """Returns the gateway that runs, None when none does. One that does not answer is waited for."""
    running = read_running(state)
    if running is None or not running.identity.alive():
        return None
    return _wait(state, running.identity)


def _wait(state: Path, identity: Identity) -> Running:
    limit = time.monotonic() + START_TIMEOUT
    while time.monotonic() < limit and identity.alive():
        running = read_running(state)
        if running is not None and running.identity == identity and _answers(state):
            return running
        time.sleep(0.05)
    alive = identity.alive()
    what = f"the local cluster in {state} did not {'answer in time' if alive else 'start'}"
    raise ClusterError(what, why=_last_words(state), fix=f"see {state / 'gateway.log'}")


def _answers(state: Path) -> bool:
    try:
        _blocking(LocalCluster(state).about())
    except ClusterUnavailable:
        return False
    return True


def _started(state: Path, port: int | None, artifacts: Path | None) -> Running:
    before = read_running(state)
    folder = artifacts or (before.artifacts if before else state / "artifacts")
    arguments = ["--state", str(state), "--artifacts", str(folder)]
    if port is not None:
        arguments += ["--port", str(port)]
    elif before is not None:
        arguments += ["--preferred-port", str(before.port)]
    root = str(Path(reconciler.__file__).parent.parent)
    paths = [str(Path(p).absolute()) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys([*paths, root]))}
    command = python("-P", "-m", "reconciler.clusters.local", *arguments)  # the state folder is no place for code
    return _wait(state, spawn(command, cwd=state, environment=environment, log=state / "gateway.log"))


def _last_words(state: Path) -> str:
    try:
        lines = (state / "gateway.log").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it left no log"
    return next((line for line in reversed(lines) if line.strip()), "its log is empty")[:300]


def _blocking(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs `work` to its end in a thread of its own, because the caller's may have an event loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _ended(state: Path) -> bool:
    """Ends the gateway, then whatever it could not end: it may have been killed before."""
    running = read_running(state)
    found = running is not None and running.identity.alive()
    if running is not None:
        await running.identity.end(STOP_GRACE)
    left = marked(STATE_VARIABLE, str(state))
    await asyncio.gather(*(identity.end(10) for identity in left))
    return found or bool(left)


def _address(state: Path, running: Running, *, started: bool = False) -> Address:
    url = f"http://127.0.0.1:{running.port}"
    return Address(url, running.identity.pid, running.artifacts, state, started)
