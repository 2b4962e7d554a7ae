"""Fixes: each one that was tried, applied, unblocks its model and blocks nothing else; how much is tried is bounded."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.live import LiveState
from reconciler.model.manifests import DesiredState, ModelManifest, ModelSpec, ServerManifest, ServerSpec
from reconciler.model.plan import Guards, Plan, Verb
from reconciler.planner import plan
from reconciler.planner.fixes import EXAMINED, OFFERED, Fix, fixes_for, texts
from reconciler.planner.outline import outline
from tests.planner.case import desired_state, guards, live_state, planned, read_case
from tests.planner.states import NOWHERE, tight_worlds, worlds
from tests.planner.states import guards as any_guards

CASES = Path(__file__).parent / "cases"
EXAMPLES = int(os.environ.get("PROOF_EXAMPLES", "100"))


def stuck(result: Plan) -> set[tuple[str, str]]:
    return {(d.kind, d.name) for d in result.decisions if d.verb in (Verb.BLOCKED, Verb.REFUSED)}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(worlds(), tight_worlds()), any_guards())
def test_every_fix_that_was_tried_unblocks_its_model_and_blocks_nothing_else(
    world: tuple[DesiredState, LiveState], guards: Guards
) -> None:
    before = plan(*world, guards)
    told = {decision.name: decision.fixes for decision in before.decisions if decision.kind == "Model"}
    for name, fixes in fixes_for(outline(*world, guards), *world, guards).items():
        assert told[name] == texts(fixes)
        assert len(fixes) <= OFFERED
        for change in [fix.change for fix in fixes if fix.change is not None]:
            after = stuck(plan(*change.applied(*world), guards))
            assert ("Model", name) not in after
            assert after <= stuck(before)
            _valid(change.to)


def _valid(changed: object) -> None:
    """What is told to be written is a manifest that would be taken."""
    assert isinstance(changed, ModelManifest | ServerManifest) or hasattr(changed, "spec")
    spec: ModelSpec | ServerSpec = changed.spec
    least, most = spec.min_replicas, spec.max_replicas
    assert (least or 1) <= spec.wanted_replicas <= (most or spec.wanted_replicas)


def test_applying_a_fix_by_hand_gives_what_was_told() -> None:
    case = read_case(CASES / "fix-scale-to-three.yaml")
    assert [d.fixes for d in planned(case).decisions if d.name == "iris"] == [("scale Server mlserver to 3 replicas",)]
    case["desired"][0]["spec"]["replicas"] = 3
    assert stuck(planned(case)) == set()
    case["desired"][0]["spec"]["replicas"] = 2
    case["desired"][1]["spec"]["memory"] = "99k"
    assert stuck(planned(case)) == {("Model", "iris")}


@pytest.mark.parametrize("lower", [111_110, 111_109])
def test_memory_is_lowered_to_the_byte(lower: int) -> None:
    case = read_case(CASES / "fix-exactly-enough-less.yaml")
    assert any("lower spec.memory by 111.11k" in fix for d in planned(case).decisions for fix in d.fixes)
    case["desired"][1]["spec"]["memory"] = 333_333 - lower
    assert stuck(planned(case)) == ({("Model", "iris")} if lower < 111_110 else set())


def test_what_cannot_be_tried_is_an_advice_without_a_change() -> None:
    case = read_case(CASES / "placement-no-capability.yaml")
    desired, live, terms = desired_state(case["desired"]), live_state(case["live"]), guards({})
    (fixes,) = fixes_for(outline(desired, live, terms), desired, live, terms).values()
    advice = "correct spec.requirements, or add the capability to a Server (extraCapabilities)"
    assert fixes == (Fix(advice),)


def crowd(number: int) -> tuple[DesiredState, LiveState]:
    case = read_case(CASES / "fix-exactly-enough-less.yaml")
    desired = desired_state(case["desired"])
    (model,) = desired.models
    models = tuple(dataclasses.replace(model, name=f"m{index:03}", source=NOWHERE) for index in range(number))
    return dataclasses.replace(desired, models=models), live_state(case["live"])


def test_only_the_first_of_many_blocked_models_are_examined_and_the_others_are_told_how_to_ask() -> None:
    fixes = [d.fixes for d in plan(*crowd(EXAMINED + 5), Guards()).decisions if d.name.startswith("m0")]
    hints = [texts == (f"see what would help: reconciler plan --only m{n:03}",) for n, texts in enumerate(fixes)]
    assert hints == [False] * EXAMINED + [True] * 5


def test_a_blocked_model_that_is_asked_for_alone_is_examined() -> None:
    result = plan(*crowd(EXAMINED + 5), Guards(only=frozenset({"m024"})))
    (fixes,) = [decision.fixes for decision in result.decisions if decision.name == "m024"]
    assert fixes[0] == "raise the memory of Server mlserver by 111.11k per replica"


def test_hundreds_of_blocked_models_do_not_multiply_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(*args: object, **more: object) -> object:
        made.append(args)
        return outline(*args, **more)  # type: ignore[arg-type] # passed on as they came

    monkeypatch.setattr("reconciler.planner.fixes.outline", counted)
    plan(*crowd(400), Guards())
    assert len(made) < 50
