"""Repeats a pass: at an interval, sooner when something held becomes due, until it is told to stop.

A pass that fails is told and does not end the daemon. While it lives it may touch a file, for a probe to look at. Knows
nothing of what a pass does.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.job import Job
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from reconciler.errors import ReconcilerError, UsageError

SOONEST = timedelta(seconds=1)
"""A step that is due, or overdue, waits at least this long: two passes never follow each other without a pause."""

BEAT = 10.0
"""Seconds between two touches of the heartbeat file."""


async def repeat(
    one_pass: Callable[[], Awaitable[float | None]],
    *,
    interval: float,
    jitter: float,
    stop: asyncio.Event,
    on_error: Callable[[ReconcilerError], None],
) -> None:
    """Runs passes until `stop` is set, then returns when the pass under way has ended.

    Args:
        one_pass: does one pass and returns the Unix time at which something becomes due, None when nothing does.
        interval: seconds from the start of one pass to the start of the next. jitter: at most this is added at random.
        stop: also known to the pass, which then ends soon.
        on_error: told of a pass that failed.
    """
    # It warns whenever a pass takes longer than the interval, which is no news: the next one simply starts late.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = AsyncIOScheduler(timezone=UTC)
    busy = asyncio.Lock()
    told: float | None = None

    async def tick() -> None:
        nonlocal told
        async with busy:
            if stop.is_set():
                return
            try:
                due = await one_pass()
            except ReconcilerError as error:
                on_error(error)
            else:
                # What was due already and still is (a simulated cluster's clock stands still meanwhile) is no news.
                _bring_forward(job, None if due == told else due)
                told = due

    trigger = IntervalTrigger(seconds=interval, jitter=jitter or None, timezone=UTC)
    job = scheduler.add_job(tick, trigger, next_run_time=datetime.now(UTC), coalesce=True, misfire_grace_time=None)
    scheduler.start()
    try:
        await stop.wait()
        async with busy:  # the pass under way ends by itself; a shutdown would cancel it
            pass
    finally:
        scheduler.shutdown()


def _bring_forward(job: Job, due: float | None) -> None:
    if due is None:
        return
    moment = max(datetime.fromtimestamp(due, UTC), datetime.now(UTC) + SOONEST)
    if moment < job.next_run_time:
        job.modify(next_run_time=moment)


@contextmanager
def stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Within the context SIGTERM and SIGINT set `stop`; a second SIGINT interrupts as usual. Needs a running loop."""
    loop = asyncio.get_running_loop()

    def on_interrupt() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)


@asynccontextmanager
async def beating(file: Path | None, every: float = BEAT) -> AsyncIterator[None]:
    """Within the context `file` is touched again and again, by the same loop that runs the passes; then it is removed.

    A loop that something blocks touches nothing: that is what a probe is to find. How long a pass may take is no
    matter of it, since every action has a time limit of its own.

    Args:
        file: None for no heartbeat. every: seconds.

    Raises:
        UsageError: the file cannot be written.
    """
    if file is None:
        yield
        return
    _begin(file)
    task = asyncio.create_task(_beat(file, every))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        _end(file)


def _begin(file: Path) -> None:
    try:
        file.touch()
    except OSError as error:
        raise UsageError(
            f"the heartbeat file {file} cannot be written",
            why=error.strerror or "",
            fix="name a file in a folder that can be written, with --heartbeat",
        ) from error


async def _beat(file: Path, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        _touch(file)


def _touch(file: Path) -> None:
    with suppress(OSError):  # missing beats say it better than a daemon that ends
        file.touch()


def _end(file: Path) -> None:
    # Left behind in a volume it would pass for that of the next process, which may never come up.
    with suppress(OSError):
        file.unlink(missing_ok=True)
