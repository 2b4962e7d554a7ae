"""The kinds of Seldon Core 2 on a test control plane: CRDs of our own, with the fields of docs/seldon.md, "Objects"."""

from __future__ import annotations

from pathlib import Path

from tests.controlplane.running import ControlPlane

FOLDER = Path(__file__).parent
NAMES = ("models", "servers", "experiments", "pipelines", "serverconfigs")
"""Plural names of the kinds, as in URLs."""


def install(control_plane: ControlPlane) -> None:
    """Applies the CRDs and waits until the API server serves their kinds."""
    control_plane.kubectl("apply", "--server-side", "-f", str(FOLDER))
    crds = [f"crd/{name}.mlops.seldon.io" for name in NAMES]
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", *crds)
