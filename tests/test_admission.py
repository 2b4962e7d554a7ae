"""A plan is made anew without what the cluster would refuse."""

from __future__ import annotations

from reconciler.admission import admitted_plan
from reconciler.clusters.base import Admits, Cluster
from reconciler.clusters.simulated import Rules, Simulation
from reconciler.clusters.simulated.client import Memory, SimulatedCluster
from reconciler.model.admission import Admission, Refusal
from reconciler.model.manifests import DesiredState, ModelManifest, ModelSpec, ServerManifest, ServerSpec, Source
from reconciler.model.plan import Guards, Plan, Verb

HERE = Source("x.yaml", 1)
DESIRED = DesiredState(
    "c",
    models=tuple(ModelManifest(n, ModelSpec(f"gs://{n}", memory=1000, requirements=("sklearn",)), HERE) for n in "ab"),
    servers=(ServerManifest("mlserver", ServerSpec("mlserver", replicas=1), HERE),),
)


class _Choosy(SimulatedCluster):
    """A simulated cluster that would not take some models, as in a namespace with an admission webhook."""

    def __init__(self, refused: dict[int, str], unasked: str = "") -> None:
        super().__init__(Memory(Simulation(Rules())))
        self._refused, self._unasked = refused, unasked
        self.asked = 0

    async def admit(self, plan: Plan) -> Admission:
        self.asked += 1
        name = self._refused.get(self.asked)
        return Admission((Refusal("Model", name, "quota"),) if name else (), self._unasked)


async def _plan(cluster: Cluster) -> tuple[Plan, str]:
    return await admitted_plan(DESIRED, await cluster.observe(), Guards(), cluster)


def _subjects(plan: Plan) -> set[str]:
    return {action.subject for action in plan.actions}


async def test_a_cluster_that_cannot_be_asked_gets_the_plan_as_it_is() -> None:
    cluster = SimulatedCluster(Memory(Simulation(Rules())))
    assert not isinstance(cluster, Admits)
    plan, unasked = await _plan(cluster)
    assert (_subjects(plan), unasked) == ({"a", "b", "mlserver"}, "")


async def test_what_is_refused_is_left_out_and_the_new_plan_is_asked_about_again() -> None:
    cluster = _Choosy({1: "a", 2: "b"})
    plan, _ = await _plan(cluster)
    assert (_subjects(plan), cluster.asked) == ({"mlserver"}, 3)
    assert {d.name for d in plan.decisions if d.verb is Verb.BLOCKED} == {"a", "b"}


async def test_where_nobody_could_be_asked_the_plan_says_why() -> None:
    plan, unasked = await _plan(_Choosy({}, "no permission"))
    assert (_subjects(plan), unasked) == ({"a", "b", "mlserver"}, "no permission")
