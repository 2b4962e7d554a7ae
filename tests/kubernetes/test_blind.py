"""Passes without Seldon's scheduler, on the stand-in: slower, and no model loses a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from reconciler.clusters.kubernetes.client import KubernetesCluster, Terms
from reconciler.clusters.kubernetes.conditions import ROOM_SOURCE
from reconciler.clusters.kubernetes.connection import Address
from reconciler.clusters.kubernetes.opening import open_cluster
from reconciler.clusters.simulated import Artifact, Rules
from reconciler.executor import execute
from reconciler.model.codec import model_spec_from_json
from reconciler.model.manifests import DesiredState, ModelManifest, Source
from reconciler.model.outcome import Status
from reconciler.model.plan import Guards, Plan, Reason
from reconciler.planner import plan
from tests.standin.background import Seldon
from tests.standin.fixtures import StartSeldon

RULES = Rules(memory=1_000_000, overcommit_percentage=0, server_autoscaling=False)
ARTIFACTS = {"gs://broken": Artifact(fails=True)}
POD_SPEC = {
    "containers": [
        {"name": "mlserver", "resources": {"requests": {"memory": "1000k"}}},
        {"name": "agent", "env": [{"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": "0"}]},
    ]
}
SPEC = {"serverConfig": "mlserver", "replicas": 1, "podSpec": POD_SPEC, "capabilities": ["sklearn"]}


def _spec(uri: str, memory: str) -> dict[str, Any]:
    return {"storageUri": uri, "memory": memory, "requirements": ["sklearn"], "replicas": 1}


def _begun(seldon: StartSeldon, **memory: str) -> Seldon:
    """A Server, and models of its first version, all Ready."""
    found = seldon(RULES, ARTIFACTS)
    found.apply({"kind": "Server", "name": "mlserver", "spec": SPEC})
    found.until(lambda: found.get("Server/mlserver").get("status", {}).get("conditions"))
    found.until_quiet()
    for name, amount in memory.items():
        found.apply({"kind": "Model", "name": name, "spec": _spec(f"gs://{name}/1", amount)})
    found.until_ready(*memory)
    return found


@asynccontextmanager
async def _opened(found: Seldon) -> AsyncIterator[KubernetesCluster]:
    address = Address(found.control_plane.kubeconfig, namespace=found.namespace)
    cluster = await open_cluster(address, "none", Terms(force_conflicts=True))
    try:
        yield cluster
    finally:
        await cluster.close()


def _desired(**uris: tuple[str, str]) -> DesiredState:
    return DesiredState(
        "c" * 40,
        tuple(
            ModelManifest(name, model_spec_from_json(_spec(uri, memory)), Source(f"{name}.yaml", 1))
            for name, (uri, memory) in uris.items()
        ),
    )


async def _passes(cluster: KubernetesCluster, desired: DesiredState, most: int = 6) -> list[tuple[Plan, set[Status]]]:
    """Makes passes until one has nothing to do."""
    made: list[tuple[Plan, set[Status]]] = []
    async with cluster.lock("a test", 0):
        for _ in range(most):
            planned = plan(desired, await cluster.observe(), Guards())
            outcomes = await execute(planned, cluster, on_outcome=lambda _: None)
            made.append((planned, {outcome.status for outcome in outcomes}))
            if not planned.actions and planned.next_step_at is None:
                break
            await asyncio.sleep(0.5)
    return made


Work = Callable[[KubernetesCluster], Coroutine[Any, Any, list[tuple[Plan, set[Status]]]]]


async def _with_requests(found: Seldon, work: Work, *models: str) -> list[tuple[Plan, set[Status]]]:
    async with _opened(found) as cluster:
        with found.requests(*models) as requests:
            made = await work(cluster)
    assert requests.lost() == {}
    return made


async def test_updates_that_fit_are_rolled_out_and_no_request_is_lost(seldon: StartSeldon) -> None:
    found = _begun(seldon, a="300k")
    desired = _desired(a=("gs://a/2", "300k"), new=("gs://new/1", "100k"))
    made = await _with_requests(found, lambda cluster: _passes(cluster, desired), "a")
    assert set().union(*(statuses for _, statuses in made)) == {Status.DONE}
    assert {made[0][0].unverified, made[0][0].room_source} == {
        "Seldon's scheduler was not asked: the settings say that it is not asked",
        ROOM_SOURCE,
    }
    assert made[-1][0].actions == ()
    state = found.snapshot()["scheduler"]
    assert [list(state[name].values())[-1]["state"] for name in ("a", "new")] == ["ModelAvailable"] * 2


async def test_an_update_that_does_not_fit_and_one_that_fails_leave_what_serves_alone(seldon: StartSeldon) -> None:
    found = _begun(seldon, a="600k", b="100k")
    desired = _desired(a=("gs://a/2", "600k"), b=("gs://broken", "100k"))
    made = await _with_requests(found, lambda cluster: _passes(cluster, desired, most=2), "a", "b")
    assert any(d.name == "a" and d.reason is Reason.NO_ROOM for d in made[0][0].decisions)
    assert found.get("Model/a")["spec"]["storageUri"] == "gs://a/1"
