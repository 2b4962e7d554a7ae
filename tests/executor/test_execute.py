"""What becomes of plans that are executed on a cluster in memory, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.errors import PlanUnsafe
from reconciler.executor import execute
from reconciler.model.live import Failure
from reconciler.model.manifests import Parameter, Strategy
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, ActionKind, EdgeKind, Plan
from tests.executor.fake_cluster import FakeCluster
from tests.executor.plans import action, load, model, needs, plan, rollout
from tests.executor.virtual_time import now, run


def executed(the_plan: Plan, cluster: FakeCluster, wait_timeout: float | None = None) -> dict[str, Outcome]:
    async def story() -> tuple[Outcome, ...]:
        return await execute(the_plan, cluster, on_outcome=lambda _: None, clock=now, wait_timeout=wait_timeout)

    return {outcome.action: outcome for outcome in run(story())}


def statuses(outcomes: dict[str, Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes.values()]


def serving(cluster: FakeCluster, *actions: Action) -> FakeCluster:
    for each in actions:
        cluster.serve(each.subject, each)
    return cluster


def test_a_rollout_loads_shifts_drains_and_unloads_in_that_order() -> None:
    old, new = model("iris", "1"), model("iris", "2")
    steps = rollout(old, new)
    cluster = serving(FakeCluster(), load(old))
    assert statuses(executed(plan(*steps), cluster)) == [Status.DONE] * 4
    assert [name.split(":")[0] for name in cluster.performed] == ["load", "shift", "unload"]
    assert [v.number for v in cluster.models["iris"].versions] == [2]


def test_a_failed_load_stops_its_rollout_and_nothing_else() -> None:
    old, new, other = model("iris", "1"), model("iris", "2"), load(model("wine"))
    cluster = serving(FakeCluster(fail_load={"iris": "cannot unpickle"}), load(old))
    outcomes = executed(plan(*rollout(old, new), other), cluster)
    assert statuses(outcomes) == [Status.FAILED, Status.NOT_RUN, Status.NOT_RUN, Status.NOT_RUN, Status.DONE]
    texts = [outcome.detail for outcome in outcomes.values()]
    assert texts[:2] == ["cannot unpickle", "needs the load of iris, which failed"]
    assert cluster.models["iris"].route == ((1, 100),)


@pytest.mark.parametrize("kind", [EdgeKind.ROLLOUT, EdgeKind.MEMORY, EdgeKind.SERVER])
def test_an_action_that_needs_a_failed_one_is_not_run(kind: EdgeKind) -> None:
    first = load(model("a"))
    second = load(model("b"), needs(first, kind))
    assert statuses(executed(plan(first, second), FakeCluster(refuse={"a": "no"}))) == [Status.FAILED, Status.NOT_RUN]


def test_a_chained_action_runs_once_the_other_is_over_however_it_ended() -> None:
    first = load(model("a"))
    second = load(model("b"), needs(first, EdgeKind.CHAIN))
    cluster = FakeCluster(fail_load={"a": "broken"})
    outcomes = executed(plan(first, second), cluster)
    assert statuses(outcomes) == [Status.FAILED, Status.DONE]
    ended, began = outcomes[first.id].ended, cluster.began_at[second.id]
    assert ended is not None
    assert began >= ended


def test_independent_loads_run_side_by_side() -> None:
    loads = [load(model(name)) for name in ("a", "b", "c")]
    cluster = FakeCluster(load_seconds=100)
    outcomes = executed(plan(*loads), cluster)
    assert max(cluster.began_at.values()) < min(outcome.ended or 0 for outcome in outcomes.values())


def test_executing_a_plan_again_performs_nothing() -> None:
    old, new = model("iris", "1"), model("iris", "2")
    cluster = serving(FakeCluster(), load(old))
    the_plan = plan(*rollout(old, new))
    executed(the_plan, cluster)
    before = list(cluster.performed)
    assert statuses(executed(the_plan, cluster)) == [Status.DONE] * 4
    assert cluster.performed == before


def test_a_cluster_that_does_not_answer_is_asked_again() -> None:
    first = load(model("a"))
    cluster = FakeCluster(silent_performs=3)
    assert statuses(executed(plan(first), cluster)) == [Status.DONE]


def test_observing_is_tried_again_until_the_cluster_answers() -> None:
    first = load(model("a"))
    cluster = FakeCluster(silent_until=1_000_040.0)
    assert statuses(executed(plan(first), cluster)) == [Status.DONE]


def test_a_cluster_that_never_answers_fails_the_action_at_its_time_limit() -> None:
    first = load(model("a"), limit=30)
    outcome = executed(plan(first), FakeCluster(silent_until=float("inf")))[first.id]
    assert (outcome.status, outcome.detail) == (
        Status.FAILED,
        "could not be started within 30s (the cluster cannot be observed: no answer to observe)",
    )


def test_a_cluster_that_may_not_be_observed_fails_everything_at_once() -> None:
    loads = [load(model(name)) for name in ("a", "b")]
    outcomes = executed(plan(*loads), FakeCluster(broken="403"))
    assert statuses(outcomes) == [Status.FAILED, Status.FAILED]
    assert outcomes[loads[0].id].detail == "may not be observed: 403"


def test_a_refused_action_is_not_tried_again() -> None:
    first = load(model("a"))
    cluster = FakeCluster(refuse={"a": "no room"})
    outcome = executed(plan(first), cluster)[first.id]
    assert (outcome.status, outcome.detail) == (Status.FAILED, "the cluster says no: no room")
    assert cluster.performed == []
    assert cluster.records == []


def test_a_load_beyond_its_time_limit_failed_and_is_on_record() -> None:
    first = load(model("a"), limit=30)
    cluster = FakeCluster(load_seconds=1000)
    outcome = executed(plan(first), cluster)[first.id]
    assert (outcome.status, outcome.detail) == (Status.FAILED, "not done within 30s: 0 of 1 replica available")
    [(name, failure)] = cluster.records
    assert failure is not None
    assert (name, failure.count, failure.digest) == ("a", 1, first.digest)


def test_draining_goes_on_at_its_time_limit_and_says_what_was_cut_off() -> None:
    old, new = model("iris", "1"), model("iris", "2")
    steps = rollout(old, new, drain_limit=5)
    outcomes = executed(plan(*steps), serving(FakeCluster(in_flight=3), load(old)))
    assert statuses(outcomes) == [Status.DONE] * 4
    assert outcomes[steps[2].id].detail == "went on after 5s with 3 requests in flight"


def test_a_version_that_still_carries_traffic_is_neither_drained_nor_unloaded() -> None:
    old = model("iris", "1")
    drain = action(ActionKind.DRAIN, old, limit=5, number=1)
    unload = action(ActionKind.UNLOAD, old, needs(drain), number=1)
    cluster = serving(FakeCluster(), load(old))
    outcomes = executed(plan(drain, unload), cluster)
    assert outcomes[unload.id].status is Status.NOT_RUN
    assert "carries traffic" in outcomes[unload.id].detail
    assert cluster.performed == []


def test_a_failed_load_is_kept_on_record_and_counted() -> None:
    first = load(model("a", retry="again"))
    cluster = FakeCluster(fail_load={"a": "broken"})
    executed(plan(first), cluster)
    executed(plan(first), cluster)
    failures = [failure for _, failure in cluster.records if failure is not None]
    assert [failure.count for failure in failures] == [1, 2]
    assert (failures[0].why, failures[0].retry) == ("broken", "again")


def test_the_record_of_a_failed_load_holds_no_secret() -> None:
    asked = model("a")
    spec = replace(asked.spec, parameters=(Parameter("api_key", "0pen-sesame"),))
    told = "cannot fetch https://me:hunter22@example.org/m with token=abcd1234; 0pen-sesame was refused"
    cluster = FakeCluster(fail_load={"a": told})
    executed(plan(load(replace(asked, spec=spec))), cluster)
    [failure] = [failure for _, failure in cluster.records if failure is not None]
    assert failure.why == "cannot fetch https://***@example.org/m with token=***; *** was refused"


def test_a_load_that_succeeds_clears_the_record() -> None:
    first = load(model("a"))
    cluster = FakeCluster(fail_load={"a": "broken"})
    executed(plan(first), cluster)
    cluster.fail_load.clear()
    assert statuses(executed(plan(first), cluster)) == [Status.DONE]
    assert cluster.records[-1] == ("a", None)


def test_an_old_failure_that_is_still_shown_is_not_taken_for_a_new_one() -> None:
    first = load(model("a"))

    class Slow(FakeCluster):
        """Shows the failed version for two more seconds after the load was taken in."""

        async def perform(self, action: Action) -> None:
            asyncio.get_running_loop().call_later(2, self._load, action)

    cluster = Slow(fail_load={"a": "broken"})
    executed(plan(first), cluster)
    cluster.fail_load.clear()
    assert statuses(executed(plan(first), cluster)) == [Status.DONE]


def test_a_load_without_room_is_not_run_and_nothing_is_written() -> None:
    first = load(model("a", memory=2_000_000))
    cluster = FakeCluster()
    outcome = executed(plan(first), cluster)[first.id]
    assert outcome.status is Status.NOT_RUN
    assert outcome.detail == "needs 2M on 1 replica of one server; there is room on mlserver on 0"
    assert (cluster.performed, cluster.records) == ([], [])


def interrupted(the_plan: Plan, cluster: FakeCluster, after: Callable[[Outcome], bool]) -> dict[str, Outcome]:
    async def story() -> tuple[Outcome, ...]:
        stop = asyncio.Event()

        def watch(outcome: Outcome) -> None:
            if after(outcome):
                stop.set()

        began = now()
        outcomes = await execute(the_plan, cluster, on_outcome=watch, clock=now, stop=stop)
        assert now() - began < 10
        return outcomes

    return {outcome.action: outcome for outcome in run(story())}


def test_a_stop_interrupts_what_runs_and_starts_nothing_new() -> None:
    first = load(model("a"))
    second = load(model("b"), needs(first))
    cluster = FakeCluster(load_seconds=1000)
    outcomes = interrupted(plan(first, second), cluster, lambda outcome: "0 of 1" in outcome.detail)
    assert statuses(outcomes) == [Status.INTERRUPTED, Status.NOT_RUN]
    assert outcomes[second.id].detail == "stopped on request before it began"
    assert cluster.performed == [first.id]


def test_a_stop_before_the_start_runs_nothing() -> None:
    first = load(model("a"))
    cluster = FakeCluster()

    async def story() -> tuple[Outcome, ...]:
        stop = asyncio.Event()
        stop.set()
        return await execute(plan(first), cluster, on_outcome=lambda _: None, clock=now, stop=stop)

    assert [outcome.status for outcome in run(story())] == [Status.NOT_RUN]
    assert cluster.performed == []


def test_the_time_to_wait_bounds_the_whole_plan() -> None:
    first = load(model("a"))
    outcome = executed(plan(first), FakeCluster(hang={first.id}), wait_timeout=20)[first.id]
    assert outcome.status is Status.INTERRUPTED
    assert outcome.detail == "the time to wait was over; was waiting: not taken in yet"


def test_the_next_pass_finishes_what_an_interrupted_one_began() -> None:
    old, new = model("iris", "1"), model("iris", "2")
    the_plan = plan(*rollout(old, new))
    cluster = serving(FakeCluster(), load(old))
    interrupted(the_plan, cluster, lambda outcome: "0 of 1" in outcome.detail)
    assert statuses(executed(the_plan, cluster)) == [Status.DONE] * 4
    assert [v.number for v in cluster.models["iris"].versions] == [2]


def test_cancelling_leaves_no_task_behind_and_closes_every_outcome() -> None:
    first = load(model("a"))
    heard: list[Outcome] = []

    async def story() -> None:
        cluster = FakeCluster(load_seconds=1000)
        task = asyncio.create_task(execute(plan(first), cluster, on_outcome=heard.append, clock=now))
        await asyncio.sleep(5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(story())
    assert heard[-1].status is Status.INTERRUPTED


def test_every_change_is_told_and_the_last_word_is_the_outcome() -> None:
    first = load(model("a"))
    heard: list[Outcome] = []

    async def story() -> tuple[Outcome, ...]:
        return await execute(plan(first), FakeCluster(), on_outcome=heard.append, clock=now)

    [final] = run(story())
    assert heard[0].status is Status.RUNNING
    assert heard[-1] == final
    assert final.started is not None
    assert final.ended is not None
    assert final.ended >= final.started


def test_an_error_that_is_nobodys_failure_is_not_hidden() -> None:
    class Buggy(FakeCluster):
        async def perform(self, action: Action) -> None:
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        executed(plan(load(model("a"))), Buggy())
    assert caught.group_contains(ZeroDivisionError)


def test_a_plan_whose_order_breaks_its_edges_is_refused() -> None:
    first = load(model("a"))
    second = load(model("b"), needs(first))
    with pytest.raises(PlanUnsafe):
        executed(plan(second, first), FakeCluster())


def test_a_failure_of_another_version_starts_the_count_anew() -> None:
    cluster = FakeCluster(fail_load={"a": "broken"})
    executed(plan(load(model("a", "1"))), cluster)
    executed(plan(load(model("a", "2"))), cluster)
    counts = [failure.count for _, failure in cluster.records if isinstance(failure, Failure)]
    assert counts == [1, 1]


def test_a_failure_that_cannot_be_kept_on_record_is_said() -> None:
    first = load(model("a"))
    outcome = executed(plan(first), FakeCluster(fail_load={"a": "broken"}, unwritable="403"))[first.id]
    note = "(the record of failures could not be written: the annotation was refused: 403)"
    assert (outcome.status, outcome.detail) == (Status.FAILED, f"broken {note}")


@pytest.mark.parametrize("recreate", [False, True])
@pytest.mark.parametrize("news", range(9))
def test_a_pass_ended_anywhere_is_finished_by_the_next(news: int, recreate: bool) -> None:
    strategy = Strategy.RECREATE if recreate else Strategy.ROLLING
    old, new = model("iris", "1", strategy=strategy), model("iris", "2", strategy=strategy)
    first, shift, drain, unload = rollout(old, new)
    steps = (first, shift, drain, unload)
    if recreate:
        drain, unload = replace(drain, after=()), replace(unload, after=(needs(drain),))
        steps = (drain, unload, replace(first, after=(needs(unload),)), shift)
    cluster = serving(FakeCluster(), load(old))
    heard: list[Outcome] = []

    def enough(outcome: Outcome) -> bool:
        heard.append(outcome)
        return len(heard) > news

    interrupted(plan(*steps), cluster, enough)
    assert statuses(executed(plan(*steps), cluster)) == [Status.DONE] * 4
    [version] = cluster.models["iris"].versions
    assert version.digest == new.spec.digest
    assert cluster.models["iris"].route == ((version.number, 100),)
