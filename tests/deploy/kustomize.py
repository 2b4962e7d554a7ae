"""Builds what `deploy/` holds, as a user would combine it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane.running import ControlPlane

DEPLOY = Path(__file__).parents[2] / "deploy"
OWN_NAMESPACE = "model-reconciler"
MODELS_NAMESPACE = "seldon-mesh"
IN_ONE_NAMESPACE, EVERYWHERE = "rbac/namespaced", "rbac/cluster-wide"

Object = dict[str, Any]


@dataclass(frozen=True)
class Combination:
    """What a user's own kustomization takes in, as paths below `deploy/`."""

    resources: tuple[str, ...]
    components: tuple[str, ...] = ()
    namespace: str = ""

    def __str__(self) -> str:
        return "+".join((*self.resources, *self.components))


COMBINATIONS = [
    Combination((overlay, rbac), components)
    for overlay, rbac, components in itertools.product(
        ("overlays/cronjob", "overlays/deployment"),
        (IN_ONE_NAMESPACE, EVERYWHERE),
        ((), ("components/port-forward",)),
    )
]


def text(control_plane: ControlPlane, combination: Combination, folder: Path) -> str:
    """Returns what kustomize makes of `combination`, as YAML.

    Args:
        folder: an empty one, for the user's kustomization.
    """
    kustomization: Object = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": _paths(combination.resources, folder),
        "components": _paths(combination.components, folder),
    }
    if combination.namespace:
        kustomization["namespace"] = combination.namespace
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return control_plane.kubectl("kustomize", str(folder))


def objects(built: str) -> list[Object]:
    """Returns the objects that `built` describes."""
    return [document for document in yaml.safe_load_all(built) if document]


def of_kind(built: Sequence[Object], *kinds: str) -> list[Object]:
    """Returns those of the objects that are of one of `kinds`."""
    return [each for each in built if each["kind"] in kinds]


def pods(built: Sequence[Object]) -> list[Object]:
    """Returns the pod templates of all workloads among the objects."""
    found = [each["spec"]["template"] for each in of_kind(built, "Deployment")]
    return found + [each["spec"]["jobTemplate"]["spec"]["template"] for each in of_kind(built, "CronJob")]


def _paths(names: Sequence[str], folder: Path) -> list[str]:
    return [os.path.relpath(DEPLOY / name, folder) for name in names]
