"""A scheduler that is away when a process starts is found by a later pass, on the stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.client import KubernetesCluster
from reconciler.clusters.kubernetes.connection import Address, connect
from reconciler.clusters.kubernetes.contact import Contact
from reconciler.clusters.kubernetes.finding import Found, find_scheduler
from reconciler.clusters.kubernetes.opening import open_cluster
from reconciler.clusters.kubernetes.reported import Reported, ReportedModel, ReportedVersion
from reconciler.errors import ClusterUnavailable
from reconciler.model.live import ReplicaState, VersionState
from tests.kubernetes.kubelet import Kubelet, kubelet, put_scheduler
from tests.standin.background import Seldon
from tests.standin.fixtures import StartSeldon


class Answering:
    """A scheduler that knows one model, whose load is in flight."""

    async def snapshot(self) -> Reported:
        return Reported({}, {})

    async def model(self, name: str) -> ReportedModel | None:
        replicas = ((0, ReplicaState.LOADING),)
        return ReportedModel(name, (ReportedVersion(1, 1, "s", VersionState.PROGRESSING, replicas=replicas),))

    async def close(self) -> None:
        return


async def test_who_was_not_there_is_looked_for_with_each_pass_until_it_is_found() -> None:
    answers = iter([Found(None, "there is none"), Found(None, "none still"), Found(Answering())])

    async def find() -> Found:
        return next(answers)

    contact = Contact(find)
    await contact.begin()
    await contact.begin()
    assert (contact.ask, contact.unverified) == (None, "Seldon's scheduler was not asked: there is none")
    await contact.renew()
    assert (contact.ask, contact.unverified) == (None, "Seldon's scheduler was not asked: none still")
    await contact.renew()
    assert contact.ask is not None
    told = await contact.ask("m")
    assert told is not None
    assert (told.state, told.loading) == (VersionState.PROGRESSING, True)
    await contact.renew()  # nobody is looked for any more


@asynccontextmanager
async def _opened(found: Seldon, *, inside: bool = False) -> AsyncIterator[KubernetesCluster]:
    address = Address(found.control_plane.kubeconfig, namespace=found.namespace)
    if inside:
        api = Api(await connect(address))
        api.connection.inside = True
        cluster = KubernetesCluster(api, Contact(partial(find_scheduler, api)))
    else:
        cluster = await open_cluster(address)
    try:
        yield cluster
    finally:
        await cluster.close()


def _reached(node: Kubelet, found: Seldon) -> None:
    node.targets[19004] = int(found.scheduler.rpartition(":")[2])


async def test_a_later_pass_of_a_process_that_began_without_the_scheduler_asks_it(
    seldon: StartSeldon, tmp_path: Path
) -> None:
    found = seldon()
    async with kubelet(tmp_path) as (node, port), _opened(found) as cluster:
        async with cluster.lock("a test", 0):
            first = await cluster.observe()
        assert "there is no Service seldon-scheduler" in first.unverified
        await asyncio.to_thread(put_scheduler, found.control_plane, found.namespace, port)
        _reached(node, found)
        assert (await cluster.observe()).unverified  # nothing changes within a pass
        async with cluster.lock("a test", 0):
            later = await cluster.observe()
    assert (later.unverified, later.room_source) == ("", "Seldon's scheduler")


async def test_in_a_pod_no_pass_begins_while_the_scheduler_does_not_answer_and_the_next_one_finds_it(
    seldon: StartSeldon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.clusters.kubernetes.finding.ANSWER_SECONDS", 2.0)
    found = seldon()
    async with kubelet(tmp_path) as (node, port), _opened(found, inside=True) as cluster:
        await asyncio.to_thread(put_scheduler, found.control_plane, found.namespace, port)
        with pytest.raises(ClusterUnavailable, match="takes no connection"):
            async with cluster.lock("a test", 0):
                pytest.fail("a pass began")
        with pytest.raises(ClusterUnavailable, match="takes no connection"):
            await cluster.observe()
        _reached(node, found)
        async with cluster.lock("a test", 0):
            live = await cluster.observe()
    assert (live.unverified, live.room_source) == ("", "Seldon's scheduler, through a port-forward")
