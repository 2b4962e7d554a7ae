"""What a manifest looks like when it is written to Seldon's API, whoever applies it. Pure.

Only what the manifest has, our labels and annotations, and one field that nobody reads where the scheduler must try
again. What is the same as live is written as live has it: another order of a list would be a new version
(docs/seldon.md, "What makes a new version"), and another spelling of a quantity a conflict of owners.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.codec import (
    carried_policy_annotations,
    model_policy_annotations,
    model_spec_to_json,
    server_policy_annotations,
    server_spec_to_json,
)
from reconciler.model.experiments import experiment_spec_to_json
from reconciler.model.manifests import (
    CarriedManifest,
    ExperimentManifest,
    ModelManifest,
    ServerManifest,
    canonical_json,
)
from reconciler.model.pipelines import pipeline_spec_to_json
from reconciler.model.quantity import parse_quantity

Json = dict[str, Any]

UNREAD = "preloaded"
"""Field of `Model.spec` that nobody reads: changing it makes the scheduler try again (docs/seldon.md, "Capacity")."""

_PROBED = ("memory", "requirements", "modelType", "server", "replicas", "minReplicas")
"""Fields of `Model.spec` that decide whether there is room."""

NOWHERE = "model-reconciler-probe/does-not-exist"
"""The artifact of a probe, which does not exist: it is never loaded."""


def model_document(manifest: ModelManifest, live: Mapping[str, Any] | None, *, again: bool) -> Json:
    """Returns the Model that `manifest` says, `spec.replicas` as the manifest resolved it.

    Args:
        live: the spec of the live object, None when there is none. again: whether the scheduler must try again.
    """
    spec = model_spec_to_json(manifest.spec)
    if live is not None:
        spec = _as_live_says_it(spec, live)
        # Nobody reads it, so it is never a difference; it must not go back by itself, which would count as a change.
        known = bool(live.get(UNREAD))
        spec[UNREAD] = not known if again else known
        if not again and UNREAD not in live:
            del spec[UNREAD]
    return _document("Model", manifest, spec)


def server_document(manifest: ServerManifest) -> Json:
    """Returns the Server that `manifest` says, `spec.replicas` and `spec.minReplicas` as the manifest resolved them."""
    return _document("Server", manifest, server_spec_to_json(manifest.spec))


def carried_document(manifest: CarriedManifest) -> Json:
    """Returns the Experiment or Pipeline that `manifest` says."""
    if isinstance(manifest, ExperimentManifest):
        return _document(manifest.kind, manifest, experiment_spec_to_json(manifest.spec))
    return _document(manifest.kind, manifest, pipeline_spec_to_json(manifest.spec))


def probed(manifest: ModelManifest) -> Json:
    """Returns the spec of a throw-away model that finds room where `manifest` would (docs/seldon.md, "Capacity")."""
    wanted = model_spec_to_json(manifest.spec)
    return {name: wanted[name] for name in _PROBED if name in wanted} | {"storageUri": NOWHERE}


def annotations_of(manifest: ModelManifest | ServerManifest | CarriedManifest) -> dict[str, str]:
    """Returns all annotations that `manifest` writes, its policy among them."""
    if isinstance(manifest, ModelManifest):
        return {**dict(manifest.annotations), **model_policy_annotations(manifest.policy)}
    if isinstance(manifest, ServerManifest):
        return {**dict(manifest.annotations), **server_policy_annotations(manifest.policy)}
    return {**dict(manifest.annotations), **carried_policy_annotations(manifest.policy)}


def _document(kind: str, manifest: ModelManifest | ServerManifest | CarriedManifest, spec: Json) -> Json:
    metadata: Json = {"name": manifest.name, "labels": dict(manifest.labels), "annotations": annotations_of(manifest)}
    if manifest.namespace is not None:
        metadata["namespace"] = manifest.namespace
    return {"kind": kind, "metadata": metadata, "spec": spec}


def _as_live_says_it(spec: Json, live: Mapping[str, Any]) -> Json:
    return {
        name: live[name] if name in live and _same(name, value, live[name]) else value for name, value in spec.items()
    }


def _same(name: str, value: Any, live: Any) -> bool:
    if isinstance(value, list) and isinstance(live, list):
        return sorted(map(canonical_json, value)) == sorted(map(canonical_json, live))
    return name == "memory" and parse_quantity(value) == _quantity(live)


def _quantity(live: Any) -> int | None:
    try:
        return parse_quantity(live)
    except (ValueError, TypeError):  # put there by someone else
        return None
