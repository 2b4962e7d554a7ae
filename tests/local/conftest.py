"""A local cluster per module, with real MLServer processes, and artifacts for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.clusters.local import lifecycle
from reconciler.clusters.local.client import LocalCluster
from reconciler.clusters.local.process import free_port
from tests.local.artifacts import all_of_them
from tests.local.serving import Driver, Requests
from tests.local.world import World


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all artifacts."""
    return all_of_them(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, artifacts: Path) -> Iterator[lifecycle.Address]:
    """A running local cluster of this module."""
    state = tmp_path_factory.mktemp("state")
    yield lifecycle.up(state, port=free_port(), artifacts=artifacts)
    lifecycle.down(state)


@pytest.fixture
def driver(local: lifecycle.Address) -> Driver:
    """Drives the module's cluster."""
    return Driver(LocalCluster(local.state))


@pytest.fixture
def requests(local: lifecycle.Address) -> Requests:
    """Requests to the module's cluster."""
    return Requests(local.url)


@pytest.fixture
def started(tmp_path: Path, artifacts: Path) -> Iterator[Callable[..., lifecycle.Address]]:
    """Starts local clusters of this test alone; all are ended after it."""
    states: list[Path] = []

    def start(state: Path | None = None, port: int | None = None) -> lifecycle.Address:
        folder = state or tmp_path / "state"
        states.append(folder)
        return lifecycle.up(folder, port=port, artifacts=artifacts)

    yield start
    for folder in states:
        lifecycle.down(folder)


@pytest.fixture
def world() -> World:
    """A state without a process: a server `main` of two replicas of 1000 bytes."""
    made = World()
    made.server("main", 1000, 1000)
    return made
