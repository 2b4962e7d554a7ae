"""The test control plane itself."""

from __future__ import annotations

import os

from tests.controlplane.running import ControlPlane


def test_a_real_api_server_answers_as_the_version_that_was_built(control_plane: ControlPlane) -> None:
    assert "Server Version: v1.34" in control_plane.kubectl("version")


def test_a_service_account_without_a_role_may_not_read_secrets(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("-n", namespace, "create", "serviceaccount", "nobody")
    token = control_plane.kubectl("-n", namespace, "create", "token", "nobody").strip()
    config = control_plane.kubeconfig_for("nobody", token, namespace)
    assert control_plane.kubectl("auth", "can-i", "get", "secrets", kubeconfig=config, check=False).strip() == "no"


def test_it_is_one_process_of_ours_that_runs(control_plane: ControlPlane) -> None:
    for pid in control_plane.pids:
        os.kill(pid, 0)
