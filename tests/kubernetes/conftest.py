"""Fixtures of the tests against a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.controlplane.running import ControlPlane
from tests.kubernetes.faults import Proxy, proxied
from tests.kubernetes.writing import Writes, api_of


@pytest.fixture
async def writes(seldon_kinds: ControlPlane, namespace: str) -> AsyncIterator[Writes]:
    async with api_of(seldon_kinds.kubeconfig, namespace) as api:
        yield Writes(api)


@pytest.fixture
async def proxy(seldon_kinds: ControlPlane, namespace: str, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with proxied(seldon_kinds, tmp_path, namespace) as running:
        yield running
