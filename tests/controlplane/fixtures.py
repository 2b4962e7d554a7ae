"""What tests of the Kubernetes backend use. `tests/conftest.py` makes them known everywhere."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from tests.controlplane.build import NotBuilt, binaries
from tests.controlplane.running import ControlPlane, control_plane

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session", name="control_plane")
def _control_plane() -> Iterator[ControlPlane]:
    """A control plane for all tests of this process; each test uses a namespace of its own."""
    try:
        binaries(build=bool(os.environ.get("CI")))
    except NotBuilt as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED: {error}")
    with control_plane() as running:
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A new namespace. Nothing removes it: there is no controller that could, and the control plane goes anyway."""
    name = f"test-{next(_NUMBERS)}"
    control_plane.kubectl("create", "namespace", name)
    return name
