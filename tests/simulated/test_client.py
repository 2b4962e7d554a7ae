"""The simulated cluster behind the protocol: time passes while somebody waits for news, and never otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.clusters.simulated.client import LOOK, Memory, SimulatedCluster
from reconciler.clusters.simulated.state import StateFile
from reconciler.errors import ClusterError, LockHeld
from reconciler.model.plan import ActionKind
from tests.local import serving
from tests.simulated.worlds import cluster, model, server, wait


async def test_looking_lets_no_time_pass() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", "slow6")])
    client = SimulatedCluster(Memory(simulation))
    before = simulation.dump()
    assert await client.observe() == await client.observe()
    assert simulation.dump() == before


async def test_waiting_for_news_lets_time_pass_until_there_is_some() -> None:
    simulation = cluster(server())
    client = SimulatedCluster(Memory(simulation, epoch=500))
    live = await client.observe()
    simulation.apply([model("m", "slow6")])
    began = simulation.now
    states: list[str] = []
    while not states or states[-1] != "ModelAvailable":
        live = await client.observe(live)
        found = live.model("m")
        version = found.live_version if found else None
        states.append(str(version.state) if version else "")
        assert live.observed_at == 500 + simulation.now
    assert simulation.now == pytest.approx(began + 6.4, abs=0.3)
    assert list(dict.fromkeys(states)) == ["", "ModelProgressing", "ModelAvailable"]


async def test_where_nothing_happens_a_wait_takes_a_second_of_its_time() -> None:
    simulation = cluster(server())
    wait(simulation, 60)
    client = SimulatedCluster(Memory(simulation))
    live = await client.observe()
    later = await client.observe(live)
    assert later.observed_at == live.observed_at + LOOK


async def test_what_somebody_else_wrote_meanwhile_is_news_at_once() -> None:
    simulation = cluster(server())
    client = SimulatedCluster(Memory(simulation))
    live = await client.observe()
    simulation.apply([model("m")])
    assert (await client.observe(live)).observed_at == live.observed_at


async def test_an_action_is_on_file_when_it_is_performed(tmp_path: Path) -> None:
    path = tmp_path / "state.yaml"
    path.write_text("objects: [{kind: Server, metadata: {name: s}, spec: {serverConfig: mlserver}}]")
    manifest = serving.model("m", "gs://m", requirements=("sklearn",))
    load = serving.action(ActionKind.LOAD, "m", model=manifest, digest=manifest.spec.digest)
    await SimulatedCluster(StateFile(path)).perform(load)
    assert (await SimulatedCluster(StateFile(path)).observe()).model("m") is not None


async def test_a_state_file_has_one_writer_and_a_missing_one_none(tmp_path: Path) -> None:
    path = tmp_path / "state.yaml"
    with pytest.raises(ClusterError):
        async with SimulatedCluster(StateFile(path)).lock("me", 0):
            pytest.fail("there is nothing to lock")
    path.touch()
    async with SimulatedCluster(StateFile(path)).lock("me", 0):
        with pytest.raises(LockHeld, match="me works on the simulated cluster"):
            async with SimulatedCluster(StateFile(path)).lock("you", 0):
                pytest.fail("it was locked twice")
