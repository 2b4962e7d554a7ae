"""What is asked before something is written: the scheduler whether there is room, the API server whether it would."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from reconciler.admission import admitted_plan
from reconciler.clusters.kubernetes.client import KubernetesCluster, Terms
from reconciler.clusters.kubernetes.connection import Address
from reconciler.clusters.kubernetes.lock import Fence
from reconciler.clusters.kubernetes.opening import open_cluster
from reconciler.clusters.kubernetes.probe import PROBE_LABEL, PROBE_PREFIX, Prober, state_of
from reconciler.clusters.kubernetes.resources import MODELS
from reconciler.clusters.simulated import Artifact, Rules
from reconciler.errors import ActionRefused
from reconciler.model.live import VersionState
from reconciler.model.manifests import INSTANCE_LABEL, DesiredState
from reconciler.model.plan import ActionKind, Guards, Verb
from tests.controlplane.running import ControlPlane
from tests.kubernetes.faults import Fault, Proxy
from tests.kubernetes.writing import action, api_of, as_other, manifest, performed, server_manifest
from tests.standin.background import Seldon
from tests.standin.fixtures import StartSeldon

SIZE = Rules(memory=1_000_000, overcommit_percentage=0)
SERVER = {
    "kind": "Server",
    "name": "mlserver",
    "spec": {"serverConfig": "mlserver", "replicas": 2, "minReplicas": 2},
}
Start = Callable[[], Seldon]


@pytest.fixture
def started(seldon: StartSeldon) -> Seldon:
    """A Seldon with one Server of two replicas of 1M."""
    found = seldon(SIZE, {"gs://slow": Artifact(load_seconds=60)}, speed=5)
    found.apply(SERVER)
    found.until(lambda: len(_free(found)) == 2)
    return found


@asynccontextmanager
async def _opened(found: Seldon, *, force_conflicts: bool = False) -> AsyncIterator[KubernetesCluster]:
    address = Address(kubeconfig=found.control_plane.kubeconfig, namespace=found.namespace)
    cluster = await open_cluster(address, found.scheduler, Terms(force_conflicts=force_conflicts))
    try:
        yield cluster
    finally:
        await cluster.close()


def _probes(found: Seldon) -> str:
    return found.kubectl("get", "models", "-l", PROBE_LABEL, "-o", "name")


@pytest.mark.parametrize(("memory", "fits"), [("900k", True), ("1100k", False)])
async def test_a_probe_says_whether_there_is_room_and_leaves_nothing(started: Seldon, memory: str, fits: bool) -> None:
    asked = action(ActionKind.PROBE, manifest(memory=memory, replicas=2, requirements=["sklearn"]))
    async with _opened(started) as cluster:
        if fits:
            await cluster.perform(asked)
        else:
            with pytest.raises(ActionRefused, match="the scheduler has no room for iris"):
                await cluster.perform(asked)
    assert _probes(started) == ""
    assert _free(started) == [1_000_000, 1_000_000]


def _free(found: Seldon, server: str = "mlserver") -> list[int]:
    """Returns the free memory of each replica that is connected."""
    told = found.snapshot()["servers"].get(server, {"replicas": {}})
    return [replica["free"] for replica in told["replicas"].values()]


@pytest.mark.parametrize(("memory", "fits"), [("900k", True), ("1100k", False)])
async def test_without_a_scheduler_the_conditions_answer(started: Seldon, memory: str, fits: bool) -> None:
    async with api_of(started.control_plane.kubeconfig, started.namespace) as api:
        prober = Prober(api, Fence(), "default")
        wanted = manifest(memory=memory, requirements=["sklearn"])
        if fits:
            await prober.room_for(wanted)
        else:
            with pytest.raises(ActionRefused):
                await prober.room_for(wanted)
    assert _probes(started) == ""


async def test_a_probe_that_a_killed_process_left_behind_is_removed_under_the_lock(started: Seldon) -> None:
    labels = {PROBE_LABEL: "default"}
    spec = {"storageUri": "model-reconciler-probe/does-not-exist", "memory": "1k"}
    started.apply({"kind": "Model", "metadata": {"name": f"{PROBE_PREFIX}0001", "labels": labels}, "spec": spec})
    slow = {"metadata": {"name": f"{PROBE_PREFIX}0002", "labels": labels}, "spec": {**spec, "storageUri": "gs://slow"}}
    started.apply({"kind": "Model", **slow})
    started.until(lambda: len(started.snapshot()["scheduler"]) == 2)
    async with _opened(started) as cluster, cluster.lock("test", 0):
        assert _probes(started).split() == [f"model.mlops.seldon.io/{PROBE_PREFIX}0002"], "its load is in flight"


async def test_without_a_scheduler_a_probe_left_behind_with_a_load_in_flight_stays(started: Seldon) -> None:
    labels = {PROBE_LABEL: "default"}
    spec = {"storageUri": "gs://slow", "memory": "1k", "requirements": ["sklearn"]}
    started.apply({"kind": "Model", "metadata": {"name": f"{PROBE_PREFIX}0001", "labels": labels}, "spec": spec})
    started.until(lambda: state_of(started.get(f"Model/{PROBE_PREFIX}0001")) is VersionState.PROGRESSING)
    async with api_of(started.control_plane.kubeconfig, started.namespace) as api:
        await Prober(api, Fence(), "default").clear()
    assert _probes(started), "deleted in flight, its room would leak"


def _desired(**of_b: Any) -> DesiredState:
    models = tuple(
        replace(manifest(name, requirements=["sklearn"], memory="100k", **(of_b if name == "b" else {})), labels=())
        for name in "ab"
    )
    return DesiredState("c" * 40, models=models)


async def test_what_the_schema_would_refuse_is_blocked_in_the_plan_and_the_rest_goes_on(started: Seldon) -> None:
    async with _opened(started) as cluster:
        plan, _ = await admitted_plan(_desired(replicas=-1), await cluster.observe(), Guards(), cluster)
    assert {each.subject for each in plan.actions} == {"a"}
    blocked = next(decision for decision in plan.decisions if decision.name == "b")
    assert blocked.verb is Verb.BLOCKED
    assert "spec.replicas" in blocked.detail
    assert started.kubectl("get", "models", "-o", "name") == ""


async def test_a_conflict_of_owners_is_blocked_in_the_plan_unless_it_is_to_be_settled_by_force(started: Seldon) -> None:
    started.apply(
        {
            "kind": "Model",
            "metadata": {"name": "b", "labels": {INSTANCE_LABEL: "default"}},
            "spec": {"storageUri": "gs://b", "memory": "100k", "requirements": ["sklearn"], "logger": {"percent": 1}},
        }
    )
    started.until_ready("b")
    desired = _desired(storageUri="gs://b", logger={"percent": 5})
    async with _opened(started) as cluster:
        plan, _ = await admitted_plan(desired, await cluster.observe(), Guards(), cluster)
    blocked = next(decision for decision in plan.decisions if decision.name == "b")
    assert (blocked.verb, blocked.fixes[0][:9]) == (Verb.BLOCKED, "take them")
    assert ".spec.logger.percent" in blocked.detail
    async with _opened(started, force_conflicts=True) as cluster:
        forced, _ = await admitted_plan(desired, await cluster.observe(), Guards(), cluster)
    assert "b" in {each.subject for each in forced.actions}


async def test_a_reader_gets_the_plan_and_is_told_that_nobody_was_asked(
    started: Seldon, seldon_kinds: ControlPlane, namespace: str
) -> None:
    seldon_kinds.kubectl("-n", namespace, "create", "serviceaccount", "reader")
    account = f"--serviceaccount={namespace}:reader"
    rules = ("--verb=get,list,watch", "--resource=models.mlops.seldon.io,servers.mlops.seldon.io,statefulsets.apps")
    seldon_kinds.kubectl("-n", namespace, "create", "role", "reader", *rules)
    more = (
        "--verb=list,watch",
        "--resource=serverconfigs.mlops.seldon.io,experiments.mlops.seldon.io,pipelines.mlops.seldon.io",
    )
    seldon_kinds.kubectl("-n", namespace, "create", "role", "more", *more)
    for role in ("reader", "more"):
        seldon_kinds.kubectl("-n", namespace, "create", "rolebinding", role, f"--role={role}", account)
    token = seldon_kinds.kubectl("-n", namespace, "create", "token", "reader").strip()
    config = seldon_kinds.kubeconfig_for(f"reader-{namespace}", token, namespace)
    cluster = await open_cluster(Address(kubeconfig=config, namespace=namespace), started.scheduler)
    try:
        plan, unasked = await admitted_plan(_desired(), await cluster.observe(), Guards(), cluster)
    finally:
        await cluster.close()
    assert {each.subject for each in plan.actions} == {"a", "b"}
    assert "no permission to" in unasked


async def test_a_webhooks_no_is_in_the_plan(started: Seldon, proxy: Proxy, namespace: str) -> None:
    said = 'admission webhook "quota.example.com" denied the request: over quota'
    body = json.dumps({"kind": "Status", "status": "Failure", "code": 403, "message": said})
    proxy.faults.plan(lambda asked: asked.path.endswith("models/a"), Fault(403, body), times=9)
    cluster = await open_cluster(Address(kubeconfig=proxy.kubeconfig, namespace=namespace), started.scheduler)
    try:
        plan, _ = await admitted_plan(_desired(), await cluster.observe(), Guards(), cluster)
    finally:
        await cluster.close()
    assert said in next(decision.detail for decision in plan.decisions if decision.name == "a")


async def test_a_label_that_leaves_git_is_a_difference_and_goes(started: Seldon) -> None:
    async with _opened(started) as cluster:
        await cluster.perform(action(ActionKind.LOAD, manifest(requirements=["sklearn"], labels={"team": "x"})))
        started.until_ready("iris")
        git = DesiredState("", models=(replace(manifest(requirements=["sklearn"]), labels=()),))
        plan, _ = await admitted_plan(git, await cluster.observe(), Guards(), cluster)
        assert [each.kind for each in plan.actions] == [ActionKind.CHANGE]
        await performed(cluster, plan.actions[0])
        again, _ = await admitted_plan(git, await cluster.observe(), Guards(), cluster)
    assert again.actions == ()


async def test_a_server_shrunk_by_the_autoscaler_is_asked_for_without_a_conflict(started: Seldon) -> None:
    async with _opened(started) as cluster:
        await cluster.perform(action(ActionKind.CREATE_SERVER, server_manifest("other", replicas=2, minReplicas=2)))
        started.until(lambda: len(_free(started, "other")) == 2)
        where = (started.control_plane, started.namespace)
        as_other(*where, "server.mlops.seldon.io", "other", {"spec": {"replicas": 1}}, "seldon-scheduler")
        update = action(ActionKind.UPDATE_SERVER, server_manifest("other", replicas=2, minReplicas=2))
        await cluster.observe()
        await performed(cluster, update)
    assert started.get("Server/other")["spec"]["replicas"] == 2


async def test_probes_of_another_instance_are_left_alone(started: Seldon) -> None:
    labels = {PROBE_LABEL: "other"}
    spec = {"storageUri": "model-reconciler-probe/does-not-exist", "memory": "1k"}
    started.apply({"kind": "Model", "metadata": {"name": f"{PROBE_PREFIX}0003", "labels": labels}, "spec": spec})
    async with _opened(started) as cluster, cluster.lock("test", 0):
        pass
    async with api_of(started.control_plane.kubeconfig, started.namespace) as api:
        assert await api.get(MODELS, f"{PROBE_PREFIX}0003") is not None
