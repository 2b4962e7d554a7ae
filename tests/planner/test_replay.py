"""The replay checker refuses plans that are unsafe; each is a good plan with one thing broken."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.model.live import LiveState
from reconciler.model.plan import Action, ActionKind, EdgeKind, Guards, Plan
from reconciler.planner.replay import violations
from tests.planner.case import live_state, planned, read_case

CASES = Path(__file__).parent / "cases"


def good(name: str) -> tuple[Plan, LiveState]:
    case = read_case(CASES / f"{name}.yaml")
    return planned(case), live_state(case["live"])


def broken(plan: Plan, change: Callable[[Action], Action | None]) -> Plan:
    actions = tuple(changed for action in plan.actions if (changed := change(action)) is not None)
    return dataclasses.replace(plan, actions=actions)


def without_edges(kind: EdgeKind, of: ActionKind) -> Callable[[Action], Action]:
    def change(action: Action) -> Action:
        if action.kind is not of:
            return action
        return dataclasses.replace(action, after=tuple(edge for edge in action.after if edge.kind is not kind))

    return change


@pytest.mark.parametrize("name", ["row11-beside", "row11-recreate", "memory-eight-updates", "server-grows"])
def test_a_good_plan_passes(name: str) -> None:
    assert violations(*good(name), Guards()) == ()


def test_a_load_that_does_not_wait_for_the_memory_it_takes_is_refused() -> None:
    plan, live = good("memory-unload-makes-room")
    found = violations(broken(plan, without_edges(EdgeKind.MEMORY, ActionKind.LOAD)), live, Guards())
    assert any("could find no place" in text for text in found)


def test_loads_in_flight_that_count_twice_are_refused_side_by_side() -> None:
    plan, live = good("memory-in-flight-counts-twice")
    found = violations(broken(plan, without_edges(EdgeKind.CHAIN, ActionKind.LOAD)), live, Guards())
    assert any("load small" in text and "could find no place" in text for text in found)


def test_a_shift_that_does_not_wait_for_its_load_is_refused() -> None:
    plan, live = good("row11-beside")
    found = violations(broken(plan, without_edges(EdgeKind.ROLLOUT, ActionKind.SHIFT)), live, Guards())
    assert any("not loaded" in text for text in found)


def test_a_load_that_supersedes_one_in_flight_is_refused() -> None:
    plan, live = good("row07-rollout-to-another-version")

    def change(action: Action) -> Action:
        new = action.kind is ActionKind.LOAD and action.number is None
        return dataclasses.replace(action, after=()) if new else action

    found = violations(broken(plan, change), live, Guards())
    assert any("supersedes a load in flight" in text for text in found)


def test_an_unload_of_the_serving_version_is_refused() -> None:
    plan, live = good("row11-beside")
    found = violations(broken(plan, without_edges(EdgeKind.ROLLOUT, ActionKind.DRAIN)), live, Guards())
    assert any("takes iris off the air" in text for text in found)


def test_a_load_on_a_server_that_is_not_up_yet_is_refused() -> None:
    plan, live = good("row04-load-on-a-new-server")
    found = violations(broken(plan, without_edges(EdgeKind.SERVER, ActionKind.LOAD)), live, Guards())
    assert any("could find no place" in text for text in found)


def test_a_server_that_goes_before_the_models_on_it_is_refused() -> None:
    plan, live = good("server-deleted")
    found = violations(broken(plan, without_edges(EdgeKind.SERVER, ActionKind.DELETE_SERVER)), live, Guards())
    assert any("strands iris" in text for text in found)


def test_a_server_that_shrinks_under_its_models_is_refused() -> None:
    plan, live = good("server-shrink-after-decommission")
    found = violations(broken(plan, without_edges(EdgeKind.SERVER, ActionKind.SHRINK_SERVER)), live, Guards())
    assert any("strands" in text for text in found)


def test_an_edge_to_an_action_that_is_not_there_is_refused() -> None:
    plan, live = good("row11-beside")
    found = violations(broken(plan, lambda a: None if a.kind is ActionKind.SHIFT else a), live, Guards())
    assert any("does not come before it" in text for text in found)


def test_an_edge_without_a_reason_is_refused() -> None:
    plan, live = good("memory-eight-updates")

    def change(action: Action) -> Action:
        after = tuple(
            dataclasses.replace(edge, kind=EdgeKind.ROLLOUT) if edge.kind is EdgeKind.CHAIN else edge
            for edge in action.after
        )
        return dataclasses.replace(action, after=after)

    assert any("waits for the rollout of" in text for text in violations(broken(plan, change), live, Guards()))


def test_a_plan_that_frees_room_only_if_every_load_succeeds_is_refused() -> None:
    """With a chain in place of the memory edge, the load would still run after its predecessor failed."""
    plan, live = good("row11-beside")

    def change(action: Action) -> Action:
        if action.kind is not ActionKind.SHIFT:
            return action
        after = tuple(dataclasses.replace(edge, kind=EdgeKind.CHAIN) for edge in action.after)
        return dataclasses.replace(action, after=after)

    assert any("not loaded" in text for text in violations(broken(plan, change), live, Guards()))
