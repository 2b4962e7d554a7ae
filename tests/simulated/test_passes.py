"""Whole passes on the simulated cluster: whatever ends one half-way, the next finishes it; nothing goes off the air."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from reconciler.clusters.simulated import Artifact, Simulation
from reconciler.clusters.simulated.client import Memory, SimulatedCluster
from reconciler.executor import execute
from reconciler.model.codec import server_spec_to_json
from reconciler.model.manifests import DesiredState, ModelManifest, ServerManifest, Source
from reconciler.model.outcome import Status
from reconciler.model.plan import Action, ActionKind, Guards
from reconciler.planner import plan
from tests.local import serving
from tests.simulated import worlds

SPEC = serving.server_spec(replicas=2, min_replicas=2, memory=1_000_000)
SERVERS = (ServerManifest("s", SPEC, Source("s.yaml", 1)),)


GUARDS = Guards()


class Killed(Exception):
    """The process was ended."""


class Mortal(SimulatedCluster):
    """Is killed right before or right after its n-th write. `writes`: how many there were."""

    def __init__(self, simulation: Simulation, at: int = -1, *, after: bool = False) -> None:
        super().__init__(Memory(simulation))
        self.writes, self._at, self._after = 0, at, after

    async def perform(self, action: Action) -> None:
        dies = self.writes == self._at
        self.writes += 1
        if dies and not self._after:
            raise Killed
        await super().perform(action)
        if dies:
            raise Killed


@dataclass
class OffTheAir:
    """Listens who answers. `seconds`: how long each model that once answered did not."""

    simulation: Simulation
    seconds: dict[str, float] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.simulation.listeners.append(self.look)

    def look(self, now: float) -> None:
        for name in self.simulation.world.models:
            answers = any(not isinstance(who, int) for who in self.simulation.answers(name))
            began = self.since.pop(name, None)
            if began is not None:
                self.seconds[name] = self.seconds.get(name, 0.0) + now - began
            if answers:
                self.answered.add(name)
            elif name in self.answered:
                self.since[name] = now


def model(name: str, uri: str, memory: int, replicas: int = 1) -> ModelManifest:
    return serving.model(name, uri, memory=memory, replicas=replicas, requirements=("sklearn",))


def desired(*models: ModelManifest) -> DesiredState:
    return DesiredState("c" * 40, models, SERVERS)


def world(*models: ModelManifest) -> Simulation:
    """A Server of two replicas of 1M, with `models` live and whole."""
    server = {"kind": "Server", "name": "s", "spec": server_spec_to_json(SPEC)}
    simulation = worlds.cluster(server, autoscaling=True)
    for manifest in models:
        spec = manifest.spec
        worlds.settled(
            simulation, worlds.model(manifest.name, spec.storage_uri, str(spec.memory), spec.wanted_replicas)
        )
    return simulation


async def one_pass(cluster: SimulatedCluster, wanted: DesiredState, guards: Guards = GUARDS) -> Mapping[str, Status]:
    found = plan(wanted, await cluster.observe(), guards)
    outcomes = await execute(found, cluster, on_outcome=lambda _: None)
    return {outcome.action: outcome.status for outcome in outcomes}


async def killed_pass(cluster: Mortal, wanted: DesiredState, guards: Guards = GUARDS) -> None:
    try:
        await one_pass(cluster, wanted, guards)
    except* Killed:
        pass


ROLLOUTS = {
    "beside": (model("m", "v1", 300_000, 2), model("m", "slow2", 300_000, 2)),
    "stepped": (model("m", "v1", 600_000, 2), model("m", "slow2", 600_000, 2)),
    "grow": (model("m", "v1", 300_000, 1), model("m", "v1", 300_000, 2)),
    "shrink": (model("m", "v1", 300_000, 2), model("m", "v1", 300_000, 1)),
    "new": (model("n", "v1", 300_000), model("m", "slow2", 600_000)),
}


@pytest.mark.parametrize("name", sorted(ROLLOUTS))
async def test_a_pass_ends_in_sync_with_nothing_off_the_air(name: str) -> None:
    before, after = ROLLOUTS[name]
    wanted = desired(after) if name != "new" else desired(before, after)
    simulation = world(before)
    away = OffTheAir(simulation)
    cluster = Mortal(simulation)
    assert set((await one_pass(cluster, wanted)).values()) <= {Status.DONE}
    assert plan(wanted, await cluster.observe(), Guards()).actions == ()
    assert away.seconds == {}
    assert not away.since


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", sorted(ROLLOUTS))
async def test_killed_at_any_write_the_next_pass_finishes_it(name: str, after: bool) -> None:
    before, update = ROLLOUTS[name]
    wanted = desired(update) if name != "new" else desired(before, update)
    whole = Mortal(world(before))
    await one_pass(whole, wanted)
    assert whole.writes
    for at in range(whole.writes):
        simulation = world(before)
        away = OffTheAir(simulation)
        await killed_pass(Mortal(simulation, at, after=after), wanted)
        cluster = SimulatedCluster(Memory(simulation))
        for _ in range(3):
            await one_pass(cluster, wanted)
        assert plan(wanted, await cluster.observe(), Guards()).actions == (), f"killed at write {at}"
        assert away.seconds == {}, f"killed at write {at}"
        assert not away.since


async def test_a_version_that_fails_to_load_is_held_in_the_clusters_time_and_the_old_one_serves() -> None:
    simulation = world(model("m", "v1", 300_000))
    away = OffTheAir(simulation)
    cluster = SimulatedCluster(Memory(simulation))
    wanted = desired(model("m", "broken", 300_000))
    assert Status.FAILED in (await one_pass(cluster, wanted)).values()
    live = await cluster.observe()
    found = live.model("m")
    assert found is not None
    assert found.failure is not None
    assert live.observed_at - found.failure.when < 5
    kinds = {action.kind for action in plan(wanted, live, Guards()).actions}
    assert ActionKind.LOAD not in kinds
    assert away.seconds == {}


async def test_a_pass_of_minutes_takes_no_time_of_ours() -> None:
    simulation = world(model("m", "v1", 300_000))
    simulation.set_artifact("slow", Artifact(load_seconds=400.0))
    began, loop = simulation.now, asyncio.get_running_loop()
    here = loop.time()
    await one_pass(SimulatedCluster(Memory(simulation)), desired(model("m", "slow", 300_000)))
    assert simulation.now - began > 400
    assert loop.time() - here < 100


async def test_a_foreign_write_between_two_actions_takes_nothing_off_the_air() -> None:
    simulation = world(model("m", "v1", 600_000, 2))
    away = OffTheAir(simulation)

    class Interfering(SimulatedCluster):
        async def perform(self, action: Action) -> None:
            if action.kind is ActionKind.PROBE:
                simulation.apply([worlds.model("foreign", memory="500k")])
                worlds.wait(simulation, 5)
            await super().perform(action)

    wanted = desired(model("m", "v2", 600_000, 2))
    outcomes = await one_pass(Interfering(Memory(simulation)), wanted)
    assert set(outcomes.values()) - {Status.DONE}
    assert away.seconds == {}
    assert not away.since
