"""Who asks for what is live gets what was looked at after the question, and those who ask at once share one look."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from reconciler.clusters.base import Cluster
from reconciler.executor.view import View
from reconciler.model.live import LiveState


class Slow:
    """A cluster that takes its time; `observed_at` counts the looks as they begin."""

    def __init__(self) -> None:
        self.looks = 0
        self.go = asyncio.Event()

    async def observe(self, newer_than: LiveState | None = None) -> LiveState:
        self.looks += 1
        look = self.looks
        await self.go.wait()
        return LiveState(float(look))


async def _asked(view: View) -> asyncio.Task[LiveState]:
    task = asyncio.create_task(view.fresh(oldest=0))
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_those_who_ask_while_a_look_is_under_way_share_the_next_one() -> None:
    cluster = Slow()
    view = View(cast(Cluster, cast(Any, cluster)))
    first = await _asked(view)
    later = [await _asked(view) for _ in range(5)]
    cluster.go.set()
    assert (await first).observed_at == 1
    assert [state.observed_at for state in await asyncio.gather(*later)] == [2] * 5
    assert cluster.looks == 2


async def test_a_look_that_began_before_the_question_does_not_answer_it() -> None:
    cluster = Slow()
    view = View(cast(Cluster, cast(Any, cluster)))
    cluster.go.set()
    assert [(await view.fresh(oldest=0)).observed_at for _ in range(3)] == [1, 2, 3]
