"""Opens a cluster: connects to the API server and finds Seldon's scheduler."""

from __future__ import annotations

from pathlib import Path

from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.client import TERMS, KubernetesCluster, Terms
from reconciler.clusters.kubernetes.connection import Address, connect
from reconciler.clusters.kubernetes.finding import find_scheduler


async def open_cluster(
    address: Address, scheduler: str = "", terms: Terms = TERMS, scheduler_tls: Path | None = None
) -> KubernetesCluster:
    """Returns the cluster at `address`.

    Args:
        scheduler: `host:port` of the scheduler's gRPC, `none` to do without, empty to find it.
        terms: how it is written to. scheduler_tls: folder with `ca.crt`, `tls.crt` and `tls.key` for the scheduler.

    Raises:
        UsageError: no kubeconfig says where it is, or a file for TLS cannot be read.
    """
    connection = await connect(address)
    api = Api(connection)
    try:
        found = await find_scheduler(api, scheduler, scheduler_tls)
    except BaseException:
        await connection.close()
        raise
    return KubernetesCluster(api, found.scheduler, terms, found.why)
