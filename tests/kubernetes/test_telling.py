"""What people are told on the cluster."""

from __future__ import annotations

import json

from reconciler.clusters.base import Tells
from reconciler.clusters.kubernetes.client import Terms
from reconciler.clusters.kubernetes.connection import Address
from reconciler.clusters.kubernetes.opening import open_cluster
from reconciler.clusters.kubernetes.resources import CONFIG_MAPS, EVENTS
from reconciler.clusters.kubernetes.telling import MOST, Subject, Teller, config_map_name
from reconciler.clusters.simulated import Rules
from reconciler.model.notice import Notice, Summary
from reconciler.model.plan import ActionKind
from tests.kubernetes.faults import Fault, Proxy
from tests.kubernetes.writing import Writes, action, api_of, as_other, server_manifest
from tests.standin.fixtures import StartSeldon

IRIS = Subject("Model", "iris", "0000-1")
DONE = Summary("done", "3 of 3 actions done", "c" * 40, 0, "2026-01-01T00:00:00Z")


async def test_a_notice_is_an_event_on_its_object_that_kubectl_shows(writes: Writes) -> None:
    notice = Notice("Model", "iris", "LoadFailed", "load: no such artifact", warning=True)
    await Teller(writes.api, "default").tell({IRIS: notice}, None)
    found = (await writes.api.list(EVENTS, fields="involvedObject.name=iris,type=Warning")).items
    assert [(each["reason"], each["message"]) for each in found] == [("LoadFailed", "load: no such artifact")]
    assert found[0]["involvedObject"]["uid"] == IRIS.uid


async def test_the_same_notice_again_makes_no_other_event(writes: Writes) -> None:
    teller = Teller(writes.api, "default")
    for text in ("no room", "no room", "still no room"):
        await teller.tell({IRIS: Notice("Model", "iris", "Blocked", text, warning=True)}, None)
    assert len((await writes.api.list(EVENTS)).items) == 2


async def test_there_is_a_most_of_events_and_warnings_come_first(writes: Writes) -> None:
    told = {
        Subject("Model", f"m{index}", f"{index}"): Notice("Model", f"m{index}", "R", "text", warning=index % 2 == 0)
        for index in range(2 * MOST)
    }
    await Teller(writes.api, "default").tell(told, None)
    assert {each["type"] for each in (await writes.api.list(EVENTS)).items} == {"Warning"}


async def test_the_summary_is_in_a_config_map_and_written_only_when_it_is_news(writes: Writes) -> None:
    teller = Teller(writes.api, "default")
    await teller.tell({}, DONE)
    first = await writes.live(CONFIG_MAPS, "model-reconciler-default")
    assert first["data"]["summary"] == DONE.text
    await teller.tell({}, Summary(DONE.verdict, DONE.text, DONE.commit, 0, "2027-01-01T00:00:00Z"))
    again = await writes.live(CONFIG_MAPS, "model-reconciler-default")
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    await teller.tell({}, Summary("incomplete", "1 failed", DONE.commit, 5))
    assert (await writes.live(CONFIG_MAPS, "model-reconciler-default"))["data"]["exitCode"] == "5"


def test_every_instance_has_a_config_map_of_its_own_with_a_name_that_is_allowed() -> None:
    names = [config_map_name(each) for each in ("default", "Team_A", "team-a", "ÄÖ")]
    assert names[0] == "model-reconciler-default"
    assert len(set(names)) == 4
    assert all(name.isascii() and name == name.lower() and not name.endswith("-") for name in names)


async def test_an_api_server_that_does_not_answer_spoils_nothing(proxy: Proxy, namespace: str) -> None:
    proxy.faults.plan(lambda asked: True, Fault(500, delay=0.1), times=1000)
    async with api_of(proxy.kubeconfig, namespace) as api:
        await Teller(api, "default").tell({IRIS: Notice("Model", "iris", "R", "t")}, DONE)
    assert proxy.faults.asked


async def test_what_was_taken_back_from_the_autoscaler_is_an_event_on_the_server(seldon: StartSeldon) -> None:
    found = seldon(Rules(), speed=5)
    address = Address(kubeconfig=found.control_plane.kubeconfig, namespace=found.namespace)
    cluster = await open_cluster(address, found.scheduler, Terms())
    assert isinstance(cluster, Tells)
    size = server_manifest(replicas=2, minReplicas=2)
    await cluster.perform(action(ActionKind.CREATE_SERVER, size))
    where = (found.control_plane, found.namespace, "server.mlops.seldon.io", "mlserver")
    as_other(*where, {"spec": {"replicas": 1}}, "seldon-scheduler")
    await cluster.observe()
    await cluster.perform(action(ActionKind.UPDATE_SERVER, size))
    await cluster.close()
    told = json.loads(found.kubectl("get", "events", "-o", "json"))["items"]
    assert [each["message"] for each in told] == ["took back spec.replicas from seldon-scheduler"]
