"""Whatever the graph and whatever fails: no action runs too early, none is left open, nothing runs on a failed one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.executor import execute
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, Edge, EdgeKind, Plan
from tests.executor.fake_cluster import FakeCluster
from tests.executor.plans import load, model, plan
from tests.executor.virtual_time import now, run


@st.composite
def graphs(draw: st.DrawFn) -> Plan:
    """Loads in a random graph, each edge of a random kind and to an earlier action."""
    actions: list[Action] = []
    for index in range(draw(st.integers(1, 8))):
        before = draw(st.lists(st.sampled_from(actions), unique=True, max_size=3)) if actions else []
        edges = [Edge(each.id, draw(st.sampled_from(EdgeKind))) for each in before]
        actions.append(load(model(f"m{index}", memory=1_000), *edges, limit=60))
    return plan(*actions)


@st.composite
def clusters(draw: st.DrawFn) -> FakeCluster:
    """Clusters that fail, refuse, never finish or do not answer for some models."""
    names = st.sampled_from([f"m{index}" for index in range(8)])
    hanging = [load(model(name, memory=1_000)).id for name in draw(st.sets(names, max_size=2))]
    return FakeCluster(
        load_seconds=draw(st.sampled_from([0.0, 0.5, 20.0])),
        fail_load=dict.fromkeys(draw(st.sets(names, max_size=2)), "broken"),
        refuse=dict.fromkeys(draw(st.sets(names, max_size=2)), "no"),
        hang=set(hanging),
        silent_performs=draw(st.integers(0, 3)),
    )


def _executed(the_plan: Plan, cluster: FakeCluster) -> dict[str, Outcome]:
    async def story() -> tuple[Outcome, ...]:
        return await execute(the_plan, cluster, on_outcome=lambda _: None, clock=now)

    return {outcome.action: outcome for outcome in run(story())}


@settings(max_examples=60, deadline=None)
@given(graphs(), clusters())
def test_any_graph_with_any_failures_ends_in_order(the_plan: Plan, cluster: FakeCluster) -> None:
    outcomes = _executed(the_plan, cluster)
    assert [outcome.over for outcome in outcomes.values()] == [True] * len(the_plan.actions)
    for action in the_plan.actions:
        for edge in action.after:
            before = outcomes[edge.action]
            assert action.id not in cluster.began_at or cluster.began_at[action.id] >= (before.ended or 0)
            if edge.kind is not EdgeKind.CHAIN and before.status is not Status.DONE:
                assert outcomes[action.id].status is Status.NOT_RUN
                assert action.id not in cluster.performed
