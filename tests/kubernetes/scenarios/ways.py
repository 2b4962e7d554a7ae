"""The two ways of a scenario: plainly, by kubectl; and ours, by commits to a Git repository that `run` reconciles."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.simulate.history import Answerer, History, ModelHistory, Stretch
from tests.kubernetes.scenarios.audience import Answer
from tests.kubernetes.scenarios.process import Checkout, Daemon
from tests.kubernetes.scenarios.stage import Stage
from tests.recordings.operations import Operation
from tests.recordings.scripts import Manifests, Script

Json = dict[str, Any]

WAITING = frozenset({"blocked", "refuse", "hold", "wait"})
"""Verbs of decisions that something is still waited for."""

PATIENCE = 120.0
"""Simulated seconds after the last commit for which something that waits is waited for."""


@dataclass(frozen=True)
class Outcome:
    """One way of a scenario, played.

    Attributes:
        history: who answered. lost: requests that nobody answered though the model had answered before, by model.
        sizes: per Server, the `spec.replicas` that it had, one after the other.
        reports: those of our passes, as JSON; empty when it was done plainly.
        seconds: simulated, from the last commit until our pass found nothing more to do; None when it always did.
    """

    history: History
    lost: Mapping[str, int]
    sizes: Mapping[str, Sequence[int]]
    reports: tuple[Json, ...] = ()
    seconds: float | None = None

    @property
    def waited_for(self) -> list[Json]:
        """The decisions of all passes that something was waited for."""
        return [decision for report in self.reports for decision in waiting(report)]

    @property
    def open(self) -> list[Json]:
        """The decisions of the last pass that something is still waited for."""
        return waiting(self.reports[-1]) if self.reports else []


def waiting(report: Json) -> list[Json]:
    """Returns the decisions of a report that something is waited for."""
    return [decision for decision in report["decisions"] if decision["verb"] in WAITING]


async def plainly(stage: Stage) -> Outcome:
    """Does what the script does plainly, and waits until nothing changes any more."""
    stage.begin()
    for at, operation in heapq.merge(stage.script.plain, stage.script.incidents, key=lambda one: one[0]):
        await stage.until(at)
        await stage.perform(operation)
    await stage.quiet()
    await stage.audience.asked_again()
    return _outcome(stage)


async def ours(stage: Stage, folder: Path) -> Outcome:
    """Commits what the script commits while `run` reconciles, and waits until that has nothing more to do.

    Args:
        folder: an empty one, for the repository and the cache.
    """
    checkout = Checkout(folder / "repository")
    happenings: list[tuple[float, Operation | Manifests]] = [*stage.script.commits, *stage.script.incidents]
    happenings.sort(key=lambda one: one[0])
    checkout.commit(stage.script.first)
    if stage.broken:  # a pass would mend it before anything happens
        stage.begin()
        await _happen(stage, checkout, happenings.pop(0))
    async with Daemon(stage, checkout, folder) as daemon:
        await daemon.reported(checkout.head)
        if not stage.broken:
            stage.begin()
        for happening in happenings:
            await _happen(stage, checkout, happening)
        seconds = await _over(stage, daemon, checkout)
        await stage.audience.asked_again()
        return _outcome(stage, tuple(daemon.reports), seconds)


async def _happen(stage: Stage, checkout: Checkout, happening: tuple[float, Operation | Manifests]) -> None:
    at, what = happening
    await stage.until(at)
    if isinstance(what, Manifests):
        await asyncio.to_thread(checkout.commit, what)
    else:
        await stage.perform(what)


async def _over(stage: Stage, daemon: Daemon, checkout: Checkout) -> float | None:
    """Waits until the last pass left nothing to do; returns how long after the last commit that was."""
    last = stage.script.commits[-1][0]
    while stage.now < max(stage.script.seconds, last) + PATIENCE:
        await daemon.reported(checkout.head)
        latest = daemon.reports[-1]
        done = not latest["actions"] and not waiting(latest)
        if done or latest["commit"]["hash"] != checkout.head:
            await stage.quiet()
        if done and daemon.reports[-1] is latest and stage.now >= stage.script.seconds - 1:
            return max(daemon.times[-1] - last, 0.0)
        await asyncio.sleep(0.2)
    return None


def _outcome(stage: Stage, reports: tuple[Json, ...] = (), seconds: float | None = None) -> Outcome:
    models = {name: _history(stage, name, answers) for name, answers in stage.audience.seen.items()}
    lost = {name: sum(stretch.off for stretch in model.at_risk) for name, model in models.items()}
    history = History(tuple(models.values()), (), stage.now, seconds)
    return Outcome(history, {name: count for name, count in lost.items() if count}, stage.sizes, reports, seconds)


def _history(stage: Stage, name: str, answers: list[Answer]) -> ModelHistory:
    """One stretch per request, from it to the next."""
    times = [answer.at - stage.began for answer in answers]
    stretches = tuple(
        Stretch(
            at,
            end,
            ((Answerer(answer.who.partition("@")[0]), 1.0),) if answer.who else (),
            _wanted(stage.script, name, at),
        )
        for answer, at, end in zip(answers, times, [*times[1:], times[-1]], strict=True)
    )
    return ModelHistory(name, stretches)


def _wanted(script: Script, name: str, at: float) -> bool:
    manifests = script.first
    for when, then in script.commits:
        if when <= at:
            manifests = then
    return f"Model/{name}" in manifests.objects
