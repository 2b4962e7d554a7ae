"""What is asked for thousands of times is looked up or reckoned once, and says the same as before."""

import dataclasses

import pytest

from reconciler.model.live import LiveModel, LiveServer, LiveState
from reconciler.model.manifests import DesiredState, ModelManifest, ModelSpec, ServerSpec, Source
from reconciler.model.plan import Guards, Plan
from reconciler.planner.replay import violations

NAMES = ("b", "a", "a-b", "c", "a0")


def test_models_and_servers_are_found_by_name_whatever_order_they_came_in() -> None:
    live = LiveState(
        0.0,
        models=tuple(LiveModel(name, ModelSpec(name)) for name in NAMES),
        servers=tuple(LiveServer(name, ServerSpec(name), frozenset()) for name in NAMES),
    )
    for name in NAMES:
        model, server = live.model(name), live.server(name)
        assert model is not None
        assert server is not None
        assert (model.spec.storage_uri, server.spec.server_config) == (name, name)


@pytest.mark.parametrize("name", ["", "a-", "aa", "d", "0"])
def test_a_name_that_is_not_there_is_not_found(name: str) -> None:
    live = LiveState(0.0, models=tuple(LiveModel(name, ModelSpec(name)) for name in NAMES))
    assert live.model(name) is None
    assert live.server(name) is None


def test_a_spec_whose_digest_was_asked_for_is_like_one_whose_was_not() -> None:
    asked, other = ModelSpec("x", memory=1), ModelSpec("x", memory=1)
    assert asked.digest
    assert (asked, hash(asked), repr(asked)) == (other, hash(other), repr(other))
    assert dataclasses.replace(asked, memory=2).digest == ModelSpec("x", memory=2).digest != asked.digest


def test_a_desired_state_has_one_digest_whatever_was_asked_of_its_specs() -> None:
    states = [DesiredState("c", (ModelManifest("m", ModelSpec("x"), Source("f", 1)),)) for _ in range(2)]
    assert states[0].models[0].spec.digest
    assert states[0].digest == states[1].digest
    changed = ModelManifest("m", ModelSpec("x", preloaded=True), Source("f", 1))
    assert DesiredState("c", (changed,)).digest != states[1].digest


def test_a_plan_without_actions_is_replayed_all_the_same() -> None:
    plan = Plan("default", "", "", "")
    assert violations(plan, LiveState(0.0), Guards()) == ()
