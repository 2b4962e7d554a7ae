"""The daemon repeats passes, outlives failed ones, and lets the one under way end when it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from reconciler.daemon import beating, repeat, stopped_by_signals
from reconciler.errors import ReconcilerError, UsageError


async def run(
    one_pass: Callable[[], Awaitable[float | None]],
    stop: asyncio.Event,
    *,
    interval: float = 0.05,
    on_error: Callable[[ReconcilerError], None] = lambda error: None,
) -> None:
    async with asyncio.timeout(20):
        await repeat(one_pass, interval=interval, jitter=0, stop=stop, on_error=on_error)


async def test_a_failed_pass_is_told_and_the_next_one_comes() -> None:
    stop, passes = asyncio.Event(), 0
    told: list[ReconcilerError] = []

    async def one_pass() -> None:
        nonlocal passes
        passes += 1
        if passes == 1:
            raise ReconcilerError("no luck")
        stop.set()

    await run(one_pass, stop, on_error=told.append)
    assert passes == 2
    assert [error.what for error in told] == ["no luck"]


async def test_the_first_pass_does_not_wait_for_the_interval() -> None:
    stop = asyncio.Event()

    async def one_pass() -> None:
        stop.set()

    await run(one_pass, stop, interval=3600)


async def test_a_step_that_becomes_due_brings_the_next_pass_forward() -> None:
    stop, passes = asyncio.Event(), 0

    async def one_pass() -> float | None:
        nonlocal passes
        passes += 1
        if passes == 2:
            stop.set()
        return time.time() - 5

    await run(one_pass, stop, interval=3600)
    assert passes == 2


async def test_a_pass_under_way_ends_before_the_daemon_does() -> None:
    stop, ended = asyncio.Event(), False

    async def one_pass() -> None:
        nonlocal ended
        stop.set()
        await asyncio.sleep(0.2)
        ended = True

    await run(one_pass, stop)
    assert ended


async def test_passes_never_overlap_however_long_they_take() -> None:
    stop, under_way, most, passes = asyncio.Event(), 0, 0, 0

    async def one_pass() -> None:
        nonlocal under_way, most, passes
        under_way, passes = under_way + 1, passes + 1
        most = max(most, under_way)
        await asyncio.sleep(0.2)
        under_way -= 1
        if passes == 3:
            stop.set()

    await run(one_pass, stop, interval=0.02)
    assert most == 1


async def test_sigterm_stops_it() -> None:
    stop = asyncio.Event()
    with stopped_by_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(20):
            await stop.wait()


async def test_the_heartbeat_file_is_touched_while_the_loop_turns_and_gone_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    async with beating(file, every=0.01):
        os.utime(file, (0, 0))
        async with asyncio.timeout(20):
            while file.stat().st_mtime == 0:
                await asyncio.sleep(0.01)
    assert not file.exists()


async def test_a_loop_that_something_blocks_leaves_the_heartbeat_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    async with beating(file, every=0.01):
        os.utime(file, (0, 0))
        time.sleep(0.1)
        assert file.stat().st_mtime == 0


async def test_a_heartbeat_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        async with beating(tmp_path / "missing" / "heartbeat"):
            raise AssertionError("it began")
