"""A real API server takes every manifest, and lets the pods into a namespace that demands the strictest confinement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.controlplane.running import ControlPlane
from tests.deploy.conftest import Build
from tests.deploy.kustomize import COMBINATIONS, MODELS_NAMESPACE, OWN_NAMESPACE, Combination, pods, text

every = pytest.mark.parametrize("combination", COMBINATIONS, ids=str)


@pytest.fixture
def namespaces(control_plane: ControlPlane) -> None:
    """There are the namespaces that the manifests name: a dry run makes none."""
    for name in (OWN_NAMESPACE, MODELS_NAMESPACE):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))


@every
@pytest.mark.usefixtures("namespaces")
def test_the_api_server_takes_every_manifest_without_a_warning(
    control_plane: ControlPlane, combination: Combination, tmp_path: Path
) -> None:
    built = text(control_plane, combination, tmp_path)
    # Dry: rights in every namespace would reach into those of other tests.
    flags = ("--server-side", "--dry-run=server", "--warnings-as-errors")
    said = control_plane.kubectl("apply", *flags, "-f", "-", stdin=built)
    assert f"namespace/{OWN_NAMESPACE}" in said


def pod_manifest(pod: dict[str, object], namespace: str) -> str:
    metadata = {"name": "pod", "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]})


@pytest.fixture
def strict(control_plane: ControlPlane, namespace: str) -> str:
    """A namespace that takes restricted pods only."""
    control_plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    return namespace


@every
def test_a_pod_is_let_into_a_namespace_that_demands_restricted_pods(
    control_plane: ControlPlane, strict: str, build: Build, combination: Combination
) -> None:
    (pod,) = pods(build(combination))
    control_plane.kubectl("create", "-f", "-", "--dry-run=server", stdin=pod_manifest(pod, strict))


def test_a_pod_that_is_less_confined_is_not(control_plane: ControlPlane, strict: str, build: Build) -> None:
    (pod,) = pods(build(COMBINATIONS[0]))
    loose = json.loads(json.dumps(pod))
    del loose["spec"]["securityContext"]["seccompProfile"]
    with pytest.raises(AssertionError, match="restricted"):
        control_plane.kubectl("create", "-f", "-", "--dry-run=server", stdin=pod_manifest(loose, strict))
