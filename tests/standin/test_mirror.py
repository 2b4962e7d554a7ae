"""The stand-in sees everything that happens to objects, whatever becomes of its watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import pytest

from tests.standin.api import ApiError, ApiServer, Event, Json
from tests.standin.mirror import Mirror


def thing(name: str, version: int, uid: str = "1") -> Json:
    return {"kind": "Model", "metadata": {"name": name, "uid": uid, "resourceVersion": str(version)}}


class Script:
    """An API server that lists and watches as it is told: one entry of each per call; then nothing happens any more."""

    def __init__(self, lists: list[list[Json]], watches: list[list[Any]]) -> None:
        self.lists, self.watches = lists, watches
        self.since: list[str] = []

    async def list(self, kind: str) -> Json:
        found = self.lists.pop(0)
        return {"items": found, "metadata": {"resourceVersion": str(100 - len(self.lists))}}

    async def watch(self, kind: str, since: str) -> AsyncIterator[Event]:
        self.since.append(since)
        steps: list[Any] = self.watches.pop(0) if self.watches else [None]
        for step in steps:
            if step is None:
                await asyncio.Event().wait()
            if isinstance(step, Exception):
                raise step
            yield step


async def told(script: Script, until: int) -> list[str]:
    """Returns what the mirror tells of, until it has told so much."""
    said: list[str] = []
    mirror = Mirror(
        cast(ApiServer, script),
        ("Model",),
        lambda ref, found: said.append(f"seen {ref} {found['metadata']['resourceVersion']}"),
        lambda ref, found: said.append(f"gone {ref} {found['metadata']['resourceVersion']}"),
        again_after=0.01,
    )
    following = asyncio.create_task(mirror.follow(await mirror.begin()))
    async with asyncio.timeout(10):
        while len(said) < until:
            await asyncio.sleep(0.005)
    following.cancel()
    return said


async def test_a_watch_that_ends_goes_on_where_it_was() -> None:
    script = Script([[thing("a", 1)]], [[Event("MODIFIED", thing("a", 2))], [Event("DELETED", thing("a", 3))]])
    assert await told(script, 3) == ["seen Model/a 1", "seen Model/a 2", "gone Model/a 2"]
    assert script.since[:2] == ["100", "2"]


@pytest.mark.parametrize("error", [aiohttp.ClientConnectionError(), TimeoutError(), ConnectionResetError()])
async def test_a_watch_whose_connection_breaks_goes_on_where_it_was(error: Exception) -> None:
    script = Script([[]], [[Event("ADDED", thing("a", 1)), error], [Event("ADDED", thing("b", 2))]])
    assert await told(script, 2) == ["seen Model/a 1", "seen Model/b 2"]


async def test_a_watch_that_is_too_old_begins_with_what_is_there_now() -> None:
    lists = [[thing("a", 1), thing("b", 2)], [thing("b", 2), thing("c", 5), thing("d", 4)]]
    script = Script(lists, [[ApiError(410, "too old")]])
    assert (await told(script, 5))[2:] == ["gone Model/a 1", "seen Model/d 4", "seen Model/c 5"]


async def test_another_object_of_the_same_name_is_told_as_such() -> None:
    script = Script([[thing("a", 1)], [thing("a", 9, uid="2")]], [[ApiError(410, "too old")]])
    assert (await told(script, 3))[1:] == ["gone Model/a 1", "seen Model/a 9"]


async def test_a_bookmark_only_moves_the_watch_on() -> None:
    bookmark = {"kind": "Model", "metadata": {"resourceVersion": "50"}}
    script = Script([[]], [[Event("BOOKMARK", bookmark)], [Event("ADDED", thing("a", 51))]])
    assert await told(script, 1) == ["seen Model/a 51"]
    assert script.since[:2] == ["100", "50"]
