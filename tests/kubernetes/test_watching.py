"""Objects kept up to date by watches of the real API server, through a proxy that spoils them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import pytest

from reconciler.clusters.kubernetes.answers import Changed
from reconciler.clusters.kubernetes.api import Event
from reconciler.clusters.kubernetes.client import KubernetesCluster
from reconciler.clusters.kubernetes.contact import Contact
from reconciler.clusters.kubernetes.finding import Found
from reconciler.clusters.kubernetes.resources import MODELS, Resource
from reconciler.clusters.kubernetes.watching import Watched
from reconciler.model.plan import ActionKind
from tests.kubernetes.faults import Asked, Fault, Proxy
from tests.kubernetes.writing import Writes, action, api_of, manifest

Json = dict[str, Any]
GONE = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "metadata": {}}
LONG = 5.0
"""Seconds after which a test gives up."""


@dataclass
class Following:
    """Models that are watched through the proxy. `other`: writes past it and past them."""

    watched: Watched
    proxy: Proxy
    other: Writes

    async def write(self, name: str, uri: str = "gs://m") -> Json:
        """Writes a model as somebody else does."""
        document = {"apiVersion": MODELS.api_version, "kind": "Model", "metadata": {"name": name}}
        return await self.other.api.apply(MODELS, {**document, "spec": {"storageUri": uri}})

    @property
    def uris(self) -> dict[str, str]:
        return {name: found["spec"]["storageUri"] for name, found in self.watched.objects.items()}

    async def shown(self, uris: dict[str, str]) -> None:
        """Waits until the watch has brought it."""
        await until(lambda: self.uris == uris and self.watched.up_to_date)

    @property
    def places(self) -> list[str]:
        """Where watches of models began, in order."""
        begun = [asked for asked in self.proxy.faults.asked if watches(asked) and asked.path.endswith("/models")]
        return [parse_qs(asked.query)["resourceVersion"][0] for asked in begun]

    @property
    def lists(self) -> int:
        return sum(asked.path.endswith("/models") and not watches(asked) for asked in self.proxy.faults.asked)


def watches(asked: Asked) -> bool:
    """Whether it is the request of a watch."""
    return "watch=1" in asked.query


def event(kind: str, found: Json) -> str:
    """Returns an event as a watch brings it."""
    return json.dumps({"type": kind, "object": found}) + "\n"


async def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(LONG):
        while not holds():
            await asyncio.sleep(0.02)


@pytest.fixture
async def following(proxy: Proxy, writes: Writes, namespace: str) -> AsyncIterator[Following]:
    """One model is there and listed; nothing is watched yet."""
    async with api_of(proxy.kubeconfig, namespace) as api, _stopped(Watched(api, MODELS, lambda: None)) as watched:
        found = Following(watched, proxy, writes)
        await found.write("a")
        await watched.list()
        yield found


@asynccontextmanager
async def _stopped(watched: Watched) -> AsyncIterator[Watched]:
    try:
        yield watched
    finally:
        await watched.stop()


async def test_what_changed_between_the_list_and_the_watch_is_brought(following: Following) -> None:
    await following.write("a", "gs://new")
    await following.watched.follow()
    assert following.watched.up_to_date
    await following.shown({"a": "gs://new"})


async def test_a_watch_that_does_not_open_does_not_count_as_up_to_date(following: Following) -> None:
    following.proxy.faults.plan(watches, Fault(500), times=1000)
    await following.watched.follow()
    assert not following.watched.up_to_date


@pytest.mark.parametrize(
    "fault", [Fault(410, json.dumps(GONE)), Fault(200, event("ERROR", GONE))], ids=["answer", "event"]
)
async def test_a_watch_whose_place_is_too_old_begins_with_a_new_list(following: Following, fault: Fault) -> None:
    following.proxy.faults.plan(watches, fault)
    await following.watched.follow()
    await following.write("b")
    await following.shown({"a": "gs://m", "b": "gs://m"})
    assert following.lists == 2
    first, second = following.places
    assert int(first) < int(second)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(),
        Fault(200, "", cut=True),
        Fault(200, '{"type":"MODIFIED","object":{"metadata":{"name":"a","reso', cut=True),
        Fault(200, '{"type":"MODIFIED","object":{"metadata":{"name":"a","reso'),
        Fault(200, "<html>\n<body>Please sign in</body>\n</html>\n"),
        Fault(200, '{"type":"MODIFIED","object":null}\n'),
        Fault(200, '{"type":"MODIFIED","object":{}}\n'),
        Fault(200, '["MODIFIED"]\n'),
        Fault(200, event("ERROR", {"code": "none"})),
        Fault(200, "x" * 5_000_000),
        Fault(502, "<html>bad gateway</html>"),
    ],
    ids=[
        "dropped",
        "cut",
        "cut-in-event",
        "ended-in-event",
        "html",
        "null",
        "empty",
        "array",
        "odd-error",
        "endless",
        "502",
    ],
)
async def test_a_watch_that_breaks_is_begun_again_where_it_was(following: Following, fault: Fault) -> None:
    following.proxy.faults.plan(watches, fault)
    await following.watched.follow()
    await following.write("a", "gs://new")
    await following.shown({"a": "gs://new"})
    assert len(set(following.places)) == 1
    assert following.lists == 1


async def test_a_watch_that_ends_at_once_is_not_begun_again_at_once(following: Following) -> None:
    following.proxy.faults.plan(watches, Fault(200), times=1000)
    await following.watched.follow()
    await asyncio.sleep(0.7)
    assert len(following.places) <= 3
    assert not following.watched.up_to_date


async def test_a_silent_watch_is_given_up_and_begun_again(proxy: Proxy, writes: Writes, namespace: str) -> None:
    async with api_of(proxy.kubeconfig, namespace) as api:
        api.connection.stream_silence = 0.3
        async with _stopped(Watched(api, MODELS, lambda: None)) as watched:
            following = Following(watched, proxy, writes)
            await following.write("a")
            await watched.list()
            proxy.faults.plan(watches, Fault(200, silent=True))
            await watched.follow()
            await following.write("a", "gs://new")
            await until(lambda: following.uris == {"a": "gs://new"})


async def test_a_watch_goes_on_from_its_last_bookmark(following: Following) -> None:
    later = (await following.write("z"))["metadata"]["resourceVersion"]
    bookmark = event("BOOKMARK", {"kind": "Model", "metadata": {"resourceVersion": later}})
    following.proxy.faults.plan(watches, Fault(200, bookmark))
    await following.watched.follow()
    await until(lambda: len(following.places) == 2)
    assert following.places[1] == later
    assert following.uris == {"a": "gs://m"}, "a bookmark is no object"


async def test_an_event_of_an_object_as_large_as_can_be_is_brought(following: Following) -> None:
    await following.watched.follow()
    await following.write("a", "gs://" + "x" * 1_000_000)
    await until(lambda: len(following.uris["a"]) > 1_000_000)
    assert len(following.places) == 1


async def test_the_deletion_of_an_earlier_object_of_that_name_is_not_that_of_this_one(following: Following) -> None:
    old = following.watched.objects["a"]
    await following.other.api.delete(MODELS, "a")
    new = await following.write("a", "gs://new")
    following.watched._take_in(Event("ADDED", new))
    gone = {**old, "metadata": {**old["metadata"], "resourceVersion": "999999999"}}
    following.watched._take_in(Event("DELETED", gone))
    assert following.uris == {"a": "gs://new"}


async def test_an_own_write_is_known_at_once_and_older_events_do_not_undo_it(following: Following) -> None:
    await following.watched.follow()
    middle = await following.write("a", "gs://middle")
    await following.shown({"a": "gs://middle"})
    newest = json.loads(json.dumps(middle))
    newest["metadata"]["resourceVersion"] = str(int(middle["metadata"]["resourceVersion"]) + 1000)
    newest["spec"]["storageUri"] = "gs://ours"
    following.watched.wrote(newest)
    await following.write("a", "gs://between")
    await following.write("b")
    await until(lambda: "b" in following.uris)
    assert following.uris["a"] == "gs://ours"


async def test_the_late_answer_to_a_write_does_not_bring_back_what_is_gone(following: Following) -> None:
    await following.watched.follow()
    answer = await following.write("b")
    await following.other.api.delete(MODELS, "b")
    await following.write("c")
    await until(lambda: "c" in following.uris)
    following.watched.wrote(answer)
    assert "b" not in following.uris


async def test_a_list_that_is_older_than_the_open_watch_changes_nothing(following: Following) -> None:
    await following.watched.follow()
    old = await following.other.api.list(MODELS)
    await following.write("a", "gs://new")
    await following.shown({"a": "gs://new"})
    following.watched._api = _Lists(old)  # type: ignore[assignment]
    await following.watched.list()
    assert following.uris == {"a": "gs://new"}


async def test_what_a_list_has_overtaken_is_not_brought_again(following: Following) -> None:
    early = await following.write("b")
    await following.other.api.delete(MODELS, "b")
    await following.watched.list()
    following.watched._take_in(Event("ADDED", early))
    assert following.uris == {"a": "gs://m"}


class _Lists:
    def __init__(self, listed: object) -> None:
        self._listed = listed

    async def list(self, resource: Resource) -> object:
        return self._listed


async def test_after_a_foreign_change_one_object_is_read_and_the_watch_goes_on(following: Following) -> None:
    await following.watched.follow()
    await following.write("a", "gs://new")
    await following.watched.refresh("a")
    assert following.uris == {"a": "gs://new"}
    assert following.watched.up_to_date
    assert following.lists == 1


async def test_a_watch_that_does_not_bring_a_change_which_is_there_is_stopped(following: Following) -> None:
    following.proxy.faults.plan(watches, Fault(200, silent=True))
    await following.watched.follow()
    assert following.watched.up_to_date
    await following.write("a", "gs://new")
    await following.watched.refresh("a")
    assert not following.watched.up_to_date


async def test_a_watch_that_does_not_bring_a_deletion_is_stopped(following: Following) -> None:
    following.proxy.faults.plan(watches, Fault(200, silent=True))
    await following.watched.follow()
    await following.other.api.delete(MODELS, "a")
    await following.watched.refresh("a")
    assert not following.watched.up_to_date


async def test_a_watch_that_died_is_not_up_to_date_and_its_death_is_nobody_elses(
    proxy: Proxy, writes: Writes, namespace: str
) -> None:
    def broken() -> None:
        raise RuntimeError("nobody expected this")

    async with api_of(proxy.kubeconfig, namespace) as api:
        watched = Watched(api, MODELS, broken)
        following = Following(watched, proxy, writes)
        await following.write("a")
        await watched.list()
        await watched.follow()
        await following.write("b")
        await until(lambda: not watched.up_to_date)
        await watched.stop()


async def test_a_kind_that_the_cluster_has_not_is_not_looked_for_with_every_look(proxy: Proxy, namespace: str) -> None:
    absent = Resource("mlops.seldon.io", "v1alpha1", "nosuchthings", "NoSuchThing")
    async with api_of(proxy.kubeconfig, namespace) as api:
        watched = Watched(api, absent, lambda: None, optional=True)
        assert not watched.up_to_date
        await watched.list()
        assert (watched.objects, watched.up_to_date) == ({}, True)
        watched.expect()
        assert not watched.up_to_date, "a new pass looks again"


async def test_a_kind_that_goes_while_it_is_watched_is_let_go(following: Following) -> None:
    following.watched._optional = True
    following.proxy.faults.plan(lambda asked: True, Fault(404, "404 page not found"), times=1000)
    await following.watched.follow()
    await following.watched.list()
    await until(lambda: following.watched._task is None or following.watched._task.done())
    asked = len(following.proxy.faults.asked)
    await asyncio.sleep(0.7)
    assert len(following.proxy.faults.asked) == asked
    assert following.watched.objects == {}


async def test_an_api_without_faults_needs_one_list_and_one_watch(following: Following) -> None:
    await following.watched.follow()
    for number in range(5):
        await following.write(f"m{number}")
    await until(lambda: len(following.uris) == 6)
    assert (following.lists, len(following.places)) == (1, 1)


async def _nobody() -> Found:
    return Found(None)


async def test_a_write_that_came_upon_a_foreign_change_has_no_other_object_listed(
    proxy: Proxy, writes: Writes, namespace: str
) -> None:
    async with api_of(proxy.kubeconfig, namespace) as api:
        cluster = KubernetesCluster(api, Contact(_nobody))
        try:
            following = Following(cluster._models, proxy, writes)
            await writes.perform(ActionKind.LOAD, manifest("a"))
            await cluster.observe(await cluster.observe())
            lists = following.lists
            await _changed_in_between(cluster, writes)
            await cluster.observe(await cluster.observe())
            await cluster.perform(action(ActionKind.CHANGE, manifest("a", replicas=2)))
            assert (following.lists, len(following.places)) == (lists, 1)
        finally:
            await cluster.close()


async def _changed_in_between(cluster: KubernetesCluster, other: Writes) -> None:
    """Writes to a model as others do, until the change comes between a look at it and a write of ours."""
    for number in range(50):
        await other.api.merge(MODELS, "a", {"metadata": {"annotations": {"written": str(number)}}}, manager="other")
        try:
            await cluster.perform(action(ActionKind.CHANGE, manifest("a", replicas=1 + number % 2)))
        except Changed:
            return
    raise AssertionError("every event came before the answer to the write")
