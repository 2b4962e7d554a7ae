"""What the cluster would not take is left out of the plan, and said."""

from __future__ import annotations

from reconciler import planner
from reconciler.model.admission import Refusal
from reconciler.model.live import LiveReplica, LiveServer, LiveState
from reconciler.model.manifests import DesiredState, ModelManifest, ModelSpec, ServerManifest, ServerSpec, Source
from reconciler.model.plan import Guards, Reason, Verb

HERE = Source("x.yaml", 1)
SIZE = ServerSpec("mlserver", replicas=1, min_replicas=1, memory=1_000_000, overcommit_percent=0)


def _models(*names: str) -> tuple[ModelManifest, ...]:
    return tuple(ModelManifest(name, ModelSpec(f"gs://{name}", memory=600_000), HERE) for name in names)


LIVE = LiveState(
    0.0, servers=(LiveServer("mlserver", SIZE, frozenset(), (LiveReplica(0, 1_000_000, 1_000_000),), "default"),)
)


def test_a_model_that_would_be_refused_is_blocked_in_the_clusters_words_and_its_room_goes_to_others() -> None:
    desired = DesiredState("c", models=_models("a", "b"))
    first = planner.plan(desired, LIVE, Guards())
    assert {action.subject for action in first.actions} == {"a"}
    second = planner.plan(desired, LIVE, Guards(), [Refusal("Model", "a", "quota exceeded", "ask for more")])
    assert {action.subject for action in second.actions} == {"b"}
    decision = next(decision for decision in second.decisions if decision.name == "a")
    assert (decision.verb, decision.reason, decision.detail) == (Verb.BLOCKED, Reason.NOT_ADMITTED, "quota exceeded")
    assert decision.fixes == ("ask for more",)
    assert second.exit_code == 4


def test_what_needs_a_server_that_would_be_refused_is_left_out_as_well() -> None:
    server = ServerManifest("mlserver", SIZE, HERE)
    desired = DesiredState("c", models=_models("a"), servers=(server,))
    assert planner.plan(desired, LiveState(0.0), Guards()).actions
    refused = planner.plan(desired, LiveState(0.0), Guards(), [Refusal("Server", "mlserver", "no")])
    assert refused.actions == ()
    assert {decision.verb for decision in refused.decisions} == {Verb.BLOCKED}


def test_a_refusal_of_what_is_in_sync_says_nothing() -> None:
    desired = DesiredState("c")
    plan = planner.plan(desired, LIVE, Guards(), [Refusal("Server", "mlserver", "no")])
    assert Verb.BLOCKED not in {decision.verb for decision in plan.decisions} or plan.actions == ()
