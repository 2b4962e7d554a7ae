"""The rights that `deploy/` ships: exactly those that are used, as a real API server sees them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.controlplane.running import ControlPlane
from tests.deploy.conftest import Build
from tests.deploy.kustomize import COMBINATIONS, EVERYWHERE, IN_ONE_NAMESPACE, Combination, Object, of_kind
from tests.deploy.shipped import kubeconfig_as_shipped

Right = tuple[str, str, str, str]
"""API group, resource, name (empty for any), verb."""

SELDON = "mlops.seldon.io"
EXPECTED: set[Right] = {
    *((SELDON, kind, "", verb) for kind in ("models", "servers", "experiments", "pipelines")
      for verb in ("get", "list", "watch", "create", "patch", "delete")),
    *((SELDON, "serverconfigs", "", verb) for verb in ("list", "watch")),
    *(("apps", "statefulsets", "", verb) for verb in ("list", "watch")),
    *(("", "events", "", verb) for verb in ("create", "patch")),
    ("", "services", "seldon-scheduler", "get"),
    ("coordination.k8s.io", "leases", "", "create"),
    *(("coordination.k8s.io", "leases", "model-reconciler", verb) for verb in ("get", "update")),
    ("", "configmaps", "", "create"),
    *(("", "configmaps", "model-reconciler-default", verb) for verb in ("get", "patch")),
}  # fmt: skip


def rights(roles: Sequence[Object]) -> set[Right]:
    """The rights that all `roles` give together."""
    return {
        (group, resource, name, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("combination", [each for each in COMBINATIONS if not each.components], ids=str)
def test_the_rights_are_exactly_those_that_are_documented(build: Build, combination: Combination) -> None:
    assert rights(of_kind(build(combination), "Role", "ClusterRole")) == EXPECTED


@pytest.mark.parametrize("rbac", [IN_ONE_NAMESPACE, EVERYWHERE])
def test_forwarding_ports_and_finding_the_pod_are_all_that_the_component_adds(build: Build, rbac: str) -> None:
    built = build(Combination(("overlays/cronjob", rbac), ("components/port-forward",)))
    forwarding = {("", "pods/portforward", "", verb) for verb in ("get", "create")}
    forwarding |= {("", "pods", "", verb) for verb in ("get", "list")}
    assert rights(of_kind(built, "Role", "ClusterRole")) == EXPECTED | forwarding


def test_no_rule_has_a_wildcard() -> None:
    assert not [right for right in EXPECTED if "*" in right]


Question = tuple[str, str, str, str, str]
"""Verb, API group, resource, subresource, name."""

ALLOWED: list[Question] = [
    ("patch", SELDON, "models", "", "iris"),
    ("delete", SELDON, "servers", "", "mlserver"),
    ("create", SELDON, "experiments", "", ""),
    ("list", SELDON, "pipelines", "", ""),
    ("watch", "apps", "statefulsets", "", ""),
    ("get", "", "services", "", "seldon-scheduler"),
    ("create", "", "events", "", ""),
    ("create", "coordination.k8s.io", "leases", "", ""),
    ("update", "coordination.k8s.io", "leases", "", "model-reconciler"),
    ("create", "", "configmaps", "", ""),
    ("patch", "", "configmaps", "", "model-reconciler-default"),
]
REFUSED: list[Question] = [
    ("update", SELDON, "models", "", "iris"),
    ("deletecollection", SELDON, "models", "", ""),
    ("patch", SELDON, "models", "status", "iris"),
    ("get", "", "secrets", "", ""),
    ("create", "", "pods", "", ""),
    ("delete", "", "pods", "", "mlserver-0"),
    ("create", "", "pods", "exec", "mlserver-0"),
    ("create", "", "pods", "portforward", "mlserver-0"),
    ("patch", "apps", "statefulsets", "", "mlserver"),
    ("list", "", "services", "", ""),
    ("get", "", "configmaps", "", "seldon-config"),
    ("patch", "", "configmaps", "", "seldon-config"),
    ("update", "coordination.k8s.io", "leases", "", "another"),
    ("create", "rbac.authorization.k8s.io", "rolebindings", "", ""),
]


def granted(control_plane: ControlPlane, config: Path, namespace: str) -> list[Question]:
    """Which of the questions the API server answers with yes, when the account itself asks."""
    questions = [*ALLOWED, *REFUSED]
    names = ("verb", "group", "resource", "subresource", "name")
    reviews = [
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": {"resourceAttributes": {"namespace": namespace, **dict(zip(names, question, strict=True))}},
        }
        for question in questions
    ]
    asked = json.dumps({"apiVersion": "v1", "kind": "List", "items": reviews})
    answers = control_plane.kubectl(
        "create", "-f", "-", "-o", "jsonpath={.status.allowed}{' '}", stdin=asked, kubeconfig=config
    ).split()
    return [question for question, answer in zip(questions, answers, strict=True) if answer == "true"]


def test_the_account_as_shipped_may_do_what_it_needs_and_nothing_else_and_nothing_elsewhere(
    control_plane: ControlPlane, namespace: str
) -> None:
    config = kubeconfig_as_shipped(control_plane, namespace)
    assert granted(control_plane, config, namespace) == ALLOWED
    assert granted(control_plane, config, "kube-system") == []


def test_the_lock_and_the_summary_can_be_written_as_they_are_named_and_nothing_beside_them(
    control_plane: ControlPlane, namespace: str
) -> None:
    config = kubeconfig_as_shipped(control_plane, namespace)
    apply = ("apply", "--server-side", "--field-manager=model-reconciler", "-f", "-")
    ways = {
        ("v1", "ConfigMap", "model-reconciler-default"): (apply, apply),
        ("v1", "ConfigMap", "seldon-config"): (apply, apply),
        ("coordination.k8s.io/v1", "Lease", "model-reconciler"): (("create", "-f", "-"), ("replace", "-f", "-")),
    }
    for (version, kind, name), how in ways.items():
        manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name}}
        said = [control_plane.kubectl(*way, stdin=json.dumps(manifest), kubeconfig=config, check=False) for way in how]
        assert all(said) is (name != "seldon-config"), (name, said)
