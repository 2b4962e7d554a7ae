"""The gateway process: builds engine, data plane and admin API, runs until SIGTERM. Started by `lifecycle.up`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path

import uvloop
from aiohttp import web
from filelock import FileLock, Timeout

from reconciler.clusters.local.admin import Admin
from reconciler.clusters.local.engine import Engine
from reconciler.clusters.local.gateway import Gateway, new_session
from reconciler.clusters.local.mlserver_api import MlserverApi
from reconciler.clusters.local.mlserver_settings import installed
from reconciler.clusters.local.process import Identity, started_at
from reconciler.clusters.local.running import Running, write_running
from reconciler.clusters.local.sockets import opened
from reconciler.errors import ReconcilerError, UsageError

DEFAULT_PORT = 9000
"""Of the data plane: the one clients of Seldon know."""

SHUTDOWN_GRACE = 10.0
"""Seconds that requests in flight have to end when the gateway is told to stop."""


PATIENCE = 5.0
"""Seconds that a port which was served before is waited for."""

ADOPTION = 5.0
"""Seconds that requests wait in the queue of the data port for MLServer processes that run already."""


def main() -> int:
    """Runs the gateway; returns the exit code of the process."""
    parser = argparse.ArgumentParser(prog="python -m reconciler.clusters.local", description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--artifacts", type=Path, required=True)
    parser.add_argument("--port", type=int, help="this one or none")
    parser.add_argument("--preferred-port", type=int, default=DEFAULT_PORT, help="this one if it is free")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    os.umask(0o077)
    lock = FileLock(options.state / "gateway.lock")
    try:
        lock.acquire(blocking=False)
        listener = _listen(options.port, options.preferred_port)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options.state, options.artifacts, listener))
    except Timeout:
        return _fail("another gateway runs on this state folder")
    except ReconcilerError as error:
        return _fail(": ".join(part for part in (error.what, error.why, error.fix) if part))
    finally:
        lock.release()
    return 0


def _fail(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def _listen(port: int | None, preferred: int) -> socket.socket:
    """Returns a listening socket on `port`, or else on `preferred`, one of the next hundred or any free port.

    The next hundred come before any: a port that the system gives out may be taken by a client while the gateway is
    away, even by one that tries to reach it. A port that was served before is waited for a while, clients know it.
    """
    if port is not None:
        return _bound(port)
    until = time.monotonic() + (PATIENCE if preferred != DEFAULT_PORT else 0.0)
    while True:
        with contextlib.suppress(UsageError):
            return _bound(preferred)
        if time.monotonic() >= until:
            break
        time.sleep(0.1)
    for other in range(DEFAULT_PORT, DEFAULT_PORT + 100):
        with contextlib.suppress(UsageError):
            return _bound(other)
    return _bound(0)


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise UsageError(f"port {port} cannot be used", why=str(error), fix="name another port, or none") from error
    return listener


def _make_private(path: str) -> None:
    """Leaves a socket to its owner; the umask has kept everybody else out since it was made."""
    Path(path).chmod(0o600)


async def _serve(state: Path, artifacts: Path, listener: socket.socket) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pid, port = os.getpid(), listener.getsockname()[1]
    async with new_session() as session:
        engine = Engine(state, artifacts, MlserverApi(session), installed())
        await engine.start()
        await engine.adopted(ADOPTION)
        data = web.AppRunner(
            Gateway(engine.traffic, session).application(), access_log=None, shutdown_timeout=SHUTDOWN_GRACE
        )
        about = {"pid": pid, "port": port, "artifacts": str(artifacts)}
        admin = web.AppRunner(Admin(engine, about).application(), access_log=None, shutdown_timeout=1.0)
        await data.setup()
        await web.SockSite(data, listener).start()
        await admin.setup()
        with opened(state) as folder:
            await web.UnixSite(admin, folder.socket).start()
            _make_private(folder.socket)
            write_running(state, Running(Identity(pid, started_at(pid) or -1), port, artifacts))
            logging.info("the gateway answers on http://127.0.0.1:%d", port)
            await stop.wait()
            logging.info("the gateway stops")
            await data.cleanup()
            await admin.cleanup()
        await engine.stop()


sys.exit(main())
