"""The plain way: every commit is written at once, as `kubectl apply --prune` would, and the cluster is left alone."""

from __future__ import annotations

from typing import Any

from reconciler.clusters.simulated import Simulation
from reconciler.model.codec import (
    carried_policy_annotations,
    model_policy_annotations,
    model_spec_to_json,
    server_policy_annotations,
    server_spec_to_json,
)
from reconciler.model.experiments import experiment_spec_to_json
from reconciler.model.manifests import (
    INSTANCE_LABEL,
    CarriedManifest,
    DesiredState,
    ExperimentManifest,
    ModelManifest,
    ServerManifest,
)
from reconciler.model.pipelines import pipeline_spec_to_json
from reconciler.simulate.history import History
from reconciler.simulate.story import Chance, Incident, Story, appoint
from reconciler.simulate.watch import Watch

Json = dict[str, Any]


def play(story: Story, chance: Chance) -> History:
    """Plays the plain way of `story` and returns what was seen."""
    simulation = story.begin(chance)
    appoint(simulation, story.plain)
    watch = Watch(simulation, story)
    simulation.run_until(simulation.now + story.seconds)
    return watch.history()


def applied(at: float, desired: DesiredState, instance: str) -> Incident:
    """Returns what `kubectl apply --prune` of `desired` does: all of it is written at once, and what has the label of
    `instance` and is not in it is deleted."""
    written = documents(desired)
    kept = {f"{document['kind']}/{document['metadata']['name']}" for document in written}

    def do(simulation: Simulation) -> None:
        objects = simulation.world.objects.items()
        pruned = [ref for ref, found in objects if found.labels.get(INSTANCE_LABEL) == instance and ref not in kept]
        simulation.apply(written)
        for ref in pruned:
            simulation.delete(ref)

    return Incident(at, do)


def documents(desired: DesiredState) -> list[Json]:
    """Returns the objects of `desired` as the API server gets them from `kubectl`."""
    return [*map(_server, desired.servers), *map(_model, desired.models), *map(_carried, desired.carried)]


def _model(manifest: ModelManifest) -> Json:
    spec = model_spec_to_json(manifest.spec)
    return _document("Model", manifest, spec, model_policy_annotations(manifest.policy))


def _server(manifest: ServerManifest) -> Json:
    spec = server_spec_to_json(manifest.spec)
    return _document("Server", manifest, spec, server_policy_annotations(manifest.policy))


def _carried(manifest: CarriedManifest) -> Json:
    if isinstance(manifest, ExperimentManifest):
        spec = experiment_spec_to_json(manifest.spec)
    else:
        spec = pipeline_spec_to_json(manifest.spec)
    return _document(manifest.kind, manifest, spec, carried_policy_annotations(manifest.policy))


def _document(
    kind: str, manifest: ModelManifest | ServerManifest | CarriedManifest, spec: Json, policy: dict[str, str]
) -> Json:
    metadata: Json = {"name": manifest.name, "labels": dict(manifest.labels)}
    metadata["annotations"] = {**dict(manifest.annotations), **policy}
    if manifest.namespace is not None:
        metadata["namespace"] = manifest.namespace
    return {"kind": kind, "metadata": metadata, "spec": spec}
