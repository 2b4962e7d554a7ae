"""One cluster of every backend for the contract suite. A new backend adds itself to `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.clusters.base import Cluster
from reconciler.clusters.local import lifecycle
from reconciler.clusters.local.client import LocalCluster
from reconciler.clusters.local.process import free_port
from reconciler.clusters.simulated.client import SimulatedCluster
from reconciler.clusters.simulated.state import StateFile
from reconciler.model.manifests import ServerSpec
from tests.local import artifacts
from tests.local.serving import Driver, server_spec


@dataclass(frozen=True)
class Backend:
    """A cluster under test, and what its manifests look like.

    Attributes:
        connect: returns a new client of the cluster. good, other: storageUris that load. broken: one that does not.
        server: returns the spec of a server with so many replicas, each with room for so many bytes.
        refuses: what does not fit is refused when it is written. Seldon takes it, and the model is off the air: there
            it is the executor's precondition alone that keeps it from being written.
    """

    connect: Callable[[], Cluster]
    good: str
    other: str
    broken: str
    server: Callable[[int, int], ServerSpec]
    refuses: bool


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
            connect=lambda: LocalCluster(state),
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
        connect=lambda: SimulatedCluster(StateFile(state)),
        good="gs://good",
        other="gs://other",
        broken="gs://broken",
        server=lambda replicas, memory: server_spec(replicas=replicas, memory=memory),
        refuses=False,
    )


BACKENDS: dict[str, Callable[[Path], AbstractContextManager[Backend]]] = {"local": _local, "simulated": _simulated}


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A cluster of each backend."""
    with BACKENDS[request.param](tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture
def cluster(backend: Backend) -> Cluster:
    """A new client of the cluster."""
    return backend.connect()


@pytest.fixture
def driver(cluster: Cluster) -> Driver:
    """Does what an executor would do."""
    return Driver(cluster)
