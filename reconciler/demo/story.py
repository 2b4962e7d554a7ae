"""Plays the steps of the demo with the real command line on a real local cluster, and judges how each ended."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from reconciler.demo.artifacts import EXAMPLES, Artifact
from reconciler.demo.measure import Latency, Request, Window, failures, latency, phases
from reconciler.demo.steps import Step
from reconciler.demo.traffic import flowing, status_of
from reconciler.demo.workspace import Workspace, environment
from reconciler.errors import ReconcilerError

EDGE = 200
"""Requests to measure before a change, and after it."""

STEP_LIMIT = 300.0
"""Seconds after which a step is given up."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a step.

    Attributes:
        answered: requests by the version that answered. failed: requests by the reason why they count as failed.
        wrong: how the step did not end as it should; empty when it did.
    """

    step: Step
    exit_code: int
    before: Latency
    during: Latency
    after: Latency
    overall: Latency
    answered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    wrong: tuple[str, ...] = ()


class Audience(Protocol):
    """Is told what happens."""

    def command(self, line: str) -> None:
        """A command is about to run."""
        ...

    def edit(self, lines: Sequence[str]) -> None:
        """Manifests were edited; the lines of the difference."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays: its workspace, the data plane's URL, where commands print, and who is told of them."""

    workspace: Workspace
    url: str
    out: TextIO
    audience: Audience


async def run_command(
    workspace: Workspace, arguments: Sequence[str], *, out: TextIO, announce: Callable[[str], None]
) -> int:
    """Runs a command of ours as a user would, announces it, and returns its exit code; cancelled, it is ended."""
    announce("reconciler " + " ".join(arguments))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "reconciler", *arguments),
        env=environment(workspace),
        cwd=workspace.folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=out,
        pass_fds=(workspace.lifeline,),
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it may end by itself at this very moment
                process.terminate()
            await process.wait()


async def play(stage: Stage, step: Step) -> Result:
    """Pushes the change of `step`, syncs, and returns what became of it.

    Raises:
        ReconcilerError: it took longer than `STEP_LIMIT`.
    """
    try:
        async with asyncio.timeout(STEP_LIMIT):
            return await (_first(stage, step) if step.target is None else _under_requests(stage, step, step.target))
    except TimeoutError as error:
        raise ReconcilerError(
            f"the step `{step.name}` did not end within {STEP_LIMIT:.0f} s",
            why="something hangs, or the machine is slow",
        ) from error


async def _under_requests(stage: Stage, step: Step, target: Artifact) -> Result:
    async with flowing(stage.url, target.model, target.features) as traffic:
        await traffic.until(EDGE)
        exit_code, change = await _change(stage, step)
        await traffic.until(max(step.least, len(traffic.requests) + EDGE))
    return await _judged(stage, step, exit_code, change, traffic.requests)


async def _change(stage: Stage, step: Step) -> tuple[int, Window]:
    # In a thread: the clients in this process go on meanwhile.
    await asyncio.to_thread(step.edit, stage.workspace)
    start = time.monotonic()
    edit = await asyncio.to_thread(_publish, stage.workspace, step)
    if edit:
        stage.audience.edit(edit)
        stage.audience.command(" && ".join(shlex.join(("git", *command)) for command in step.git))
    for command in ("plan", "sync") if step.planned else ("sync",):
        exit_code = await run_command(stage.workspace, (command,), out=stage.out, announce=stage.audience.command)
    return exit_code, Window(start, time.monotonic())


def _publish(workspace: Workspace, step: Step) -> list[str]:
    """Commits and pushes what was edited, if anything was, and returns the lines that differ."""
    workspace.report.unlink(missing_ok=True)
    before = workspace.git("rev-parse", "HEAD").strip()
    for command in step.git:
        workspace.git(*command)
    difference = workspace.git("diff", "--unified=0", before, "HEAD").splitlines()
    return [line for line in difference if line.startswith(("+", "-")) and "/dev/null" not in line]


async def _first(stage: Stage, step: Step) -> Result:
    """The step before which nothing serves: every model is sent a few requests once it is over."""
    exit_code, change = await _change(stage, step)
    requests: list[Request] = []
    for artifact in {artifact.model: artifact for artifact in EXAMPLES}.values():
        async with flowing(stage.url, artifact.model, artifact.features) as traffic:
            await traffic.until(EDGE // 4)
        requests += traffic.requests
    return await _judged(stage, step, exit_code, change, requests)


async def _judged(stage: Stage, step: Step, exit_code: int, change: Window, requests: Sequence[Request]) -> Result:
    failed = failures(requests, change, step.expected)
    wrong = [f"exit code {exit_code}, not {step.exit_code}"] if exit_code != step.exit_code else []
    wrong += [f"{count} requests failed: {reason}" for reason, count in failed.items()]
    features = {artifact.model: artifact.features for artifact in EXAMPLES}
    for model, status in step.answers:
        seen = await status_of(stage.url, model, features[model])
        if seen != status:
            wrong.append(f"{model} answered with status {seen}, not {status}")
    report = stage.workspace.report.read_text(encoding="utf-8") if stage.workspace.report.exists() else ""
    wrong += [f"the report does not say {word}" for word in step.tells if word not in report]
    before, during, after = (latency(phase) for phase in phases(requests, change))
    answered = Counter(request.version or "nobody" for request in requests)
    return Result(step, exit_code, before, during, after, latency(requests), answered, failed, tuple(wrong))
