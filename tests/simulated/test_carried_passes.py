"""Whole passes with Experiments and Pipelines on the simulated cluster: the route goes on, whatever is killed."""

from __future__ import annotations

import pytest

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.client import Memory, SimulatedCluster
from reconciler.model.experiments import Candidate, ExperimentSpec
from reconciler.model.manifests import DesiredState, ExperimentManifest, ModelManifest, PipelineManifest, Source
from reconciler.model.outcome import Status
from reconciler.model.pipelines import pipeline_spec_from_json
from reconciler.model.plan import Guards
from reconciler.planner import plan
from tests.simulated.test_passes import SERVERS, Mortal, OffTheAir, killed_pass, model, one_pass, world
from tests.simulated.worlds import who

SOURCE = Source("x.yaml", 1)
RED, BLUE, GREEN = (model(name, f"{name}-1", 200_000) for name in ("red", "blue", "green"))
ALL = Guards(max_deletions="100%")


def split(**weights: int) -> ExperimentManifest:
    candidates = tuple(Candidate(name, weight) for name, weight in weights.items())
    return ExperimentManifest("split", ExperimentSpec(candidates, next(iter(weights))), SOURCE)


def chain(name: str, *models: str) -> PipelineManifest:
    return PipelineManifest(name, pipeline_spec_from_json({"steps": [{"name": each} for each in models]}), SOURCE)


def desired(
    *models: ModelManifest, split: ExperimentManifest | None = None, chain: PipelineManifest | None = None
) -> DesiredState:
    return DesiredState(
        "c" * 40,
        models,
        SERVERS,
        experiments=() if split is None else (split,),
        pipelines=() if chain is None else (chain,),
    )


async def passes(cluster: SimulatedCluster, wanted: DesiredState, most: int = 4) -> None:
    """As many passes as are due at once; the last one has nothing to do."""
    for _ in range(most):
        if not plan(wanted, await cluster.observe(), ALL).actions:
            return
        await one_pass(cluster, wanted, ALL)
    assert plan(wanted, await cluster.observe(), ALL).actions == ()


BEFORE = desired(RED, BLUE, split=split(red=90, blue=10), chain=chain("line", "red", "blue"))
COMMITS = {
    "other weights": desired(RED, BLUE, split=split(red=10, blue=90), chain=chain("line", "red", "blue")),
    "a new candidate": desired(RED, BLUE, GREEN, split=split(red=1, green=1), chain=chain("line", "red", "blue")),
    "a candidate replaced": desired(RED, GREEN, split=split(red=1, green=1), chain=chain("line", "red", "green")),
    "the candidate rolled out": desired(
        RED, model("blue", "slow2", 200_000), split=split(red=1, blue=1), chain=chain("line", "red", "blue")
    ),
    "all of it removed": desired(RED),
    "another default": desired(RED, BLUE, split=split(blue=1, red=1), chain=chain("line", "blue")),
}


async def begun() -> Simulation:
    simulation = world()
    await passes(SimulatedCluster(Memory(simulation)), BEFORE)
    return simulation


async def test_a_first_commit_brings_everything_up_in_one_pass_in_order() -> None:
    simulation = world()
    cluster = SimulatedCluster(Memory(simulation))
    assert set((await one_pass(cluster, BEFORE)).values()) == {Status.DONE}
    assert plan(BEFORE, await cluster.observe(), Guards()).actions == ()
    shares = who(simulation, "red")
    assert {answerer.split("@")[0]: round(share, 3) for answerer, share in shares.items()} == {
        "red-1": 0.9,
        "blue-1": 0.1,
    }
    assert all(item.ready and item.instance == "default" for item in (await cluster.observe()).carried)


@pytest.mark.parametrize("name", sorted(COMMITS))
async def test_a_commit_ends_in_sync_with_nothing_off_the_air(name: str) -> None:
    simulation, wanted = await begun(), COMMITS[name]
    away = OffTheAir(simulation)
    cluster = SimulatedCluster(Memory(simulation))
    await passes(cluster, wanted)
    live = await cluster.observe()
    assert {model.name for model in live.models} == {manifest.name for manifest in wanted.models}
    assert [item.spec.meaning for item in live.carried] == [item.spec.meaning for item in wanted.carried]
    kept = {manifest.name for manifest in wanted.models}
    assert {model: seconds for model, seconds in away.seconds.items() if model in kept} == {}
    assert not away.since.keys() & kept


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["a candidate replaced", "all of it removed", "another default"])
async def test_killed_at_any_write_the_next_passes_finish_it(name: str, after: bool) -> None:
    wanted = COMMITS[name]
    whole = Mortal(await begun())
    await passes(whole, wanted)
    assert whole.writes
    for at in range(whole.writes):
        simulation = await begun()
        away = OffTheAir(simulation)
        await killed_pass(Mortal(simulation, at, after=after), wanted, ALL)
        await passes(SimulatedCluster(Memory(simulation)), wanted, most=6)
        kept = {manifest.name for manifest in wanted.models}
        assert not (away.seconds.keys() | away.since.keys()) & kept, f"killed at write {at}"


async def test_an_experiment_is_not_written_when_its_new_candidate_fails_to_load() -> None:
    simulation = await begun()
    wanted = desired(
        RED, BLUE, model("green", "broken", 200_000), split=split(red=1, green=9), chain=chain("line", "red", "blue")
    )
    outcomes = await one_pass(SimulatedCluster(Memory(simulation)), wanted)
    assert outcomes["apply Experiment/split"] is Status.NOT_RUN
    shares = {answerer.split("@")[0]: round(share, 3) for answerer, share in who(simulation, "red").items()}
    assert shares == {"red-1": 0.9, "blue-1": 0.1}
