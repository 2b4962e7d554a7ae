"""What a stepped rollout and its ways back ask of every cluster (docs/planning-decisions.md, "Stepped")."""

from __future__ import annotations

import pytest

from reconciler.errors import ActionRefused
from reconciler.health import carries_all_traffic, is_whole, load_failed, serving_version
from reconciler.model.live import Failure, LiveModel, LiveState, Rollout
from reconciler.model.manifests import ModelManifest
from reconciler.model.plan import ActionKind
from reconciler.model.records import ROLLOUT_ANNOTATION, rollout_to_json
from tests.contract.conftest import Backend
from tests.local.serving import Driver, action, live_version, model, rooms

pytestmark = [pytest.mark.mlserver, pytest.mark.xdist_group("contract")]

ROOM = 100_000
SIZE = 60_000


@pytest.fixture(autouse=True)
async def _only_this_server(driver: Driver, backend: Backend) -> None:
    for found in (await driver.cluster.observe()).models:
        await driver.decommission(found.name)
    if (await driver.cluster.observe()).server("main") is None:
        await driver.put_server("main", backend.server(2, ROOM))


def version(uri: str, replicas: int, rollout: Rollout | None = None) -> ModelManifest:
    kept = {} if rollout is None else {ROLLOUT_ANNOTATION: rollout_to_json(rollout)}
    return model("m", uri, memory=SIZE, replicas=replicas, annotations=kept)


def to(old: str, new: str) -> Rollout:
    """A rollout from one artifact to the other, on two replicas."""
    return Rollout(version(new, 2).spec.digest, version(old, 2).spec, 2, 1000.0)


async def loaded(driver: Driver, manifest: ModelManifest) -> None:
    """Loads a version that has the route afterwards, whether we shift or the cluster does."""
    found = await driver.load(manifest)
    assert is_whole(found)
    await driver.shift(manifest, found.number)
    await driver.until(lambda live: carries_all_traffic(_m(live), found.number))


async def test_a_stepped_rollout_by_its_actions_ends_whole_on_the_new_version(driver: Driver, backend: Backend) -> None:
    await loaded(driver, version(backend.good, 2))
    first = live_version(await driver.model("m"))
    rollout = to(backend.good, backend.other)
    await driver.change(version(backend.good, 1, rollout), digest=first.digest)
    await driver.until(lambda live: sorted(rooms(live, "main")) == [ROOM - SIZE, ROOM])
    assert (await driver.model("m")).rollout == rollout
    await loaded(driver, version(backend.other, 1, rollout))
    await driver.unload(version(backend.other, 1, rollout), first.number)
    await driver.until(lambda live: sorted(rooms(live, "main")) == [ROOM - SIZE, ROOM])
    assert (await driver.model("m")).rollout == rollout
    await driver.change(version(backend.other, 2))
    await driver.until(lambda live: is_whole(live_version(_m(live))) and rooms(live, "main") == [ROOM - SIZE] * 2)
    found = await driver.model("m")
    assert found.rollout is None
    assert live_version(found).digest == version(backend.other, 2).spec.digest


async def test_what_is_on_record_is_written_by_nobody_else(driver: Driver, backend: Backend) -> None:
    await loaded(driver, version(backend.good, 2))
    failure = Failure("0123456789ab", 1, 1_700_000_000.5, "it broke")
    await driver.cluster.record_failure("m", failure)
    await driver.change(version(backend.good, 1, to(backend.good, backend.other)))
    assert (await driver.model("m")).failure == failure
    await driver.cluster.record_failure("m", None)
    found = await driver.model("m")
    assert found.failure is None
    assert found.rollout == to(backend.good, backend.other)


async def test_fewer_replicas_free_those_with_the_least_room(driver: Driver, backend: Backend) -> None:
    await loaded(driver, version(backend.good, 2))
    await driver.serve(model("filler", backend.good, memory=1000))
    emptier = max((0, 1), key=(await driver.room("main")).__getitem__)
    await driver.change(version(backend.good, 1))
    await driver.until(lambda live: live_version(_m(live)).occupied == (emptier,))


async def test_a_version_that_failed_is_tried_again(driver: Driver, backend: Backend) -> None:
    await loaded(driver, version(backend.good, 1))
    serving = live_version(await driver.model("m"))
    broken = version(backend.broken, 1)
    failed = await driver.load(broken)
    assert load_failed(failed)
    await driver.perform(action(ActionKind.RETRIGGER, "m", model=broken, digest=broken.spec.digest))
    await driver.until(lambda live: live_version(_m(live)).digest == broken.spec.digest)
    again = await driver.settled("m", live_version(await driver.model("m")).number)
    assert load_failed(again)
    found = await driver.model("m")
    assert serving_version(found) == found.version(serving.number)


async def test_a_whole_version_that_is_tried_again_stays_as_it_is(driver: Driver, backend: Backend) -> None:
    manifest = version(backend.good, 2)
    await loaded(driver, manifest)
    before = await driver.model("m")
    await driver.perform(action(ActionKind.RETRIGGER, "m", model=manifest, digest=manifest.spec.digest))
    await driver.until(lambda live: live_version(_m(live)).digest == manifest.spec.digest)
    after = await driver.model("m")
    assert after.versions == before.versions
    assert after.route == before.route


async def test_a_probe_tells_whether_there_is_room_and_leaves_nothing(driver: Driver, backend: Backend) -> None:
    await loaded(driver, version(backend.good, 2))
    before = [found.name for found in (await driver.cluster.observe()).models]
    fits, too_big = (model("m", backend.other, memory=size, replicas=2) for size in (ROOM - SIZE, ROOM - SIZE + 1))
    await driver.perform(action(ActionKind.PROBE, "m", model=fits))
    with pytest.raises(ActionRefused):
        await driver.perform(action(ActionKind.PROBE, "m", model=too_big))
    assert [found.name for found in (await driver.cluster.observe()).models] == before
    assert await driver.room("main") == [ROOM - SIZE] * 2


def _m(live: LiveState) -> LiveModel:
    found = live.model("m")
    assert found is not None
    return found
