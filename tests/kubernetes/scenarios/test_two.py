"""Two reconcilers at once on one cluster: one writes, the other one writes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.controlplane.running import ControlPlane
from tests.kubernetes.faults import Faults, proxied
from tests.kubernetes.scenarios.process import Checkout, started
from tests.kubernetes.scenarios.stage import Stage, staged
from tests.kubernetes.scenarios.ways import outcome
from tests.kubernetes.scenarios.written import model, recording, writes

SLOWLY = recording(1, model("m", "v1", "300k"), model("m", "slow6", "300k"))
SPEED = 1.0
"""The new version takes 6 s to load: long enough for somebody else to come."""

OTHERS = [["--instance", "default"], ["--instance", "somebody-else"]]


@dataclass
class Other:
    """Another reconciler. `faults`: has its requests."""

    process: asyncio.subprocess.Process
    faults: Faults
    said: str = ""

    async def ended(self) -> int:
        """Waits for its end; returns its exit code."""
        said, wrong = await self.process.communicate()
        self.said = (said + wrong).decode()
        assert self.process.returncode is not None
        return self.process.returncode

    @property
    def wrote(self) -> list[str]:
        """What it wrote to Seldon's objects."""
        return [f"{asked.method} {asked.path}" for asked in self.faults.asked if writes(asked)]


@asynccontextmanager
async def reconciler(
    stage: Stage, checkout: Checkout, folder: Path, name: str, arguments: Sequence[str]
) -> AsyncIterator[Other]:
    """Starts `sync` behind a proxy of its own."""
    own = folder / name
    own.mkdir()
    async with proxied(stage.control_plane, own, stage.namespace) as proxy:
        process = await started(stage, checkout, own, "sync", *arguments, kubeconfig=proxy.kubeconfig)
        try:
            yield Other(process, proxy.faults)
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


@asynccontextmanager
async def two(
    control_plane: ControlPlane, folder: Path, second: Sequence[str], *, at_once: bool = False
) -> AsyncIterator[tuple[Other, Other, Stage]]:
    """Gives a reconciler that rolls a version out, and a `second` one that comes while it does, or with it."""
    async with staged(SLOWLY, control_plane, speed=SPEED) as stage:
        checkout = Checkout(folder / "repository")
        checkout.commit(stage.script.commits[-1][1])
        stage.begin()
        async with reconciler(stage, checkout, folder, "first", []) as first:
            if not at_once:
                while not first.wrote:
                    await asyncio.sleep(0.05)
            async with reconciler(stage, checkout, folder, "second", second) as other:
                yield first, other, stage


@pytest.mark.parametrize("arguments", OTHERS, ids=["same instance", "another instance"])
async def test_while_one_writes_another_ends_with_7_and_writes_nothing(
    seldon_kinds: ControlPlane, tmp_path: Path, arguments: list[str]
) -> None:
    async with two(seldon_kinds, tmp_path, arguments) as (first, other, stage):
        assert await other.ended() == 7, other.said
        assert first.process.returncode is None
        assert other.wrote == []
        assert await first.ended() == 0, first.said
        assert first.wrote != []
        assert outcome(stage).lost == {}


async def test_one_that_may_wait_waits_and_then_finds_nothing_to_do(seldon_kinds: ControlPlane, tmp_path: Path) -> None:
    async with two(seldon_kinds, tmp_path, ["--lock-timeout", "60s"]) as (first, other, _):
        assert await first.ended() == 0, first.said
        assert await other.ended() == 0, other.said
        assert json.loads(other.said)["actions"] == []
        assert other.wrote == []


async def test_of_two_that_start_at_once_one_writes(seldon_kinds: ControlPlane, tmp_path: Path) -> None:
    async with two(seldon_kinds, tmp_path, [], at_once=True) as (first, other, stage):
        codes = await asyncio.gather(first.ended(), other.ended())
        assert sorted(codes) == [0, 7], first.said + other.said
        assert bool(first.wrote) != bool(other.wrote)
        assert outcome(stage).lost == {}
