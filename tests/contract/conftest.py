"""One cluster of every backend for the contract suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.clusters.base import Cluster
from reconciler.clusters.kubernetes.connection import Address
from reconciler.clusters.kubernetes.opening import open_cluster
from reconciler.clusters.local import lifecycle
from reconciler.clusters.local.client import LocalCluster
from reconciler.clusters.local.process import free_port
from reconciler.clusters.simulated import Artifact, Rules
from reconciler.clusters.simulated.client import SimulatedCluster
from reconciler.clusters.simulated.state import StateFile
from reconciler.model.manifests import ServerSpec
from tests.controlplane import crds
from tests.controlplane.running import ControlPlane
from tests.local import artifacts
from tests.local.serving import Driver, server_spec
from tests.standin.background import seldon

Connect = Callable[[], Awaitable[Cluster]]
"""Returns a new client of a cluster."""

SPEED = 5.0
"""Seconds of Seldon's time in one of ours."""


@dataclass(frozen=True)
class Backend:
    """A cluster under test, and what its manifests look like.

    Attributes:
        connect: returns a new client of the cluster. good, other: storageUris that load. broken: one that does not.
        server: returns the spec of a server with so many replicas, each with room for so many bytes.
        refuses: what does not fit is refused when it is written. Seldon takes it, and the model is off the air: there
            it is the executor's precondition alone that keeps it from being written.
    """

    connect: Connect
    good: str
    other: str
    broken: str
    server: Callable[[int, int], ServerSpec]
    refuses: bool


async def _at_once(cluster: Cluster) -> Cluster:
    return cluster


@contextmanager
def _local(folder: Path) -> Iterator[Backend]:
    base = folder / "artifacts"
    artifacts.told(base / "good", "good")
    artifacts.told(base / "other", "other")
    artifacts.told(base / "broken", "broken", refuse="broken on purpose")
    state = folder / "state"
    lifecycle.up(state, port=free_port(), artifacts=base)
    try:
        yield Backend(
            connect=lambda: _at_once(LocalCluster(state)),
            good="good",
            other="other",
            broken="broken",
            server=lambda replicas, memory: server_spec(replicas=replicas, memory=memory),
            refuses=True,
        )
    finally:
        lifecycle.down(state)


SIMULATED = """\
rules: {overcommitPercentage: 0, serverAutoscaling: false}
artifacts:
  gs://broken: {fails: true}
seed: 1
"""


@contextmanager
def _simulated(folder: Path) -> Iterator[Backend]:
    state = folder / "state.yaml"
    state.write_text(SIMULATED, encoding="utf-8")
    yield Backend(
        connect=lambda: _at_once(SimulatedCluster(StateFile(state))),
        good="gs://good",
        other="gs://other",
        broken="gs://broken",
        server=lambda replicas, memory: server_spec(replicas=replicas, memory=memory),
        refuses=False,
    )


@contextmanager
def _kubernetes(folder: Path, control_plane: ControlPlane) -> Iterator[Backend]:
    namespace = f"contract-{folder.name}"
    crds.install(control_plane)
    control_plane.kubectl("create", "namespace", namespace)
    rules = Rules(overcommit_percentage=0, server_autoscaling=False)
    with seldon(control_plane, namespace, rules, {"gs://broken": Artifact(fails=True)}, speed=SPEED) as running:
        address = Address(kubeconfig=control_plane.kubeconfig, namespace=namespace)
        yield Backend(
            connect=lambda: open_cluster(address, running.scheduler),
            good="gs://good",
            other="gs://other",
            broken="gs://broken",
            server=lambda replicas, memory: server_spec(replicas=replicas, memory=memory),
            refuses=False,
        )


@contextmanager
def _begun(request: pytest.FixtureRequest, folder: Path) -> Iterator[Backend]:
    if request.param == "kubernetes":
        with _kubernetes(folder, request.getfixturevalue("control_plane")) as found:
            yield found
    else:
        with {"local": _local, "simulated": _simulated}[request.param](folder) as found:
            yield found


@pytest.fixture(scope="module", params=["kubernetes", "local", "simulated"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A cluster of each backend."""
    with _begun(request, tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture
async def connect(backend: Backend) -> AsyncIterator[Connect]:
    """Makes new clients of the cluster, and closes them."""
    opened: list[Cluster] = []

    async def another() -> Cluster:
        opened.append(await backend.connect())
        return opened[-1]

    yield another
    for client in opened:
        await client.close()


@pytest.fixture
async def cluster(connect: Connect) -> Cluster:
    """A new client of the cluster."""
    return await connect()


@pytest.fixture
def driver(cluster: Cluster) -> Driver:
    """Does what an executor would do."""
    return Driver(cluster)
