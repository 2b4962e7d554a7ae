"""Experiments and Pipelines of the API server → `LiveState`. Pure.

There is nobody else to ask about them, so their condition `Ready` is taken as it is: after a write it may be that of
the spec before (docs/seldon.md, "Status: what to believe").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.clusters.kubernetes.ownership import metadata_of_ours
from reconciler.model.carried import LiveExperiment, LivePipeline
from reconciler.model.experiments import experiment_spec_from_json
from reconciler.model.manifests import INSTANCE_LABEL
from reconciler.model.pipelines import pipeline_spec_from_json

Json = Mapping[str, Any]


def live_experiment(found: Json) -> LiveExperiment:
    """Returns one Experiment."""
    return LiveExperiment(spec=experiment_spec_from_json(found.get("spec") or {}), **_object(found))


def live_pipeline(found: Json) -> LivePipeline:
    """Returns one Pipeline."""
    return LivePipeline(spec=pipeline_spec_from_json(found.get("spec") or {}), **_object(found))


def _object(found: Json) -> dict[str, Any]:
    metadata = found["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    conditions = (found.get("status") or {}).get("conditions") or []
    told: Json = next((each for each in conditions if each.get("type") == "Ready"), {})
    ready = {"True": True, "False": False}.get(str(told.get("status")))
    return {
        "name": str(metadata["name"]),
        "instance": labels.get(INSTANCE_LABEL),
        "namespace": metadata.get("namespace"),
        "labels": tuple(sorted(labels.items())),
        "annotations": tuple(sorted(annotations.items())),
        "deleting": "deletionTimestamp" in metadata,
        "ready": ready,
        "message": "" if ready else str(told.get("message") or told.get("reason") or ""),
        "owned": metadata_of_ours(found),
    }
