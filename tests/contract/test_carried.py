"""What a cluster must do that has Experiments and Pipelines, and what one must that has none."""

from __future__ import annotations

import pytest

from reconciler.model.carried import LiveCarried
from reconciler.model.experiments import Candidate, ExperimentSpec, Mirror
from reconciler.model.live import LiveState
from reconciler.model.manifests import (
    INSTANCE_LABEL,
    PREFIX,
    CarriedManifest,
    CarriedPolicy,
    ExperimentManifest,
    PipelineManifest,
    Source,
)
from reconciler.model.pipelines import pipeline_spec_from_json
from reconciler.model.plan import ActionKind
from tests.contract.conftest import Backend
from tests.local.serving import Driver, action, model

pytestmark = [pytest.mark.mlserver, pytest.mark.xdist_group("contract")]

SOURCE = Source("test.yaml", 1)


@pytest.fixture(autouse=True)
async def _candidates(driver: Driver, backend: Backend) -> None:
    live = await driver.cluster.observe()
    if not live.traits.carries:
        pytest.skip("this cluster has neither experiments nor pipelines")
    if live.server("main") is None:
        await driver.put_server("main", backend.server(2, 100_000))
    for name in ("red", "blue"):
        if live.model(name) is None:
            await driver.serve(model(name, backend.good))


def experiment(name: str, *, labels: tuple[tuple[str, str], ...] = (), **weights: int) -> ExperimentManifest:
    candidates = tuple(Candidate(candidate, weight) for candidate, weight in weights.items())
    return ExperimentManifest(name, ExperimentSpec(candidates, next(iter(weights))), SOURCE, labels=labels)


async def apply(driver: Driver, manifest: CarriedManifest) -> None:
    await driver.perform(action(ActionKind.APPLY, manifest.ref, carried=manifest))


async def remove(driver: Driver, manifest: CarriedManifest) -> None:
    await driver.perform(action(ActionKind.REMOVE, manifest.ref, carried=manifest))
    await driver.until(lambda live: live.one_carried(manifest.ref) is None)


async def ready(driver: Driver, manifest: CarriedManifest) -> LiveCarried:
    """Waits until what `manifest` says is live and ready."""

    def told(live: LiveState) -> bool:
        found = live.one_carried(manifest.ref)
        return found is not None and found.spec.meaning == manifest.spec.meaning and found.ready is True

    found = (await driver.until(told)).one_carried(manifest.ref)
    assert found is not None
    return found


async def test_an_experiment_is_applied_changed_in_place_and_removed(driver: Driver) -> None:
    first = experiment("split", red=90, blue=10, labels=(("team", "a"), (INSTANCE_LABEL, "default")))
    await apply(driver, first)
    found = await ready(driver, first)
    assert found.instance == "default"
    assert dict(found.labels)["team"] == "a"
    second = experiment("split", red=50, blue=50, labels=((INSTANCE_LABEL, "default"),))
    await apply(driver, second)
    assert "team" not in dict((await ready(driver, second)).labels)
    await remove(driver, second)
    assert all(item.name != "split" for item in (await driver.cluster.observe()).experiments)


async def test_everything_that_an_experiment_says_is_live(driver: Driver) -> None:
    spec = ExperimentSpec((Candidate("red", 0), Candidate("blue", 1)), "red", Mirror("blue", 5))
    manifest = ExperimentManifest(
        "whole", spec, SOURCE, annotations=(("note", "b"),), policy=CarriedPolicy(prune=False)
    )
    await apply(driver, manifest)
    found = await ready(driver, manifest)
    assert found.spec == spec
    assert dict(found.annotations) | {"note": "b", f"{PREFIX}prune": "disabled"} == dict(found.annotations)
    await remove(driver, manifest)


async def test_an_experiment_whose_candidate_is_not_there_is_not_ready_and_says_why(driver: Driver) -> None:
    manifest = experiment("early", red=50, nowhere=50)
    await apply(driver, manifest)
    await driver.until(lambda live: (found := live.one_carried(manifest.ref)) is not None and found.ready is False)
    found = (await driver.cluster.observe()).one_carried(manifest.ref)
    assert found is not None
    assert found.message
    await remove(driver, manifest)


async def test_a_pipeline_is_applied_with_all_that_it_says_and_removed(driver: Driver) -> None:
    spec = pipeline_spec_from_json(
        {
            "steps": [{"name": "red"}, {"name": "blue", "inputs": ["red.outputs"], "batch": {"size": 2}}],
            "output": {"steps": ["blue"]},
        }
    )
    manifest = PipelineManifest("chain", spec, SOURCE)
    await apply(driver, manifest)
    found = await ready(driver, manifest)
    assert found.spec.models == ("blue", "red")
    assert [pipeline.name for pipeline in (await driver.cluster.observe()).pipelines] == ["chain"]
    await remove(driver, manifest)


async def test_one_of_each_kind_may_have_the_name_of_a_model(driver: Driver) -> None:
    split = experiment("red", red=1, blue=1)
    chain = PipelineManifest("red", pipeline_spec_from_json({"steps": [{"name": "red"}]}), SOURCE)
    for manifest in (split, chain):
        await apply(driver, manifest)
        await ready(driver, manifest)
    await remove(driver, split)
    live = await driver.cluster.observe()
    assert live.one_carried(chain.ref) is not None
    assert live.model("red") is not None
    await remove(driver, chain)


async def test_applying_and_removing_twice_is_no_error(driver: Driver) -> None:
    manifest = experiment("twice", red=1)
    await apply(driver, manifest)
    before = await ready(driver, manifest)
    await apply(driver, manifest)
    assert await ready(driver, manifest) == before
    await remove(driver, manifest)
    await remove(driver, manifest)
