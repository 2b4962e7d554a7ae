"""Every combination of what `deploy/` offers builds, and is as confined as the documentation says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.settings import load
from tests.controlplane.running import ControlPlane
from tests.deploy.conftest import Build
from tests.deploy.kustomize import (
    COMBINATIONS,
    DEPLOY,
    IN_ONE_NAMESPACE,
    MODELS_NAMESPACE,
    OWN_NAMESPACE,
    Combination,
    objects,
    of_kind,
    pods,
)

every = pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
CLUSTER_SCOPED = {"Namespace", "ClusterRole", "ClusterRoleBinding"}


def pod_of(build: Build, combination: Combination) -> Any:
    """The one pod template of `combination`."""
    (pod,) = pods(build(combination))
    return pod


@every
def test_a_pod_is_confined_as_far_as_pod_security_goes(build: Build, combination: Combination) -> None:
    spec = pod_of(build, combination)["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()


@every
def test_a_pod_says_what_it_takes_and_writes_only_to_bounded_volumes(build: Build, combination: Combination) -> None:
    spec = pod_of(build, combination)["spec"]
    (container,) = spec["containers"]
    assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        assert mount.get("readOnly") is True or volume["emptyDir"]["sizeLimit"], mount
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    values = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert {values["HOME"], values["RECONCILER_CACHE"], "/tmp"} == writable


@every
def test_the_settings_and_the_credentials_are_where_the_container_looks(build: Build, combination: Combination) -> None:
    built = build(combination)
    spec = pod_of(build, combination)["spec"]
    (container,) = spec["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    values = {variable["name"]: variable["value"] for variable in container["env"]}
    (settings,) = of_kind(built, "ConfigMap")
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["settings"]["configMap"]["name"] == settings["metadata"]["name"]
    assert values["RECONCILER_SETTINGS"] == f"{mounts['settings']}/reconciler.yaml"
    assert "reconciler.yaml" in settings["data"]
    assert values["RECONCILER_GIT_CREDENTIALS"] == mounts["git"]
    # 0440: what ssh takes of a file that is not its user's own.
    assert volumes["git"]["secret"] == {"secretName": "model-reconciler-git", "optional": True, "defaultMode": 0o440}


@every
def test_the_variables_and_the_settings_file_are_ones_that_the_program_knows(
    build: Build, combination: Combination, tmp_path: Path
) -> None:
    (container,) = pod_of(build, combination)["spec"]["containers"]
    environ = {variable["name"]: variable["value"] for variable in container["env"]}
    (settings,) = of_kind(build(combination), "ConfigMap")
    file = tmp_path / "reconciler.yaml"
    file.write_text(settings["data"]["reconciler.yaml"])
    read = load({}, environ=environ, settings_file=file)
    assert read.cluster == "kubernetes"
    assert str(read.cache) == environ["RECONCILER_CACHE"]


@every
def test_one_reconciler_runs_at_a_time(build: Build, combination: Combination) -> None:
    (workload,) = of_kind(build(combination), "Deployment", "CronJob")
    if workload["kind"] == "Deployment":
        assert (workload["spec"]["replicas"], workload["spec"]["strategy"]) == (1, {"type": "Recreate"})
    else:
        assert workload["spec"]["concurrencyPolicy"] == "Forbid"
        assert workload["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0


@every
def test_nobody_reaches_a_pod_and_it_reaches_four_things(build: Build, combination: Combination) -> None:
    built = build(combination)
    (policy,) = of_kind(built, "NetworkPolicy")
    assert policy["metadata"]["namespace"] == OWN_NAMESPACE
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert not policy["spec"].get("ingress")
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert ports == {53, 443, 6443, 22, 9004, 9044}
    assert all(rule["to"] for rule in policy["spec"]["egress"])
    labels = pod_of(build, combination)["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


@every
def test_everything_has_a_namespace_and_only_rights_reach_into_that_of_the_models(
    build: Build, combination: Combination
) -> None:
    for each in build(combination):
        namespace = each["metadata"].get("namespace")
        if each["kind"] in CLUSTER_SCOPED:
            assert namespace is None
        else:
            assert namespace == (MODELS_NAMESPACE if each["kind"] in ("Role", "RoleBinding") else OWN_NAMESPACE)


@every
def test_rights_are_given_to_the_account_that_the_pod_runs_under(build: Build, combination: Combination) -> None:
    built = build(combination)
    (account,) = of_kind(built, "ServiceAccount")
    spec = pod_of(build, combination)["spec"]
    assert spec["serviceAccountName"] == account["metadata"]["name"]
    assert (spec["automountServiceAccountToken"], account["automountServiceAccountToken"]) == (True, False)
    roles = {(each["kind"], each["metadata"]["name"]) for each in of_kind(built, "Role", "ClusterRole")}
    bindings = of_kind(built, "RoleBinding", "ClusterRoleBinding")
    assert {(each["roleRef"]["kind"], each["roleRef"]["name"]) for each in bindings} == roles
    subject = {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": OWN_NAMESPACE}
    assert all(each["subjects"] == [subject] for each in bindings)


def test_the_probes_find_a_heart_that_beats_and_miss_one_that_does_not(build: Build, tmp_path: Path) -> None:
    (container,) = pod_of(build, Combination(("overlays/deployment", IN_ONE_NAMESPACE)))["spec"]["containers"]
    values = {variable["name"]: variable["value"] for variable in container["env"]}
    heartbeat = tmp_path / "heartbeat"

    def found(probe: str) -> bool:
        command = [
            word.replace(values["RECONCILER_HEARTBEAT"], str(heartbeat)) for word in container[probe]["exec"]["command"]
        ]
        assert str(heartbeat) in " ".join(command)
        return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode == 0

    assert not found("startupProbe")
    heartbeat.touch()
    assert found("startupProbe")
    assert found("livenessProbe")
    os.utime(heartbeat, (0, 0))
    assert not found("livenessProbe")


def test_the_example_builds_with_settings_and_image_of_its_own(control_plane: ControlPlane) -> None:
    built = objects(control_plane.kubectl("kustomize", str(DEPLOY / "example")))
    (settings,) = of_kind(built, "ConfigMap")
    assert "repo" in yaml.safe_load(settings["data"]["reconciler.yaml"])
    (pod,) = pods(built)
    assert pod["spec"]["containers"][0]["image"].startswith("registry.example.org/")
    assert pod["spec"]["volumes"][0]["configMap"]["name"] == settings["metadata"]["name"]


def test_a_folder_beside_the_example_builds_as_the_documentation_puts_it(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    document = (DEPLOY.parent / "docs" / "deployment.md").read_text()
    ((name, content),) = re.findall(r"```yaml\n# (deploy/\S+)\n(.*?)```", document, flags=re.DOTALL)
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text(content)
    built = objects(control_plane.kubectl("kustomize", str(file.parent)))
    assert {each["metadata"]["namespace"] for each in built} == {"team-a"}
    (scheduler,) = [each for each in of_kind(built, "Role") if each["metadata"]["name"].endswith("-scheduler")]
    named = [(rule["resources"], rule["resourceNames"]) for rule in scheduler["rules"] if "resourceNames" in rule]
    assert named[-1] == (["configmaps"], ["model-reconciler-team-a"])
    assert named[-2] == (["leases"], ["model-reconciler"])
