"""A pass is followed at once by another one while its outcome calls for it, each with a report of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from reconciler.errors import ManifestsInvalid, Problem
from reconciler.journal import Journal, Sinks
from reconciler.model.live import ReplicaState, VersionState
from reconciler.model.manifests import DesiredState
from reconciler.model.outcome import Status
from reconciler.model.plan import Guards
from reconciler.reconcile import reconcile
from reconciler.reports.report import Context, Report, Verdict
from reconciler.terms import Terms
from tests.cli.test_journal import Listener
from tests.executor.fake_cluster import FakeCluster
from tests.executor.plans import load, model
from tests.executor.virtual_time import now

GROWN = ["load iris"]
ROLLED_OUT = ["load iris", "shift iris", "drain iris", "unload iris"]


class Reader(Listener):
    """Keeps the reports of all passes, as they ended."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[Report] = []

    def end(self, report: Report) -> None:
        self.reports.append(report)

    @property
    def did(self) -> list[list[str]]:
        """Kind and subject of the actions of each pass."""
        return [[f"{action.kind} {action.subject}" for action in report.actions] for report in self.reports]


def still_growing() -> FakeCluster:
    """Serves version 1 of `iris`, of whose two replicas one is still loading."""
    cluster = FakeCluster(load_seconds=0.05)
    cluster.serve("iris", load(model("iris", "1", replicas=2)))
    found = cluster.models["iris"]
    replicas = ((0, ReplicaState.AVAILABLE), (1, ReplicaState.LOADING))
    growing = replace(found.versions[0], state=VersionState.PROGRESSING, replicas=replicas)
    cluster.models["iris"] = replace(found, versions=(growing,))
    cluster.ready_at["iris"] = now() + 0.2
    return cluster


async def passes(cluster: FakeCluster, *wanted: str, most: int = 4, stopped: bool = False) -> Reader:
    """Reconciles until `iris` is at one of the versions `wanted`: an empty name is a commit that is not valid."""
    reader, stop = Reader(), asyncio.Event()
    if stopped:
        stop.set()

    async def source() -> DesiredState:
        if not wanted:
            raise ManifestsInvalid((Problem("a.yaml", 1, "spec", "bad", "rule", "fix"),))
        return DesiredState("c1", (model("iris", wanted[0], replicas=2),), ())

    def journal() -> Journal:
        return Journal(lambda: Context("default", "fake", 1000.0, commit="c1"), Sinks(), reader)

    last = await reconcile(source, cluster, Guards(), journal, Terms("a test", passes=most), stop)
    assert last == reader.reports[-1]
    return reader


async def test_what_is_due_by_the_end_of_a_pass_is_done_by_the_next_at_once() -> None:
    reader = await passes(still_growing(), "2")
    assert reader.did == [GROWN, ROLLED_OUT]
    assert all(action.outcome.status is Status.DONE for report in reader.reports for action in report.actions)


async def test_a_saved_plan_is_followed_by_nothing_and_says_that_a_step_is_due() -> None:
    reader = await passes(still_growing(), "2", most=1)
    assert reader.did == [GROWN]
    assert reader.reports[0].next_step_at is not None


async def test_what_was_tried_in_vain_is_left_to_the_next_run() -> None:
    cluster = still_growing()
    cluster.refuse["iris"] = "not today"
    reader = await passes(cluster, "2")
    assert len(reader.reports) == 1


async def test_a_version_held_back_leaves_nothing_to_follow() -> None:
    cluster = FakeCluster(load_seconds=0.05, fail_load={"iris": "broken"})
    cluster.serve("iris", load(model("iris", "1", replicas=2)))
    reader = await passes(cluster, "2")
    assert [report.verdict for report in reader.reports] == [Verdict.INCOMPLETE]


async def test_a_pass_told_to_end_is_followed_by_nothing() -> None:
    reader = await passes(still_growing(), "2", stopped=True)
    assert [report.verdict for report in reader.reports] == [Verdict.INCOMPLETE]


async def test_an_invalid_commit_is_told_when_what_was_under_way_is_finished() -> None:
    with pytest.raises(ManifestsInvalid):
        await passes(still_growing())
