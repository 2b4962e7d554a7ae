"""What tests with a Seldon on a real API server use. `tests/conftest.py` makes them known everywhere.

async def test_…(seldon: StartSeldon) -> None:
    found = seldon(Rules(memory=1_000_000, overcommit_percentage=0), speed=5)
    found.apply(...)
    with found.requests("m") as requests:
        ...
    assert requests.lost() == {}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Protocol

import pytest

from reconciler.clusters.simulated import Artifact, Choices, Rules
from tests.controlplane.crds import install
from tests.controlplane.running import ControlPlane
from tests.standin.background import Seldon
from tests.standin.background import seldon as run_seldon


class StartSeldon(Protocol):
    """Starts a stand-in in the test's namespace; it ends with the test."""

    def __call__(
        self,
        rules: Rules | None = None,
        artifacts: Mapping[str, Artifact] | None = None,
        choices: Choices | None = None,
        *,
        speed: float = 1.0,
    ) -> Seldon:
        """See `background.seldon`."""
        ...


@pytest.fixture(scope="session")
def seldon_kinds(control_plane: ControlPlane) -> ControlPlane:
    """The control plane, with the CRDs of Seldon."""
    install(control_plane)
    return control_plane


@pytest.fixture
def seldon(seldon_kinds: ControlPlane, namespace: str) -> Iterator[StartSeldon]:
    """Starts stand-ins; see the module."""
    with ExitStack() as stack:

        def start(
            rules: Rules | None = None,
            artifacts: Mapping[str, Artifact] | None = None,
            choices: Choices | None = None,
            *,
            speed: float = 1.0,
        ) -> Seldon:
            running = run_seldon(seldon_kinds, namespace, rules, artifacts, choices, speed=speed)
            return stack.enter_context(running)

        yield start
