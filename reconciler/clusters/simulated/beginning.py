"""The beginning of a simulated cluster, as people write it down: rules, artifacts, and objects that are live and whole.

Published as schemas/simulated-state.schema.json; what is read here has passed it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.clusters.simulated.choices import SeededChoices
from reconciler.clusters.simulated.rules import DEFAULT_CAPABILITIES, Artifact, Choices, Rules
from reconciler.clusters.simulated.simulation import Simulation
from reconciler.errors import ClusterError
from reconciler.model.live import VersionState
from reconciler.model.manifests import INSTANCE_LABEL, canonical_json
from reconciler.model.quantity import parse_quantity

Document = Mapping[str, Any]

_SETTLED = 60.0
"""Simulated seconds in which what was applied comes to rest."""

_BEGINNING = ("rules", "objects", "seed", "epoch")


def identity(document: Document) -> str:
    """Identifies the beginning that `document` describes; artifacts may change later and are no part of it."""
    told = {name: document[name] for name in _BEGINNING if document.get(name) is not None}
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()[:12]


def rules(document: Document) -> Rules:
    """Returns the rules that it gives. Raises ValueError when the memory is not a quantity."""
    said, default = document.get("rules") or {}, Rules()
    configs = said.get("serverConfigs")
    return Rules(
        memory=parse_quantity(said["memory"]) if "memory" in said else default.memory,
        overcommit_percentage=said.get("overcommitPercentage", default.overcommit_percentage),
        server_autoscaling=said.get("serverAutoscaling", default.server_autoscaling),
        capabilities=dict(DEFAULT_CAPABILITIES) if configs is None else {n: frozenset(c) for n, c in configs.items()},
        unload_grace=float(said.get("unloadGraceSeconds", default.unload_grace)),
        take_in_every=float(said.get("takeInEverySeconds", default.take_in_every)),
    )


def artifacts(document: Document) -> dict[str, Artifact]:
    """Returns how the artifacts behave that it names."""
    return {str(uri): _artifact(said or {}) for uri, said in (document.get("artifacts") or {}).items()}


def _artifact(said: Mapping[str, Any]) -> Artifact:
    return Artifact(
        load_seconds=float(said.get("loadSeconds", 0)),
        slow_on={int(index): float(seconds) for index, seconds in (said.get("slowOn") or {}).items()},
        fails=said.get("fails", False),
        fails_on=frozenset(said.get("failsOn") or ()),
        missing=said.get("missing", False),
    )


def choices(document: Document, made: int = 0) -> SeededChoices | None:
    """Returns the choices that its seed makes after `made` others, None when it gives no seed."""
    seed = document.get("seed")
    return None if seed is None else SeededChoices(seed, made)


def begin(document: Document, chance: Choices | None) -> Simulation:
    """Returns the cluster that `document` describes, at rest.

    Servers come first, then the models one after the other: in one burst some of them might find no room.

    Raises:
        ClusterError: a model would not be whole. ValueError: a quantity is none.
    """
    simulation = Simulation(rules(document), choices=chance)
    objects: Sequence[Document] = document.get("objects") or ()
    for kind in ("Server", "Model", "Pipeline", "Experiment"):
        for manifest in objects:
            if manifest["kind"] == kind:
                _put(simulation, manifest)
    for uri, artifact in artifacts(document).items():
        simulation.set_artifact(uri, artifact)
    return simulation


def _put(simulation: Simulation, manifest: Document) -> None:
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    simulation.apply([manifest])
    if INSTANCE_LABEL not in (manifest["metadata"].get("labels") or {}):
        simulation.disown(f"{kind}/{name}")
    simulation.run_until(simulation.now + _SETTLED)
    if kind == "Model":
        latest = simulation.world.models[name].latest
        if latest.state is not VersionState.AVAILABLE or latest.available < latest.asked:
            raise ClusterError(
                f"the state file says that model {name} is live and whole, and it would not be",
                why=latest.reason or f"{latest.available} of {latest.asked} replicas, {latest.state}",
                fix="give its server more memory or replicas, or leave the model out",
            )
