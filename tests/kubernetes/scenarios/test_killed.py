"""Killed before and after every write to the API server, and continued: no request is lost, and nothing is left over.

One pass is killed before its first write arrives, the next one as soon as that write is taken, the next one before the
write after that, and so on, until a pass gets to the end: its way is cut at every boundary between two actions.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.clusters.kubernetes.probe import PROBE_PREFIX
from tests.controlplane.running import ControlPlane
from tests.kubernetes.faults import Asked, Fault, proxied
from tests.kubernetes.scenarios.listed import BY_TITLE
from tests.kubernetes.scenarios.process import Checkout, started
from tests.kubernetes.scenarios.stage import Stage, staged
from tests.kubernetes.scenarios.ways import outcome
from tests.kubernetes.scenarios.written import model, recording, server, writes
from tests.recordings.scripts import Manifests

Json = dict[str, Any]

SPEED = 4.0
MOST_PASSES = 60
ROLLING = recording(1, model("m", "v1", "300k"), model("m", "slow2", "300k"))
STEPPED = recording(2, model("m", "v1", "600k", 2), model("m", "slow2", "600k", 2))
SHRINK = recording(2, model("a", "v1", "400k") | model("b", "v2", "300k"), {**model("a", "v1", "400k"), **server(1)})
EXPERIMENT = recording(1, model("a", "v1", "200k"), model("a", "v1", "200k") | model("c", "slow2", "200k"))
HEAL = BY_TITLE["two-replicas-one-fails, after step 1"].read()

WAYS = {
    "rolling": (ROLLING, 0, 1),
    "stepped": (STEPPED, 0, 3),
    "heal": (HEAL, 1, 2),
    "server shrink": (SHRINK, 0, 1),
    "experiment": (EXPERIMENT, 0, 2),
}
"""Per name: what is played, how many of its steps are the state before, and how many writes at least are its own."""

CARRIED = {
    "experiment": {
        "Experiment/e": {"spec": {"default": "a", "candidates": [{"name": n, "weight": 50} for n in ("a", "c")]}}
    }
}
"""What Git has beside the models and servers, by name."""


@dataclass
class Killer:
    """Kills a process at a write to Seldon's objects that none was killed at before.

    Attributes:
        process: the one to be killed. killed: what they were killed at, and whether the API server got that write.
    """

    process: asyncio.subprocess.Process | None = None
    killed: dict[tuple[str, bool], None] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Whether it has killed its process, or has none."""
        return self.process is None

    def before(self, asked: Asked) -> bool:
        """Returns whether the process dies of this request, which is not taken, and kills it."""
        return self._at(asked, taken=False)

    def after(self, asked: Asked) -> bool:
        """Returns whether the process dies of this request, which is taken, and kills it."""
        return self._at(asked, taken=True)

    def _at(self, asked: Asked, *, taken: bool) -> bool:
        if not writes(asked) or self.process is None or (told(asked), taken) in self.killed:
            return False
        self.process.kill()
        self.process = None
        self.killed[told(asked), taken] = None
        return True


def told(asked: Asked) -> str:
    """Returns what a write says, without what differs from one time to the next: a probe's name, and times."""
    name = asked.path.rpartition("/")[2]
    found = json.loads(asked.body) if asked.method == "PATCH" else {}
    marks = sorted((found.get("metadata") or {}).get("annotations") or {})
    name = name if PROBE_PREFIX not in name else "probe"
    return f"{asked.method} {name} {json.dumps(found.get('spec'), sort_keys=True)} {marks}"


async def killed_at_every_write(stage: Stage, checkout: Checkout, folder: Path) -> tuple[int, Killer, str]:
    """Returns the exit code of the pass that was not killed, who killed the others, and what it said."""
    killer = Killer()
    async with proxied(stage.control_plane, folder, stage.namespace) as proxy:
        proxy.faults.plan(killer.before, Fault(), times=MOST_PASSES)
        proxy.faults.plan(killer.after, Fault(taken=True), times=MOST_PASSES)
        for _ in range(MOST_PASSES):
            process = await started(stage, checkout, folder, "sync", kubeconfig=proxy.kubeconfig)
            killer.process = process
            said, wrong = await process.communicate()
            if not killer.idle:
                assert process.returncode is not None
                return process.returncode, killer, (said + wrong).decode()
            await _lease_ends(stage)
    raise AssertionError(f"still writing after {MOST_PASSES} passes: {killer.killed}")


async def _lease_ends(stage: Stage) -> None:
    """As if all its time had passed: `test_lock` waits for that."""
    over = json.dumps({"spec": {"holderIdentity": ""}})
    await stage.kubectl("patch", "lease", "model-reconciler", "--type=merge", "-p", over)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", WAYS)
async def test_a_pass_killed_at_any_write_is_continued_by_the_next_one(
    seldon_kinds: ControlPlane, name: str, tmp_path: Path
) -> None:
    played, steps, own = WAYS[name]
    async with staged(played, seldon_kinds, after_steps=steps, speed=SPEED) as stage:
        checkout = Checkout(tmp_path / "repository")
        wanted = stage.script.commits[-1][1]
        checkout.commit(Manifests({**wanted.objects, **CARRIED.get(name, {})}))
        stage.begin()
        code, killer, said = await killed_at_every_write(stage, checkout, tmp_path)
        print(*killer.killed, said, sep="\n")  # pytest shows it where this fails
        assert code == 0
        assert len(killer.killed) >= 2 * own
        await stage.quiet()
        await stage.audience.asked_again()
        found = outcome(stage)
        assert found.history.taken_off == ()
        assert found.lost == {}
        await _nothing_is_left_over(stage)
        for ref in CARRIED.get(name, {}):
            there = await stage.found.api.get(*ref.split("/"))
            assert {one["type"]: one["status"] for one in there["status"]["conditions"]}["Ready"] == "True"


async def _nothing_is_left_over(stage: Stage) -> None:
    wanted = stage.script.commits[-1][1]
    models = json.loads(await stage.kubectl("get", "models.mlops.seldon.io", "-o", "json"))["items"]
    assert sorted(one["metadata"]["name"] for one in models) == sorted(wanted.of("Model"))
    for one in models:
        name, marks = one["metadata"]["name"], one["metadata"].get("annotations", {})
        assert not {mark for mark in marks if mark.endswith(("/rollout", "/failed"))}
        assert one["status"]["availableReplicas"] == wanted.of("Model")[name]["spec"]["replicas"]
        assert one["spec"]["storageUri"] == wanted.of("Model")[name]["spec"]["storageUri"]
