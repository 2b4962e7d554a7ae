"""The ServiceAccount and the Roles that `deploy/` ships, on the test control plane: nobody's tests need more rights."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml

from tests.controlplane.running import ControlPlane
from tests.deploy.kustomize import OWN_NAMESPACE, Combination, objects, of_kind, text

ACCOUNT = "model-reconciler"
WHO = f"system:serviceaccount:{OWN_NAMESPACE}:{ACCOUNT}"
"""As whom the API server knows it."""


def kubeconfig_as_shipped(control_plane: ControlPlane, namespace: str) -> Path:
    """Installs the ServiceAccount, and its Roles in `namespace`; returns a kubeconfig for it with that namespace.

    Models and scheduler are taken to be in `namespace` both. May be called for any number of namespaces.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = objects(text(control_plane, Combination(("base",)), folder))
        roles = text(control_plane, Combination(("rbac/watched", "rbac/scheduler"), namespace=namespace), folder)
    account = yaml.safe_dump_all([*of_kind(own, "Namespace"), *of_kind(own, "ServiceAccount")])
    for built in (account, roles):
        control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=built)
    token = control_plane.kubectl("-n", OWN_NAMESPACE, "create", "token", ACCOUNT).strip()
    return control_plane.kubeconfig_for(f"shipped-{namespace}", token, namespace)
