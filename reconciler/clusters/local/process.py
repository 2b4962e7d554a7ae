"""One process of ours, by pid and start time: started, recognised, watched and ended. Linux: reads /proc.

A pid alone may be somebody else's by now; with its start time it is one process as long as the machine
runs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOG_LIMIT = 5_000_000
"""Bytes after which a log is begun anew when its process starts."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process: its pid and its start time in clock ticks since boot."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Returns whether this very process still runs."""
        return started_at(self.pid) == self.started

    def signal(self, number: int) -> None:
        """Sends it a signal; nothing when it is gone."""
        if self.alive():
            with suppress(ProcessLookupError):  # it ended in between
                os.kill(self.pid, number)

    async def end(self, grace: float) -> None:
        """Ends it: SIGTERM, and SIGKILL if it still runs after `grace` seconds."""
        self.signal(signal.SIGTERM)
        if not await self.gone(grace):
            self.signal(signal.SIGKILL)
            await self.gone(10)

    async def gone(self, within: float) -> bool:
        """Waits until it is gone, `within` seconds at most; returns whether it is."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + within
        while self.alive():
            if loop.time() >= limit:
                return False
            await asyncio.sleep(0.05)
        return True


def started_at(pid: int) -> int | None:
    """Returns the start time of a running process in clock ticks since boot, None when there is none (or a zombie)."""
    reap(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def reap(pid: int) -> None:
    """Takes note of the end of a child, so that it does not stay a zombie; nothing for processes of others."""
    with suppress(ChildProcessError):  # not a child of ours
        os.waitpid(pid, os.WNOHANG)


def spawn(command: list[str], *, cwd: Path, environment: Mapping[str, str], log: Path) -> Identity:
    """Starts `command` in a session of its own, so that it outlives us, its output appended to `log`.

    Raises:
        OSError: it could not be started.
    """
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.unlink()
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    child.returncode = 0  # it is watched by pid from here on; the object must not complain that it still runs
    started = started_at(child.pid)
    return Identity(child.pid, started if started is not None else -1)


def python(*arguments: str) -> list[str]:
    """Returns the command that runs this very Python with `arguments`."""
    return [sys.executable, *arguments]


def free_port() -> int:
    """Returns a TCP port of 127.0.0.1 that is free now; another process may take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def marked(variable: str, value: str) -> list[Identity]:
    """Returns the running processes of ours that carry `variable` with that value in their environment."""
    wanted = f"{variable}={value}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # not ours to read, or gone
        started = started_at(int(folder.name)) if wanted in variables else None
        if started is not None:
            found.append(Identity(int(folder.name), started))
    return found
