"""The CRDs of the tests on a real API server."""

from __future__ import annotations

import json

import pytest

from tests.controlplane.crds import install
from tests.controlplane.running import ControlPlane

SERVER = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Server
metadata: {name: mlserver}
spec: {serverConfig: mlserver, replicas: 2, podSpec: {containers: [{name: mlserver, anything: {goes: 1}}]}}
"""
MODEL = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Model
metadata: {name: iris}
spec: {storageUri: artifacts/v1, memory: %s, minReplicas: 1, nobody: knows}
"""


@pytest.fixture(autouse=True)
def _installed(control_plane: ControlPlane) -> None:
    install(control_plane)


def test_a_pod_spec_keeps_what_the_schema_does_not_know(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("-n", namespace, "apply", "--server-side", "-f", "-", stdin=SERVER)
    found = json.loads(control_plane.kubectl("-n", namespace, "get", "mls", "mlserver", "-o", "json"))
    assert found["spec"]["podSpec"]["containers"] == [{"name": "mlserver", "anything": {"goes": 1}}]


@pytest.mark.parametrize("memory", ["100k", "1.5Gi", "1000000"])
def test_a_quantity_is_text_or_a_number_and_stays_as_written(
    control_plane: ControlPlane, namespace: str, memory: str
) -> None:
    control_plane.kubectl("-n", namespace, "create", "--validate=false", "-f", "-", stdin=MODEL % memory)
    assert control_plane.kubectl("-n", namespace, "get", "mlm", "iris", "-o", "jsonpath={.spec.memory}") == memory


def test_what_is_no_quantity_is_refused(control_plane: ControlPlane, namespace: str) -> None:
    said = control_plane.kubectl("-n", namespace, "create", "-f", "-", stdin=MODEL % "much", check=False)
    assert "created" not in said


def test_models_and_servers_can_be_scaled_by_their_subresource(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("-n", namespace, "apply", "--server-side", "-f", "-", stdin=SERVER)
    control_plane.kubectl("-n", namespace, "scale", "server.mlops.seldon.io/mlserver", "--replicas=3")
    assert control_plane.kubectl("-n", namespace, "get", "mls", "mlserver", "-o", "jsonpath={.spec.replicas}") == "3"
