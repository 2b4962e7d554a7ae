"""What every cluster must do, spoken through the `Cluster` protocol and `LiveState` alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from reconciler.clusters.base import Cluster
from reconciler.errors import ActionRefused, LockHeld
from reconciler.health import carries_all_traffic, is_whole, load_failed, on_the_air, serving_version
from reconciler.model.live import Failure, LiveState, LiveVersion, VersionState
from reconciler.model.plan import ActionKind
from tests.contract.conftest import Backend, Connect
from tests.local.serving import Driver, action, live_version, model, rooms

pytestmark = [pytest.mark.mlserver, pytest.mark.xdist_group("contract")]

ROOM = 100_000


@pytest.fixture(autouse=True)
async def _servers(driver: Driver, backend: Backend) -> None:
    if (await driver.cluster.observe()).server("main") is None:
        await driver.put_server("main", backend.server(2, ROOM))


async def test_a_cluster_says_its_name_and_what_it_can_run(cluster: Cluster) -> None:
    live = await cluster.observe()
    assert cluster.name
    assert live.observed_at > 0
    assert [c.name for c in live.server_configs]
    assert all(c.capabilities for c in live.server_configs)


async def test_a_first_load_ends_available_and_carries_traffic_after_the_shift(
    driver: Driver, backend: Backend
) -> None:
    manifest = model("first", backend.good, labels={"team": "a"}, annotations={"note": "b"})
    number = await driver.serve(manifest)
    found = await driver.model("first")
    assert found.spec == manifest.spec
    assert dict(found.labels)["team"] == "a"
    assert dict(found.annotations)["note"] == "b"
    assert live_version(found).digest == manifest.spec.digest
    assert is_whole(live_version(found))
    assert carries_all_traffic(found, number)


async def test_a_rollout_goes_by_load_shift_unload_and_gives_the_memory_back(driver: Driver, backend: Backend) -> None:
    before = await driver.room("main")
    old = await driver.serve(model("rolled", backend.good, memory=7000))
    version = await driver.load(model("rolled", backend.other, memory=9000))
    found = await driver.model("rolled")
    traits = (await driver.cluster.observe()).traits
    assert not traits.commands_traffic or serving_version(found) == found.version(old)
    assert sum(before) - sum(await driver.room("main")) == 16_000
    await driver.shift(model("rolled", backend.other, memory=9000), version.number)
    await driver.unload(model("rolled", backend.other, memory=9000), old)
    found = await driver.model("rolled")
    assert carries_all_traffic(found, version.number)
    assert sum(before) - sum(await driver.room("main")) == 9000


async def test_a_load_that_fails_says_why_takes_no_memory_and_leaves_the_old_version_serving(
    driver: Driver, backend: Backend
) -> None:
    old = await driver.serve(model("kept", backend.good))
    room = await driver.room("main")
    failed = await driver.load(model("kept", backend.broken))
    assert load_failed(failed)
    assert failed.reason
    await driver.until(lambda live: rooms(live, "main") == room)
    found = await driver.model("kept")
    assert carries_all_traffic(found, old)
    assert on_the_air(found)


async def test_a_failed_version_is_loaded_again_when_asked(driver: Driver, backend: Backend) -> None:
    manifest = model("retried", backend.broken)
    first = await driver.load(manifest)
    second = await driver.load(manifest)
    assert load_failed(second)
    assert second.number >= first.number


async def test_what_does_not_fit_is_refused_and_changes_nothing_or_is_seen_not_to_be_placed(
    driver: Driver, backend: Backend
) -> None:
    if not backend.refuses:
        assert (await driver.load(model("big", backend.other, memory=ROOM + 1))).state is VersionState.SCHEDULE_FAILED
        await driver.decommission("big")
        return
    number = await driver.serve(model("big", backend.good, memory=60_000))
    before = await driver.model("big")
    with pytest.raises(ActionRefused) as refusal:
        await driver.start_load(model("big", backend.other, memory=ROOM + 1))
    assert refusal.value.what
    assert refusal.value.why
    assert replace(await driver.model("big"), annotations=before.annotations) == before
    assert carries_all_traffic(before, number)
    await driver.decommission("big")


async def test_replicas_change_in_place_without_a_new_version(driver: Driver, backend: Backend) -> None:
    number = await driver.serve(model("sized", backend.good, replicas=1))
    await driver.change(model("sized", backend.good, replicas=2))
    grown = await driver.settled("sized", number)
    assert is_whole(grown)
    assert grown.available == 2
    await driver.change(model("sized", backend.good, replicas=1))
    await driver.until(lambda live: _whole_with(live, "sized", 1))
    assert live_version(await driver.model("sized")).number == number
    if backend.refuses:
        with pytest.raises(ActionRefused):
            await driver.change(model("sized", backend.good, replicas=3))
        assert (await driver.model("sized")).spec.replicas == 1


async def test_decommissioning_takes_the_model_off_the_air_and_gives_its_memory_back(
    driver: Driver, backend: Backend
) -> None:
    before = await driver.room("main")
    await driver.serve(model("gone", backend.good, memory=5000, replicas=2))
    await driver.decommission("gone", wait=False)
    await driver.until(lambda live: _off_the_air(live, "gone"))
    await driver.until(lambda live: live.model("gone") is None and rooms(live, "main") == before)


async def test_every_action_done_twice_is_done_once(driver: Driver, backend: Backend) -> None:
    manifest = model("twice", backend.good)
    first, second = await driver.serve(manifest), await driver.serve(manifest)
    assert first == second
    await driver.change(manifest)
    await driver.change(manifest)
    newer = model("twice", backend.other)
    number = await driver.serve(newer)
    for _ in range(2):
        await driver.unload(newer, first)
        await driver.perform(action(ActionKind.DRAIN, "twice", model=newer, number=first))
    assert [v.number for v in (await driver.model("twice")).versions if v.occupied] == [number]
    await driver.decommission("twice")
    await driver.decommission("twice")


async def test_a_probe_tells_whether_there_is_room_and_leaves_nothing_behind(driver: Driver, backend: Backend) -> None:
    await driver.serve(model("probed", backend.good, memory=5000, replicas=2))
    before = replace(await driver.cluster.observe(), observed_at=0.0)
    room = min(await driver.room("main"))
    fits, too_big = (model("probed", backend.other, memory=memory, replicas=2) for memory in (room, room + 1))
    await driver.perform(action(ActionKind.PROBE, "probed", model=fits, digest=fits.spec.digest))
    with pytest.raises(ActionRefused) as refusal:
        await driver.perform(action(ActionKind.PROBE, "probed", model=too_big, digest=too_big.spec.digest))
    assert refusal.value.why
    assert replace(await driver.cluster.observe(), observed_at=0.0) == before
    await driver.decommission("probed")


async def test_a_failed_version_is_scheduled_once_more_by_a_retrigger(driver: Driver, backend: Backend) -> None:
    manifest = model("triggered", backend.broken)
    first = await driver.load(manifest)
    again = action(ActionKind.RETRIGGER, "triggered", model=manifest, digest=manifest.spec.digest)
    await driver.perform(again)
    await driver.until(lambda live: _loading_or_other(live, "triggered", first))
    assert load_failed(await driver.settled("triggered", live_version(await driver.model("triggered")).number))


async def test_adopting_changes_labels_and_annotations_only(driver: Driver, backend: Backend) -> None:
    await driver.serve(model("adopted", backend.good))
    before = await driver.model("adopted")
    manifest = model("adopted", backend.good, labels={"model-reconciler.io/instance": "us"})
    await driver.perform(action(ActionKind.ADOPT, "adopted", model=manifest))
    after = await driver.model("adopted")
    assert after.instance == "us"
    assert after.versions == before.versions
    assert after.route == before.route


async def test_a_failure_on_record_is_observed_until_it_is_cleared(driver: Driver, backend: Backend) -> None:
    await driver.serve(model("recorded", backend.good))
    failure = Failure("0123456789ab", 2, 1_700_000_000.5, "it broke", "again")
    await driver.cluster.record_failure("recorded", failure)
    assert (await driver.model("recorded")).failure == failure
    await driver.change(model("recorded", backend.good, labels={"a": "b"}))
    assert (await driver.model("recorded")).failure == failure
    await driver.cluster.record_failure("recorded", None)
    assert (await driver.model("recorded")).failure is None
    await driver.cluster.record_failure("nobody", failure)


async def test_observing_returns_as_soon_as_something_differs(
    driver: Driver, backend: Backend, connect: Connect
) -> None:
    live = await driver.until(lambda live: all(_at_rest(live, m.name) for m in live.models))
    waiting = asyncio.create_task(driver.cluster.observe(live))
    await asyncio.sleep(0)
    await Driver(await connect()).start_load(model("noticed", backend.good))
    seen = await waiting
    assert seen.model("noticed") is not None


async def test_observing_what_does_not_change_returns_the_same_after_a_while(driver: Driver, backend: Backend) -> None:
    await driver.until(lambda live: all(_at_rest(live, m.name) for m in live.models))
    live = await driver.cluster.observe()
    again = await driver.cluster.observe(live)
    assert replace(again, observed_at=0.0) == replace(live, observed_at=0.0)


async def test_a_state_that_another_client_observed_is_compared_too(cluster: Cluster, connect: Connect) -> None:
    old = replace(await cluster.observe(), servers=())
    async with asyncio.timeout(30):
        assert (await (await connect()).observe(old)).servers


async def test_one_holder_has_the_lock_and_the_next_one_is_told_who(cluster: Cluster, connect: Connect) -> None:
    other = await connect()
    async with cluster.lock("first (pid 1)", 0):
        with pytest.raises(LockHeld, match=r"first \(pid 1\)"):
            async with other.lock("second", 0.2):
                pytest.fail("the lock was given twice")
    async with other.lock("second", 0):
        pass


async def test_a_waiting_holder_gets_the_lock_when_it_is_free(cluster: Cluster, connect: Connect) -> None:
    order = []

    async def wait() -> None:
        async with (await connect()).lock("second", 30):
            order.append("second")

    async with cluster.lock("first", 0):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.2)
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def test_servers_come_grow_shrink_and_go(driver: Driver, backend: Backend) -> None:
    await driver.put_server("extra", backend.server(1, 5000))
    server = (await driver.cluster.observe()).server("extra")
    assert server is not None
    assert [(r.index, r.limit, r.room) for r in server.replicas] == [(0, 5000, 5000)]
    await driver.put_server("extra", backend.server(2, 5000), kind=ActionKind.UPDATE_SERVER)
    await driver.put_server("extra", backend.server(1, 5000), kind=ActionKind.SHRINK_SERVER)
    await driver.delete_server("extra")


async def test_closing_a_client_leaves_the_cluster_alone(cluster: Cluster, connect: Connect) -> None:
    await cluster.observe()
    await cluster.close()
    assert (await (await connect()).observe()).servers


def _whole_with(live: LiveState, name: str, replicas: int) -> bool:
    found = live.model(name)
    version = found.live_version if found else None
    return version is not None and is_whole(version) and len(version.occupied) == replicas


def _loading_or_other(live: LiveState, name: str, before: LiveVersion) -> bool:
    found = live.model(name)
    return found is not None and found.live_version is not None and found.live_version != before


def _off_the_air(live: LiveState, name: str) -> bool:
    found = live.model(name)
    return found is None or (found.deleting and found.route == ())


def _at_rest(live: LiveState, name: str) -> bool:
    found = live.model(name)
    return found is None or all(
        v.state in (VersionState.AVAILABLE, VersionState.FAILED, VersionState.TERMINATED) for v in found.versions
    )


async def test_a_cluster_without_experiments_shows_none_and_refuses_to_write_one(cluster: Cluster) -> None:
    live = await cluster.observe()
    if live.traits.carries:
        pytest.skip("this cluster has experiments")
    assert live.carried == ()
    with pytest.raises(ActionRefused):
        await cluster.perform(action(ActionKind.APPLY, "Experiment/x"))
