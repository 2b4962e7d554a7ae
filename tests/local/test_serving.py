"""Models on real MLServer processes: loaded, shifted, drained, unloaded, while requests are sent."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.errors import ActionRefused
from reconciler.model.live import ReplicaState, VersionState
from reconciler.model.manifests import ModelPolicy, Strategy
from reconciler.model.plan import ActionKind
from tests.local.serving import Driver, Requests, action, available, live_version, model, placed, rooms, server_spec

pytestmark = [pytest.mark.mlserver, pytest.mark.xdist_group("local-serving")]

SMOKE = '{"inputs":[{"data":[0.5],"datatype":"FP64","name":"x","shape":[1,1]}]}'


@pytest.fixture(autouse=True)
async def _server(driver: Driver) -> None:
    await driver.put_server("main", server_spec(replicas=2, memory=1_000_000))


async def test_an_sklearn_artifact_without_settings_is_served(driver: Driver, requests: Requests) -> None:
    await driver.serve(model("plain", "sklearn", requirements=("sklearn",)))
    answer = await requests.infer("plain")
    assert (answer.status, answer.text, answer.route) == (200, "7", ":plain_1:")


async def test_a_rollout_under_requests_fails_none_and_ends_on_the_new_version(
    driver: Driver, requests: Requests
) -> None:
    old = await driver.serve(model("rolled", "one", replicas=2))
    async with requests.steadily("rolled"):
        new = await driver.serve(model("rolled", "two", replicas=2))
        await driver.idle("rolled", old)
        await driver.unload(model("rolled", "two"), old)
        await asyncio.sleep(0.2)
    assert requests.failed == []
    assert set(requests.routes()) == {f":rolled_{old}:", f":rolled_{new}:"}
    assert requests.answers[-1].text == "two"
    assert [v.number for v in (await driver.model("rolled")).versions] == [new]


async def test_a_version_out_of_the_route_is_counted_until_its_last_answer(driver: Driver, requests: Requests) -> None:
    manifest = model("counted", "two")
    old = await driver.serve(model("counted", "one"))
    running = asyncio.create_task(requests.infer("counted", seconds=1.5))
    await driver.busy("counted", old)
    await driver.serve(manifest)
    assert [v.in_flight for v in (await driver.model("counted")).versions] == [1, 0]
    await driver.idle("counted", old)
    assert (await running).text == "one"


@pytest.mark.parametrize(
    ("uri", "cause"),
    [
        ("broken", ""),
        ("refusing", "ValueError: the weights are of another shape and more"),
        ("missing", "artifact 'missing'"),
        ("deadly", "ended while loading it"),
    ],
)
async def test_a_version_that_cannot_be_loaded_says_why_and_the_old_one_serves_on(
    driver: Driver, requests: Requests, uri: str, cause: str
) -> None:
    name = f"keeps-{uri}"
    old = await driver.serve(model(name, "one"))
    failed = await driver.load(model(name, uri, requirements=("sklearn",)))
    assert failed.state is VersionState.FAILED
    assert failed.occupied == ()
    assert cause in failed.reason
    assert 0 < len(failed.reason) <= 300
    assert "Traceback" not in failed.reason
    await driver.until(lambda live: available(live, name, old) == 1)
    assert (await requests.infer(name)).text == "one"
    with pytest.raises(ActionRefused):
        await driver.shift(model(name, uri), failed.number)


async def test_a_version_whose_smoke_request_fails_is_unloaded_and_never_routed(driver: Driver) -> None:
    room = await driver.room("main")
    failed = await driver.load(model("smoky", "wrong", policy=ModelPolicy(smoke_request=SMOKE)))
    assert failed.state is VersionState.FAILED
    assert "smoke request was answered with 500" in failed.reason
    assert await driver.room("main") == room


async def test_a_version_whose_smoke_request_passes_is_available(driver: Driver) -> None:
    version = await driver.load(model("smoked", "one", policy=ModelPolicy(smoke_request=SMOKE)))
    assert version.state is VersionState.AVAILABLE


async def test_a_load_beyond_its_time_limit_fails(driver: Driver) -> None:
    failed = await driver.load(model("late", "slow-load", policy=ModelPolicy(load_timeout=0.3)))
    assert failed.state is VersionState.FAILED
    assert "0.3 s" in failed.reason


async def test_replicas_grow_and_shrink_in_place_without_a_failed_request(driver: Driver, requests: Requests) -> None:
    number = await driver.serve(model("sized", "one", replicas=1))
    async with requests.steadily("sized"):
        await driver.change(model("sized", "one", replicas=2))
        grown = await driver.settled("sized", number)
        await driver.change(model("sized", "one", replicas=1))
        await driver.until(lambda live: placed(live, "sized", number) == 1)
        await asyncio.sleep(0.1)
    assert grown.available == 2
    assert requests.failed == []
    assert live_version(await driver.model("sized")).state is VersionState.AVAILABLE


async def test_going_back_to_a_loaded_version_needs_no_load(driver: Driver, requests: Requests) -> None:
    good, bad = model("reverted", "one"), model("reverted", "broken", requirements=("sklearn",))
    number = await driver.serve(good)
    await driver.load(bad)
    await driver.change(good)
    found = await driver.model("reverted")
    assert [v.number for v in found.versions] == [number]
    assert found.spec.storage_uri == "one"
    assert (await requests.infer("reverted")).text == "one"


async def test_going_back_gives_up_a_newer_version_that_was_loaded_and_never_routed(driver: Driver) -> None:
    good = model("regretted", "one", memory=300_000)
    number = await driver.serve(good)
    room = await driver.room("main")
    await driver.load(model("regretted", "two", memory=400_000))
    await driver.change(good)
    assert [v.number for v in (await driver.model("regretted")).versions] == [number]
    await driver.until(lambda live: rooms(live, "main") == room)
    await driver.decommission("regretted")


async def test_recreate_takes_the_old_version_off_the_air_before_the_new_one_loads(
    driver: Driver, requests: Requests
) -> None:
    policy = ModelPolicy(strategy=Strategy.RECREATE)
    old, new = model("remade", "one", policy=policy), model("remade", "two", policy=policy)
    number = await driver.serve(old)
    await driver.unload(new, number)
    assert (await requests.infer("remade")).status == 503
    assert live_version(await driver.model("remade")).state is VersionState.TERMINATED
    await driver.serve(new)
    assert (await requests.infer("remade")).text == "two"


async def test_recreate_drains_under_requests_by_taking_the_old_version_out_of_the_route(
    driver: Driver, requests: Requests
) -> None:
    policy = ModelPolicy(strategy=Strategy.RECREATE)
    old, new = model("drained", "one", policy=policy), model("drained", "two", policy=policy)
    number = await driver.serve(old)
    running = asyncio.create_task(requests.infer("drained", seconds=1))
    async with requests.steadily("drained"):
        await driver.busy("drained", number)
        for _ in range(2):
            await driver.cluster.perform(action(ActionKind.DRAIN, "drained", model=new, number=number))
        await driver.idle("drained", number)
        assert (await running).status == 200
        found = await driver.model("drained")
        assert (found.route, found.versions[0].state) == ((), VersionState.AVAILABLE)
        await driver.unload(new, number)
        await driver.serve(new)
        await asyncio.sleep(0.1)
    assert {(answer.status, answer.text) for answer in requests.failed} == {
        (503, "{'error': 'model drained takes no requests now: no version of it has the route'}")
    }
    assert requests.answers[-1].text == "two"


async def test_draining_takes_no_version_out_of_the_route_unless_the_strategy_is_recreate(
    driver: Driver, requests: Requests
) -> None:
    manifest = model("kept-on", "one")
    number = await driver.serve(manifest)
    await driver.cluster.perform(action(ActionKind.DRAIN, "kept-on", model=manifest, number=number))
    assert (await requests.infer("kept-on")).text == "one"


async def test_a_version_that_recreate_unloads_without_draining_ends_its_requests_first(
    driver: Driver, requests: Requests
) -> None:
    manifest = model("hurried", "one", policy=ModelPolicy(strategy=Strategy.RECREATE))
    number = await driver.serve(manifest)
    running = asyncio.create_task(requests.infer("hurried", seconds=1))
    await driver.busy("hurried", number)
    await driver.cluster.perform(action(ActionKind.UNLOAD, "hurried", model=manifest, number=number))
    assert [was for _, was in live_version(await driver.model("hurried")).replicas] == [ReplicaState.DRAINING]
    await driver.until(lambda live: not placed(live, "hurried", number))
    assert running.done()
    assert (await running).text == "one"


async def test_a_decommissioned_model_leaves_the_route_at_once_and_ends_its_requests(
    driver: Driver, requests: Requests
) -> None:
    number = await driver.serve(model("leaving", "one"))
    running = asyncio.create_task(requests.infer("leaving", seconds=1))
    await driver.busy("leaving", number)
    await driver.decommission("leaving", wait=False)
    assert (await requests.infer("leaving")).status == 404
    leaving = await driver.model("leaving")
    assert leaving.deleting
    assert leaving.versions[0].replicas[0][1] is ReplicaState.DRAINING
    with pytest.raises(ActionRefused):
        await driver.start_load(model("leaving", "two"))
    assert (await running).status == 200
    await driver.until(lambda live: live.model("leaving") is None)


async def test_a_decommissioned_model_that_does_not_drain_in_time_goes_regardless(
    driver: Driver, requests: Requests
) -> None:
    number = await driver.serve(model("stubborn", "one", policy=ModelPolicy(drain_timeout=0.2)))
    running = asyncio.create_task(requests.infer("stubborn", seconds=3))
    await driver.busy("stubborn", number)
    await driver.decommission("stubborn")
    assert not running.done()
    await running


async def test_a_load_in_flight_is_not_superseded(driver: Driver) -> None:
    await driver.start_load(model("busy", "slow-load"))
    with pytest.raises(ActionRefused) as refusal:
        await driver.start_load(model("busy", "two"))
    assert "still loading" in refusal.value.why
    await driver.decommission("busy")


async def test_the_header_names_the_model_whatever_the_path_says(driver: Driver, requests: Requests) -> None:
    await driver.serve(model("named", "one"))
    assert (await requests.infer("anything", headers={"Seldon-Model": "named"})).text == "one"
    assert (await requests.infer("named", headers={"seldon-model": "unknown"})).status == 404


async def test_ready_metadata_and_health_are_answered(driver: Driver, requests: Requests) -> None:
    await driver.serve(model("spoken", "one"))
    assert (await requests.get("/v2/models/spoken/ready"))[0] == 200
    status, metadata = await requests.get("/v2/models/spoken")
    assert (status, metadata["name"]) == (200, "spoken_1")
    assert (await requests.get("/v2/health/live"))[0] == 200
    assert (await requests.get("/v2/health/ready"))[0] == 200
    status, said = await requests.get("/v2/models/unknown/ready")
    assert (status, list(said)) == (404, ["error"])


async def test_an_answer_too_big_to_hold_is_streamed_whole(driver: Driver, requests: Requests) -> None:
    await driver.serve(model("big", "big"))
    answer = await requests.infer("big")
    assert (answer.status, len(answer.text)) == (200, 3_000_000)


async def test_a_model_that_is_loaded_and_not_routed_answers_503(driver: Driver, requests: Requests) -> None:
    await driver.load(model("waiting", "one"))
    answer = await requests.infer("waiting")
    assert answer.status == 503
    assert "error" in answer.text


@pytest.mark.parametrize("name", ["../up", "a/b", "a.b", "", "A"])
async def test_a_name_that_could_be_a_path_is_refused(driver: Driver, name: str) -> None:
    with pytest.raises(ActionRefused):
        await driver.cluster.perform(action(ActionKind.LOAD, name, model=model(name, "one")))
