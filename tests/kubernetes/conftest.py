"""Fixtures of the tests against a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.controlplane import crds
from tests.controlplane.running import ControlPlane
from tests.kubernetes.faults import Proxy, proxied
from tests.kubernetes.writing import Writes, api_of


@pytest.fixture(scope="session", name="seldon")
def _seldon(control_plane: ControlPlane) -> ControlPlane:
    """A control plane that has Seldon's kinds."""
    crds.install(control_plane)
    return control_plane


@pytest.fixture
async def writes(seldon: ControlPlane, namespace: str) -> AsyncIterator[Writes]:
    async with api_of(seldon.kubeconfig, namespace) as api:
        yield Writes(api)


@pytest.fixture
async def proxy(seldon: ControlPlane, namespace: str, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with proxied(seldon, tmp_path, namespace) as running:
        yield running
