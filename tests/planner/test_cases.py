"""Every case file: this desired state on that live state gives this plan, and the same with its inputs shuffled."""

import dataclasses
import random
from pathlib import Path

import pytest

from reconciler.planner import plan
from tests.planner.case import desired_state, guards, live_state, plan_text, planned, read_case

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
by_name = pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])


@by_name
def test_a_case_gives_its_plan(path: Path) -> None:
    case = read_case(path)
    assert plan_text(case) == case["plan"]


@by_name
def test_shuffled_inputs_give_the_same_plan(path: Path) -> None:
    case = read_case(path)
    expected = planned(case)
    for seed in range(3):
        chance = random.Random(seed)
        desired, live = desired_state(case.get("desired", [])), live_state(case.get("live", {}))
        desired = dataclasses.replace(
            desired,
            models=tuple(chance.sample(desired.models, len(desired.models))),
            servers=tuple(chance.sample(desired.servers, len(desired.servers))),
        )
        live = dataclasses.replace(
            live,
            models=tuple(chance.sample(live.models, len(live.models))),
            servers=tuple(chance.sample(live.servers, len(live.servers))),
        )
        assert plan(desired, live, guards(case.get("guards", {}))) == expected
