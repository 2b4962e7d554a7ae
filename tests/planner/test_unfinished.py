"""A commit that is not valid changes nothing, but what was under way is finished."""

from pathlib import Path

import pytest

from reconciler.model.plan import Guards
from reconciler.planner import plan_unfinished
from tests.planner.case import live_state, read_case

CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("row06-load-in-flight", ["load", "shift", "drain", "unload"]),
        ("row06-shifted-not-unloaded", ["drain", "unload"]),
        ("row06-stepped-load-in-flight", ["load", "shift", "drain", "unload", "change"]),
        ("row11-stepped-ended-after-the-shrink", ["change"]),
        ("row09-stepped-way-back-while-unloading", ["drain", "unload", "change"]),
        ("row09-stepped-way-back-on-seldon", ["probe", "load", "shift", "drain", "unload", "change"]),
        ("row11-beside", []),
        ("row16-decommission", []),
        ("row09-held", []),
        ("row03-being-deleted-and-ours", []),
    ],
)
def test_only_rollouts_under_way_are_finished(name: str, kinds: list[str]) -> None:
    plan = plan_unfinished(live_state(read_case(CASES / f"{name}.yaml")["live"]), Guards())
    assert [action.kind for action in plan.actions] == kinds


def test_what_another_instance_began_is_left_alone() -> None:
    live = live_state(read_case(CASES / "row06-load-in-flight.yaml")["live"])
    assert plan_unfinished(live, Guards(instance="team-b")).actions == ()
