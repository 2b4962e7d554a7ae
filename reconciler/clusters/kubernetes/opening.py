"""Opens a cluster: connects to the API server, and knows how to find Seldon's scheduler when it is needed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.client import TERMS, KubernetesCluster, Terms
from reconciler.clusters.kubernetes.connection import Address, connect
from reconciler.clusters.kubernetes.contact import Contact
from reconciler.clusters.kubernetes.finding import find_scheduler, tls_files


async def open_cluster(
    address: Address, scheduler: str = "", terms: Terms = TERMS, scheduler_tls: Path | None = None
) -> KubernetesCluster:
    """Returns the cluster at `address`; neither its API server nor the scheduler need answer yet.

    Args:
        scheduler: `host:port` of the scheduler's gRPC, `none` to do without, empty to find it.
        terms: how it is written to. scheduler_tls: folder with `ca.crt`, `tls.crt` and `tls.key` for the scheduler.

    Raises:
        UsageError: no kubeconfig says where it is, or a file for TLS cannot be read.
    """
    if scheduler_tls is not None:
        tls_files(scheduler_tls)
    api = Api(await connect(address))
    return KubernetesCluster(api, Contact(partial(find_scheduler, api, scheduler, scheduler_tls)), terms)
