"""Random commits on random clusters: every plan survives its replay, and keeps what `oracle` asks of all plans."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings

from reconciler.model.live import LiveState
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Guards
from tests.planner.carried_states import carried_worlds
from tests.planner.oracle import check
from tests.planner.states import guards, tight_worlds, worlds

EXAMPLES = int(os.environ.get("PROOF_EXAMPLES", "150"))
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(worlds(), guards())
def test_a_plan_from_any_state_is_safe_and_the_same_in_any_order(
    world: tuple[DesiredState, LiveState], guards: Guards
) -> None:
    check(*world, guards)


@many
@given(tight_worlds(), guards())
def test_a_plan_amid_stepped_rollouts_on_a_full_server_is_safe_and_the_same_in_any_order(
    world: tuple[DesiredState, LiveState], guards: Guards
) -> None:
    check(*world, guards)


@many
@given(carried_worlds(), guards())
def test_a_plan_that_carries_experiments_and_pipelines_along_is_safe_and_the_same_in_any_order(
    world: tuple[DesiredState, LiveState], guards: Guards
) -> None:
    check(*world, guards)
