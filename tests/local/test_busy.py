"""Processes that are busy are not taken for dead: predictions of sklearn models hold a whole MLServer up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from reconciler.clusters.local import lifecycle
from reconciler.clusters.local.client import LocalCluster
from reconciler.clusters.local.engine import Engine
from reconciler.clusters.local.gateway import new_session
from reconciler.clusters.local.mlserver_api import MlserverApi
from reconciler.clusters.local.mlserver_settings import installed
from reconciler.model.live import LiveState, ReplicaState, VersionState
from reconciler.model.manifests import ModelPolicy
from reconciler.model.plan import Action
from tests.local.serving import Driver, Requests, available, model, server_spec, version_of
from tests.local.test_faults import kill, processes
from tests.local.test_serving import SMOKE

pytestmark = [pytest.mark.mlserver, pytest.mark.xdist_group("local-busy")]

Start = Callable[..., lifecycle.Address]


async def test_a_broken_version_on_a_busy_replica_fails_alone(started: Start) -> None:
    local = started()
    driver, requests = Driver(LocalCluster(local.state)), Requests(local.url)
    await driver.put_server("main", server_spec(replicas=1))
    await driver.serve(model("slow", "blocking"))
    await driver.serve(model("victim", "one"))
    before = processes(local.state)
    async with requests.steadily("slow", concurrency=8):
        await asyncio.sleep(1)
        failed = await driver.load(model("victim", "broken", requirements=("sklearn",)))
    assert (failed.state, failed.occupied) == (VersionState.FAILED, ())
    assert requests.failed == []
    assert processes(local.state) == before
    assert (await requests.infer("victim")).text == "one"


async def test_a_version_waits_for_its_smoke_request_behind_those_of_other_models(started: Start) -> None:
    local = started()
    driver, requests = Driver(LocalCluster(local.state)), Requests(local.url)
    await driver.put_server("main", server_spec(replicas=1))
    await driver.serve(model("slow", "blocking"))
    async with requests.steadily("slow", concurrency=12):
        await asyncio.sleep(1)
        version = await driver.load(model("smoked", "one", policy=ModelPolicy(smoke_request=SMOKE)))
    assert version.state is VersionState.AVAILABLE, version.reason
    assert requests.failed == []


async def test_a_smoke_request_not_answered_by_an_idle_process_fails_the_version(started: Start) -> None:
    local = started()
    driver = Driver(LocalCluster(local.state))
    await driver.put_server("main", server_spec(replicas=1))
    endless = SMOKE[:-1] + ',"parameters":{"seconds":3600}}'
    failed = await driver.load(model("mute", "one", policy=ModelPolicy(smoke_request=endless)))
    assert failed.state is VersionState.FAILED
    assert failed.reason == "the smoke request was not answered within 5 s"
    await kill(processes(local.state)[0])  # it would wait for that request before it ends


async def test_a_gateway_killed_while_a_replica_is_busy_finds_it_again_and_answers_with_it(started: Start) -> None:
    local = started()
    driver, requests = Driver(LocalCluster(local.state)), Requests(local.url)
    await driver.put_server("main", server_spec(replicas=1))
    number = await driver.serve(model("slow", "blocking"))
    before = processes(local.state)
    async with requests.steadily("slow", concurrency=16):
        await driver.busy("slow", number)
        await asyncio.sleep(1)
        await kill(local.pid)
        await asyncio.to_thread(started, local.state)
        await asyncio.sleep(3)
    assert {answer.status for answer in requests.failed} == {0}, "none but those that found no gateway"
    assert requests.answers[-1].status == 200
    assert processes(local.state) == before


async def test_a_gateway_killed_in_mid_load_answers_with_what_was_loaded_before(started: Start) -> None:
    local = started()
    driver = Driver(LocalCluster(local.state))
    await driver.put_server("main", server_spec(replicas=1))
    await driver.serve(model("m", "one"))
    number = await driver.start_load(model("late", "slower-load"))
    await driver.until(lambda live: _loading(live, "late", number))
    before = processes(local.state)
    await kill(local.pid)
    again = await asyncio.to_thread(started, local.state)
    assert (await Requests(again.url).infer("m")).text == "one"
    assert processes(local.state) == before
    await kill(before[0])  # it would wait for that load before it ends


def _loading(live: LiveState, name: str, number: int) -> bool:
    version = version_of(live, name, number)
    return version is not None and [was for _, was in version.replicas] == [ReplicaState.LOADING]


class Direct:
    """A cluster that is an engine in this very process."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._seen: int | None = None

    async def perform(self, action: Action) -> None:
        """See `Cluster`."""
        await self.engine.perform(action)

    async def observe(self, since: LiveState | None = None) -> LiveState:
        """See `Cluster`."""
        self._seen, live = await self.engine.observe(self._seen if since else None, 1)
        return live


@asynccontextmanager
async def running(
    folder: Path, artifacts: Path, api: Callable[[aiohttp.ClientSession], MlserverApi]
) -> AsyncIterator[Driver]:
    """An engine with real MLServer processes; one of them hangs as soon as it says nothing for 2 s."""
    async with new_session() as session:
        engine = Engine(folder, artifacts, api(session), installed(), hung_after=2)
        await engine.start()
        try:
            yield Driver(Direct(engine))  # type: ignore[arg-type]  # what a driver needs of a cluster
        finally:
            await engine.stop()


async def test_a_process_that_hangs_in_a_load_is_replaced_in_the_end(tmp_path: Path, artifacts: Path) -> None:
    async with running(tmp_path, artifacts, MlserverApi) as driver:
        await driver.put_server("main", server_spec(replicas=1))
        number = await driver.serve(model("m", "one"))
        failed = await driver.load(model("stuck", "hanging", policy=ModelPolicy(load_timeout=1.0)))
        assert failed.state is VersionState.FAILED
        assert failed.reason == "it was not loaded within 1 s (load-timeout)"
        await driver.until(lambda live: available(live, "m", number) == 0)
        await driver.until(lambda live: available(live, "m", number) == 1)


class Breaking(MlserverApi):
    """Its connection breaks when a load is asked for, so many times."""

    times = 0

    async def load(self, url: str, name: str, within: float) -> None:
        """See `MlserverApi`."""
        if self.times:
            self.times -= 1
            raise aiohttp.ServerDisconnectedError
        await super().load(url, name, within)


@pytest.mark.parametrize(("times", "state"), [(1, VersionState.AVAILABLE), (3, VersionState.FAILED)])
async def test_a_connection_that_breaks_in_a_load_leaves_a_process_that_goes_on_alone(
    tmp_path: Path, artifacts: Path, times: int, state: VersionState
) -> None:
    made: list[Breaking] = []

    def breaking(session: aiohttp.ClientSession) -> Breaking:
        made.append(Breaking(session))
        return made[0]

    async with running(tmp_path, artifacts, breaking) as driver:
        await driver.put_server("main", server_spec(replicas=1))
        await driver.serve(model("m", "one"))
        before = processes(tmp_path)
        made[0].times = times
        version = await driver.load(model("unlucky", "two"))
        assert version.state is state
        assert processes(tmp_path) == before
