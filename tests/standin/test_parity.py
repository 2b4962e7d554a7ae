"""The simulated API server does to objects what the real one does: server-side apply, patches, generations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.clusters.simulated import Rules, Simulation
from tests.controlplane.running import ControlPlane
from tests.standin.kubectl import Kubectl

BASE: Mapping[str, Any] = {"storageUri": "artifacts/v1"}
STORIES: Mapping[str, list[tuple[str, dict[str, Any]]]] = {
    "a field that leaves the manifest goes": [("apply", {"replicas": 2}), ("apply", {})],
    "one that somebody else changed stays": [
        ("apply", {"maxReplicas": 2}),
        ("patch", {"maxReplicas": 3}),
        ("apply", {}),
    ],
    "until it is applied again": [
        ("apply", {"maxReplicas": 2}),
        ("patch", {"maxReplicas": 3}),
        ("apply", {"maxReplicas": 4}),
        ("apply", {}),
    ],
    "a patch to the same value takes nothing over": [
        ("apply", {"maxReplicas": 2}),
        ("patch", {"maxReplicas": 2}),
        ("apply", {}),
    ],
    "what only a patch gave stays": [("apply", {}), ("patch", {"preloaded": True}), ("apply", {"replicas": 1})],
    "null removes": [("apply", {"minReplicas": 1}), ("patch", {"minReplicas": None}), ("apply", {"minReplicas": 1})],
    "mappings are merged": [
        ("apply", {"explainer": {"type": "a", "modelRef": "m"}}),
        ("patch", {"explainer": {"type": "b"}}),
        ("apply", {}),
    ],
    "lists are whole": [
        ("apply", {"requirements": ["sklearn", "python"]}),
        ("patch", {"requirements": ["python"]}),
        ("apply", {"requirements": ["sklearn"]}),
    ],
    "the same again is no change": [("apply", {"memory": "100k"}), ("apply", {"memory": "100k"}), ("patch", {})],
}


@pytest.mark.parametrize("story", STORIES)
async def test_both_have_the_same_spec_and_generation_after_each_step(
    story: str, seldon_kinds: ControlPlane, namespace: str
) -> None:
    kubectl, simulation = Kubectl(seldon_kinds, namespace), Simulation(Rules())
    for number, (how, fields) in enumerate(STORIES[story]):
        if how == "apply":
            manifest = {"kind": "Model", "name": "m", "spec": {**BASE, **fields}}
            (real,) = await kubectl.apply([manifest])
            simulation.apply([manifest])
        else:
            real = await kubectl.patch("Model/m", {"spec": fields})
            simulation.patch("Model/m", {"spec": fields})
        found = simulation.world.objects["Model/m"]
        simulated = {"spec": found.spec, "generation": found.generation}
        told = {"spec": real["spec"], "generation": real["metadata"]["generation"]}
        assert json.dumps(simulated, sort_keys=True) == json.dumps(told, sort_keys=True), f"step {number}"
