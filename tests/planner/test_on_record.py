"""A stepped rollout stays on record until nothing is half way any more, whatever the way there."""

from pathlib import Path

import pytest

from reconciler.model.live import Rollout
from reconciler.model.plan import Action, ActionKind, Guards, Plan
from reconciler.model.records import records
from reconciler.planner import plan_unfinished
from tests.planner.case import NOW, live_state, planned, read_case

CASES = Path(__file__).parent / "cases"


def written(plan: Plan) -> list[Rollout | None]:
    """What the actions that write the object keep there, in their order."""
    kinds = (ActionKind.CHANGE, ActionKind.LOAD, ActionKind.RETRIGGER)
    return [_kept(action) for action in plan.actions if action.kind in kinds]


def _kept(action: Action) -> Rollout | None:
    assert action.model is not None
    return records(dict(action.model.annotations)).rollout


@pytest.mark.parametrize(
    "name",
    [
        "row11-stepped",
        "row11-stepped-ended-after-the-shrink",
        "row11-stepped-then-one-that-fits-beside",
        "row06-stepped-load-in-flight",
    ],
)
def test_it_is_kept_until_the_last_write_of_the_object(name: str) -> None:
    *earlier, last = written(planned(read_case(CASES / f"{name}.yaml")))
    assert earlier
    assert all(rollout is not None and rollout.replicas == 2 for rollout in earlier)
    assert last is None


def test_without_a_valid_commit_it_is_kept_as_well() -> None:
    live = live_state(read_case(CASES / "row06-stepped-load-in-flight.yaml")["live"])
    *earlier, last = written(plan_unfinished(live, Guards()))
    assert earlier
    assert last is None


def test_what_to_return_to_is_never_a_count_that_we_lowered() -> None:
    case = read_case(CASES / "row06-stepped-load-in-flight.yaml")
    case["desired"][1]["spec"]["storageUri"] = "artifacts/v3"
    kept = [rollout for rollout in written(planned(case)) if rollout is not None]
    assert [rollout.replicas for rollout in kept] == [2, 2]
    assert kept[-1].previous.storage_uri == "artifacts/v2"


def test_a_way_back_is_followed_by_another_try_at_once_but_not_where_it_finds_no_room() -> None:
    case = read_case(CASES / "row09-stepped-way-back-before-another-try.yaml")
    assert planned(case).next_step_at == NOW
    spec = {"storageUri": "artifacts/v1", "requirements": ["sklearn"], "memory": "500k"}
    taken = {"owner": None, "spec": spec, "versions": {1: {"replicas": {1: "Available"}}}, "route": {1: 1}}
    case["live"]["models"]["other"] = taken
    plan = planned(case)
    assert plan.actions == ()
    assert plan.next_step_at is None
