"""The rights as shipped, at work: what the reconciler asks the API server for is granted."""

from __future__ import annotations

import asyncio
import json

from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.client import KubernetesCluster
from reconciler.clusters.kubernetes.connection import Address, connect
from reconciler.clusters.kubernetes.reported import Reported
from tests.controlplane.crds import install
from tests.controlplane.running import ControlPlane
from tests.deploy.shipped import ACCOUNT, kubeconfig_as_shipped

WHO = f"system:serviceaccount:{ACCOUNT}:{ACCOUNT}"


class _Empty:
    """A scheduler that knows of nothing."""

    async def snapshot(self) -> Reported:
        return Reported()

    async def close(self) -> None:
        """There is nothing to let go of."""


def refused(control_plane: ControlPlane, namespace: str) -> list[str]:
    """What the account was refused in `namespace`: verb and resource."""
    events = [json.loads(line) for line in control_plane.audit.read_text().splitlines()]
    ours = [e for e in events if e["user"]["username"] == WHO and e.get("objectRef", {}).get("namespace") == namespace]
    assert ours, "it asked for nothing"
    return [f"{e['verb']} {e['objectRef']['resource']}" for e in ours if e["responseStatus"]["code"] == 403]


async def test_observing_and_waiting_for_changes_need_no_more_rights_than_are_shipped(
    control_plane: ControlPlane, namespace: str
) -> None:
    install(control_plane)
    config = kubeconfig_as_shipped(control_plane, namespace)
    cluster = KubernetesCluster(Api(await connect(Address(config, namespace=namespace))), _Empty())
    try:
        live = await cluster.observe()
        await cluster.observe(live)
        await asyncio.sleep(0.5)  # the watches are on their way
    finally:
        await cluster.close()
    assert refused(control_plane, namespace) == []


def test_the_lock_and_the_summary_can_be_written_as_they_are_named_and_nothing_beside_them(
    control_plane: ControlPlane, namespace: str
) -> None:
    config = kubeconfig_as_shipped(control_plane, namespace)
    may = {("v1", "ConfigMap", "model-reconciler-default"), ("coordination.k8s.io/v1", "Lease", "model-reconciler")}
    for version, kind, name in sorted(may | {("v1", "ConfigMap", "seldon-config")}):
        manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name}}
        said = [
            control_plane.kubectl(
                *("apply", "--server-side", "--field-manager=model-reconciler", "-f", "-"),
                stdin=json.dumps(manifest),
                kubeconfig=config,
                check=False,
            )
            for _ in ("it is created", "it is applied again")
        ]
        assert all(said) is ((version, kind, name) in may), (name, said)
