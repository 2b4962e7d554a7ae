"""Servers created, grown, shrunk and deleted, with models on them."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.errors import ActionRefused
from reconciler.model.live import LiveModel, VersionState
from reconciler.model.plan import ActionKind
from tests.local.serving import Driver, Requests, live_version, model, server_spec

pytestmark = [pytest.mark.mlserver, pytest.mark.xdist_group("local-servers")]


async def test_a_server_offers_what_is_installed_and_its_extras(driver: Driver) -> None:
    await driver.put_server("plain", server_spec(replicas=0))
    await driver.put_server(
        "own", server_spec(replicas=0, capabilities=("sklearn", "triton"), extra_capabilities=("gpu",))
    )
    live = await driver.cluster.observe()
    offers = {server.name: server.capabilities for server in live.servers}
    assert offers["plain"] >= {"mlserver", "python", "sklearn"}
    assert offers["own"] == {"sklearn", "gpu"}
    assert live.server_configs[0].capabilities == offers["plain"]
    assert live.traits.commands_traffic
    assert live.traits.reuses_versions
    await driver.delete_server("plain")
    await driver.delete_server("own")


async def test_a_server_of_another_config_is_refused_and_told_why(driver: Driver) -> None:
    with pytest.raises(ActionRefused, match="cannot run here") as refusal:
        await driver.put_server("gpu", server_spec(server_config="triton"))
    assert "'triton'" in refusal.value.why
    assert (await driver.cluster.observe()).server("gpu") is None


async def test_a_server_shrinks_by_moving_its_versions_and_no_request_fails(driver: Driver, requests: Requests) -> None:
    await driver.put_server("main", server_spec(replicas=2, memory=1000))
    await driver.serve(model("stays", "one", memory=300, server="main"))
    moved = await driver.serve(model("moves", "two", memory=400, server="main"))
    assert _places(await driver.model("moves")) == [1]
    async with requests.steadily("moves"):
        await driver.put_server("main", server_spec(replicas=1, memory=1000), kind=ActionKind.SHRINK_SERVER)
        await asyncio.sleep(0.1)
    assert requests.failed == []
    assert requests.routes().keys() == {f":moves_{moved}:"}
    assert _places(await driver.model("moves")) == [0]
    assert live_version(await driver.model("moves")).state is VersionState.AVAILABLE
    assert await driver.room("main") == [300]
    await driver.decommission("stays")
    await driver.decommission("moves")


async def test_a_server_does_not_shrink_when_what_it_would_displace_does_not_fit(driver: Driver) -> None:
    await driver.put_server("main", server_spec(replicas=2, memory=1000))
    await driver.serve(model("wide", "one", memory=600, replicas=2, server="main"))
    with pytest.raises(ActionRefused, match="version 1 of model wide does not fit elsewhere"):
        await driver.put_server("main", server_spec(replicas=1, memory=1000), kind=ActionKind.SHRINK_SERVER)
    assert await driver.room("main") == [400, 400]
    assert live_version(await driver.model("wide")).available == 2
    await driver.decommission("wide")


async def test_memory_of_a_server_changes_at_once_and_without_a_restart(driver: Driver) -> None:
    await driver.put_server("main", server_spec(replicas=2, memory=1000))
    await driver.serve(model("held", "one", memory=300, server="main"))
    await driver.put_server("main", server_spec(replicas=2, memory=2000), kind=ActionKind.UPDATE_SERVER)
    assert sorted(await driver.room("main")) == [1700, 2000]
    assert live_version(await driver.model("held")).available == 1
    with pytest.raises(ActionRefused, match="cannot be deleted"):
        await driver.delete_server("main")
    await driver.decommission("held")


async def test_what_has_no_room_is_refused_and_the_old_version_keeps_its_route(
    driver: Driver, requests: Requests
) -> None:
    await driver.put_server("main", server_spec(replicas=2, memory=1000))
    await driver.serve(model("tight", "one", memory=600, replicas=2, server="main"))
    with pytest.raises(ActionRefused, match="not enough room for 2 x 500") as refusal:
        await driver.start_load(model("tight", "two", memory=500, replicas=2, server="main"))
    assert refusal.value.why == "room per replica: main: 400, 400"
    assert len((await driver.model("tight")).versions) == 1
    assert (await requests.infer("tight")).text == "one"
    with pytest.raises(ActionRefused, match="no Server can take"):
        await driver.start_load(model("odd", "one", requirements=("triton",)))
    await driver.decommission("tight")
    await driver.delete_server("main")


def _places(found: LiveModel) -> list[int]:
    return [index for index, _ in live_version(found).replicas]
