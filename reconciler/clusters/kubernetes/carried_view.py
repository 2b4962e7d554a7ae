"""Experiments and Pipelines of the API server → `LiveState`. Pure.

There is nobody else to ask about them. After a write their condition `Ready` may still be that of the spec before
(docs/seldon.md, "Status: what to believe"): it is believed when the status has changed, or after a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.clusters.kubernetes.ownership import metadata_of_ours
from reconciler.model.carried import LiveExperiment, LivePipeline
from reconciler.model.experiments import experiment_spec_from_json
from reconciler.model.manifests import INSTANCE_LABEL, canonical_json
from reconciler.model.pipelines import pipeline_spec_from_json

Json = Mapping[str, Any]


SETTLED = 5.0
"""Seconds after which a status that did not change is that of the new spec: what alters nothing is never told."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A generation of an object, since when it is known (Unix time), and the status that the object had then."""

    generation: int
    since: float
    status: str


class Words:
    """Remembers since when each object says what it says, and so whether its status can be the answer to that."""

    def __init__(self) -> None:
        self._known: dict[str, _Written] = {}

    def settled(self, found: Json, now: float) -> bool:
        """Returns whether the status of `found` is that of its spec. `now`: Unix time in seconds."""
        metadata = found["metadata"]
        uid, generation = str(metadata.get("uid", "")), int(metadata.get("generation") or 0)
        status = canonical_json(found.get("status") or {})
        known = self._known.get(uid)
        if known is None:
            self._known[uid] = _Written(generation, float("-inf"), "")
            return True
        if known.generation != generation:
            known = self._known[uid] = _Written(generation, now, status)
        return status != known.status or now - known.since >= SETTLED


def live_experiment(found: Json, *, settled: bool = True) -> LiveExperiment:
    """Returns one Experiment; one that is not `settled` has not told yet whether it is ready."""
    return LiveExperiment(spec=experiment_spec_from_json(found.get("spec") or {}), **_object(found, settled=settled))


def live_pipeline(found: Json, *, settled: bool = True) -> LivePipeline:
    """Returns one Pipeline; see `live_experiment`."""
    return LivePipeline(spec=pipeline_spec_from_json(found.get("spec") or {}), **_object(found, settled=settled))


def _object(found: Json, *, settled: bool) -> dict[str, Any]:
    metadata = found["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    conditions = (found.get("status") or {}).get("conditions") or []
    told: Json = next((each for each in conditions if each.get("type") == "Ready"), {})
    ready = {"True": True, "False": False}.get(str(told.get("status"))) if settled else None
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
