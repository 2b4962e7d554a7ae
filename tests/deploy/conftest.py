"""Builds each combination once; a remote to read manifests from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.controlplane.running import ControlPlane
from tests.deploy.kustomize import Combination, Object, objects, text
from tests.repository.remotes import Remote

Build = Callable[[Combination], list[Object]]


@pytest.fixture(scope="session")
def build(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """What gives the objects of a combination."""
    built: dict[Combination, list[Object]] = {}

    def once(combination: Combination) -> list[Object]:
        if combination not in built:
            built[combination] = objects(text(control_plane, combination, tmp_path_factory.mktemp("kustomization")))
        return built[combination]

    return once


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """A Git repository without commits."""
    return Remote(tmp_path)
