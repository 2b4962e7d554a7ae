"""A plan of what the cluster would take: it is asked before anything is shown or written, where it can be asked."""

from __future__ import annotations

from reconciler import planner
from reconciler.clusters.base import Admits, Cluster
from reconciler.model.admission import Refusal
from reconciler.model.live import LiveState
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Guards, Plan

_ROUNDS = 4
"""How often at most a plan is asked about: what one refusal leaves room for may be refused as well."""


async def admitted_plan(desired: DesiredState, live: LiveState, guards: Guards, cluster: Cluster) -> tuple[Plan, str]:
    """Returns the plan, without what the cluster would refuse and what needs that; and why it was not asked, if so.

    Raises:
        PlanUnsafe, UsageError: see `planner.plan`. ClusterError: see `Admits.admit`.
    """
    refusals: set[Refusal] = set()
    plan = planner.plan(desired, live, guards)
    if not isinstance(cluster, Admits):
        return plan, ""
    for _ in range(_ROUNDS):
        if not plan.actions:
            break
        admission = await cluster.admit(plan)
        if admission.unasked:
            return plan, admission.unasked
        new = set(admission.refusals) - refusals
        if not new:
            break
        refusals |= new
        plan = planner.plan(desired, live, guards, sorted(refusals))
    return plan, ""
