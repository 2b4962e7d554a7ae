"""Processes killed, disks that refuse, settings lying about: what the local cluster does then."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.clusters.local import lifecycle, store
from reconciler.clusters.local.client import LocalCluster
from reconciler.clusters.local.mlserver_settings import STATE_VARIABLE
from reconciler.clusters.local.process import Identity, marked, started_at
from reconciler.errors import ClusterError, ClusterUnavailable
from reconciler.model.live import LiveState, ReplicaState, VersionState
from reconciler.model.manifests import ModelPolicy, Strategy
from reconciler.model.plan import ActionKind
from tests.local.serving import Driver, Requests, action, available, live_version, model, server_spec, version_of

pytestmark = [pytest.mark.mlserver, pytest.mark.xdist_group("local-faults")]

Start = Callable[..., lifecycle.Address]


def processes(state: Path) -> dict[int, int]:
    """Returns the pid of each replica of the server `main`, as the state file has them."""
    replicas = store.read(state / "state.json").servers["main"].replicas
    return {r.index: r.process.pid for r in replicas if r.process}


async def kill(pid: int) -> None:
    """Kills a process the hard way and waits until it is gone."""
    identity = Identity(pid, started_at(pid) or -1)
    identity.signal(signal.SIGKILL)
    assert await identity.gone(30)


async def test_a_killed_mlserver_is_restarted_and_reloaded_while_the_other_replica_answers(started: Start) -> None:
    local = started()
    driver, requests = Driver(LocalCluster(local.state)), Requests(local.url)
    await driver.put_server("main", server_spec(replicas=2))
    number = await driver.serve(model("m", "one", replicas=2))
    before = processes(local.state)
    async with requests.steadily("m"):
        await kill(before[0])
        await driver.until(lambda live: available(live, "m", number) == 1)
        await driver.until(lambda live: available(live, "m", number) == 2)
    assert requests.failed == []
    assert processes(local.state)[0] != before[0]
    assert processes(local.state)[1] == before[1]
    assert live_version(await driver.model("m")).state is VersionState.AVAILABLE


async def test_a_killed_gateway_started_again_finds_its_processes_versions_and_routes(started: Start) -> None:
    local = started()
    driver = Driver(LocalCluster(local.state))
    await driver.put_server("main", server_spec(replicas=1))
    await driver.serve(model("m", "one"))
    newest = await driver.load(model("m", "two"))
    live, before = await driver.cluster.observe(), processes(local.state)
    await kill(local.pid)
    with pytest.raises(ClusterUnavailable):
        await driver.cluster.observe()
    again = await asyncio.to_thread(started, local.state)
    assert (await Requests(again.url).infer("m")).text == "one", "requests wait until the processes are found"
    assert processes(local.state) == before
    assert again.url == local.url
    after = await driver.cluster.observe()
    assert (after.models, after.servers) == (live.models, live.servers)
    assert available(after, "m", newest.number) == 1


async def test_a_version_drained_for_recreate_stays_out_of_the_route_when_the_gateway_is_killed(started: Start) -> None:
    local = started()
    driver = Driver(LocalCluster(local.state))
    await driver.put_server("main", server_spec(replicas=1))
    manifest = model("m", "one", policy=ModelPolicy(strategy=Strategy.RECREATE))
    number = await driver.serve(manifest)
    await driver.cluster.perform(action(ActionKind.DRAIN, "m", model=manifest, number=number))
    await kill(local.pid)
    again = await asyncio.to_thread(started, local.state)
    assert (await Requests(again.url).infer("m")).status == 503
    await driver.shift(manifest, number)
    assert (await Requests(again.url).infer("m")).text == "one"


async def test_a_gateway_and_its_mlserver_killed_come_back_with_the_same_routes(started: Start) -> None:
    local = started()
    driver = Driver(LocalCluster(local.state))
    await driver.put_server("main", server_spec(replicas=1))
    number = await driver.serve(model("m", "one"))
    before = processes(local.state)
    await kill(local.pid)
    await kill(before[0])
    again = await asyncio.to_thread(started, local.state)
    await driver.until(lambda live: available(live, "m", number) == 1)
    assert processes(local.state)[0] != before[0]
    assert (await Requests(again.url).infer("m")).text == "one"


async def test_a_gateway_killed_in_mid_load_and_mid_decommission_goes_on_with_both(started: Start) -> None:
    local = started()
    driver, requests = Driver(LocalCluster(local.state)), Requests(local.url)
    await driver.put_server("main", server_spec(replicas=1))
    leaving = await driver.serve(model("leaving", "one"))
    running = asyncio.create_task(requests.infer("leaving", seconds=5))
    await driver.busy("leaving", leaving)
    await driver.decommission("leaving", wait=False)
    number = await driver.start_load(model("m", "slow-load"))
    await driver.until(lambda live: _states(live, "m", number) == [ReplicaState.LOADING])
    await kill(local.pid)
    await running
    await asyncio.to_thread(started, local.state)
    assert (await driver.settled("m", number)).state is VersionState.AVAILABLE
    await driver.until(lambda live: live.model("leaving") is None)


def _states(live: LiveState, name: str, number: int) -> list[ReplicaState]:
    version = version_of(live, name, number)
    return [state for _, state in version.replicas] if version else []


async def test_a_process_that_nobody_recorded_is_ended_at_the_next_start(started: Start) -> None:
    local = started()
    driver = Driver(LocalCluster(local.state))
    await driver.put_server("main", server_spec(replicas=1))
    unrecorded = processes(local.state)[0]
    await kill(local.pid)
    (local.state / "state.json").unlink()
    await asyncio.to_thread(started, local.state)
    assert unrecorded not in {identity.pid for identity in marked(STATE_VARIABLE, str(local.state))}


async def test_down_ends_every_process_and_up_brings_everything_back(started: Start) -> None:
    local = started()
    driver = Driver(LocalCluster(local.state))
    await driver.put_server("main", server_spec(replicas=1))
    number = await driver.serve(model("m", "sklearn", requirements=("sklearn",)))
    assert lifecycle.status(local.state).mlservers == 1
    assert await asyncio.to_thread(lifecycle.down, local.state)
    assert lifecycle.status(local.state) == lifecycle.Status(local.state, None, 0)
    assert not await asyncio.to_thread(lifecycle.down, local.state)
    again = await asyncio.to_thread(started, local.state)
    await driver.until(lambda live: available(live, "m", number) == 1)
    assert (await Requests(again.url).infer("m")).text == "7"


async def test_settings_lying_about_and_in_the_environment_are_not_read(
    started: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    for folder in (state, state / "versions", state / "processes" / "main-0" / "cwd"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "settings.json").write_text('{"http_port": 1, "debug": true, "parallel_workers": 3}')
        (folder / ".env").write_text("MLSERVER_HTTP_PORT=1\nMLSERVER_PARALLEL_WORKERS=3\n")
    monkeypatch.setenv("MLSERVER_PARALLEL_WORKERS", "3")
    monkeypatch.setenv("mlserver_http_port", "1")
    monkeypatch.setenv("MLSERVER_MODEL_NAME", "stray")
    local = await asyncio.to_thread(started, state)
    driver = Driver(LocalCluster(state))
    await driver.put_server("main", server_spec(replicas=1))
    await driver.serve(model("m", "one"))
    assert (await Requests(local.url).infer("m")).text == "one"
    assert lifecycle.status(state).mlservers == 1


async def test_a_state_that_cannot_be_written_is_said_and_changes_nothing(started: Start) -> None:
    local = started()
    driver = Driver(LocalCluster(local.state))
    obstacle = local.state / "state.json.partial"
    obstacle.mkdir()
    with pytest.raises(ClusterError, match="changed nothing"):
        await driver.put_server("main", server_spec(replicas=0))
    assert (await driver.cluster.observe()).servers == ()
    obstacle.rmdir()
    await driver.put_server("main", server_spec(replicas=0))


async def test_only_the_owner_can_open_the_socket_and_the_state(started: Start, tmp_path: Path) -> None:
    state = tmp_path / ("a-long-name-" * 9) / ("and-another-" * 9)
    local = started(state)
    assert (state.stat().st_mode & 0o777, (state / "admin.sock").stat().st_mode & 0o777) == (0o700, 0o600)
    assert (state / "gateway.json").stat().st_mode & 0o077 == 0
    assert (await LocalCluster(state).observe()).server_configs[0].name == "mlserver"
    assert (await LocalCluster(state).about())["pid"] == local.pid
