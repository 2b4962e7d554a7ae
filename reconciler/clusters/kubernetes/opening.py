"""Opens a cluster: connects to the API server and finds Seldon's scheduler."""

from __future__ import annotations

from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.client import TERMS, KubernetesCluster, Terms
from reconciler.clusters.kubernetes.connection import Address, connect
from reconciler.clusters.kubernetes.scheduler import GrpcScheduler


async def open_cluster(address: Address, scheduler: str = "", terms: Terms = TERMS) -> KubernetesCluster:
    """Returns the cluster at `address`.

    Args:
        scheduler: `host:port` of the scheduler's gRPC, empty to find it. terms: how it is written to.

    Raises:
        UsageError: no kubeconfig says where it is.
    """
    connection = await connect(address)
    found = scheduler or f"seldon-scheduler.{connection.namespace}.svc:9004"
    return KubernetesCluster(Api(connection), GrpcScheduler(found), terms)
