"""What our actions apply to objects of Seldon's kinds on a real API server. Pure.

An apply says everything that we mean to own: what it no longer says, and nobody else owns, is gone. So `spec.replicas`
that leaves Git is given first to a manager of its own, with the value that it has (docs/decisions/0012)::

    step                         .spec.replicas    owners
    Git says 3, we apply 3       3                 model-reconciler
    Git says nothing any more    3                 model-reconciler, model-reconciler-handover
    we apply without it          3                 model-reconciler-handover
    an autoscaler scales to 5    5                 the autoscaler

An apply to an object that is there names its uid: one that was deleted meanwhile is not made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.clusters.documents import UNREAD, annotations_of, carried_document, model_document, server_document
from reconciler.clusters.kubernetes.ownership import HANDOVER, REPLICAS, Owner, owned, solely_owned, within
from reconciler.clusters.kubernetes.resources import EXPERIMENTS, MODELS, PIPELINES, SERVERS, Resource
from reconciler.model.manifests import CarriedManifest, ExperimentManifest, ModelManifest, ServerManifest
from reconciler.model.records import FAILED_ANNOTATION

Json = dict[str, Any]
Live = Mapping[str, Any] | None
"""The object as the API server has it, None when there is none."""


@dataclass(frozen=True, slots=True)
class Apply:
    """One action's server-side apply.

    Attributes:
        document: what we apply. handover: what `HANDOVER` applies before, None when nothing leaves Git.
        partial: the document says only some of the fields on purpose, so what else there is, is no leftover.
    """

    resource: Resource
    document: Json
    handover: Json | None = None
    partial: bool = False


def model_apply(manifest: ModelManifest, live: Live, *, again: bool = False) -> Apply:
    """Returns what is applied to write `manifest`.

    Args:
        again: whether the scheduler must try once more, though nothing else may have changed.
    """
    spec = None if live is None else live.get("spec") or {}
    document = model_document(manifest, spec, again=again)
    if not again and live is not None and not within(owned(live), f".spec.{UNREAD}"):
        document["spec"].pop(UNREAD, None)
    return _apply(MODELS, manifest, document, live)


def server_apply(manifest: ServerManifest, live: Live) -> Apply:
    """Returns what is applied to write `manifest`."""
    return _apply(SERVERS, manifest, server_document(manifest), live)


def carried_apply(manifest: CarriedManifest, live: Live) -> Apply:
    """Returns what is applied to write `manifest`."""
    resource = EXPERIMENTS if isinstance(manifest, ExperimentManifest) else PIPELINES
    return Apply(resource, _addressed(resource, carried_document(manifest), live))


def _apply(resource: Resource, manifest: ModelManifest | ServerManifest, document: Json, live: Live) -> Apply:
    spec = document["spec"]
    if manifest.leaves_replicas and spec.get("replicas", 1) == _replicas(live):
        spec.pop("replicas", None)
    from_live = live is not None and not manifest.source.file
    if from_live:
        document = _only_ours(document, live or {})
    document = _addressed(resource, document, live)
    return Apply(resource, document, _handover(document, live), partial=from_live)


def adoption(manifest: ModelManifest | ServerManifest, live: Mapping[str, Any]) -> Apply:
    """Returns what is applied to own `live`: labels and annotations, and of the spec what is ours already."""
    resource = MODELS if isinstance(manifest, ModelManifest) else SERVERS
    spec = {name: value for name, value in (live.get("spec") or {}).items() if within(owned(live), f".spec.{name}")}
    metadata = {"name": manifest.name, "labels": dict(manifest.labels), "annotations": annotations_of(manifest)}
    document: Json = {"metadata": metadata} | ({"spec": spec} if spec else {})
    return Apply(resource, _addressed(resource, document, live), partial=True)


def _replicas(live: Live) -> Any:
    """The number that is live; the field's default is 1."""
    found = None if live is None else (live.get("spec") or {}).get("replicas")
    return 1 if found is None else found


def _only_ours(document: Json, live: Mapping[str, Any]) -> Json:
    """Of a manifest that was read off the live object: what is ours, or is to become different."""
    ours = owned(live)

    def kept(part: Json, known: Mapping[str, Any], above: str) -> Json:
        return {
            name: value for name, value in part.items() if known.get(name) != value or within(ours, f"{above}.{name}")
        }

    metadata = live.get("metadata") or {}
    parts = {
        part: kept(document["metadata"][part], metadata.get(part) or {}, f".metadata.{part}")
        for part in ("labels", "annotations")
    }
    spec = kept(document["spec"], live.get("spec") or {}, ".spec")
    return {**document, "metadata": {**document["metadata"], **parts}, "spec": spec}


def _addressed(resource: Resource, document: Json, live: Live) -> Json:
    metadata = {name: value for name, value in document["metadata"].items() if value and name != "namespace"}
    if "annotations" in metadata:
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != FAILED_ANNOTATION}
    if live is not None:
        metadata["uid"] = live["metadata"]["uid"]
    rest = {"spec": document["spec"]} if "spec" in document else {}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **rest}


def _handover(document: Json, live: Live) -> Json | None:
    """What the manager of that name must own before `document` is applied, so that it keeps its value."""
    spec = document.get("spec") or {}
    if live is None or "replicas" in spec or REPLICAS not in solely_owned(live):
        return None
    metadata = {"name": live["metadata"]["name"], "uid": live["metadata"]["uid"]}
    kept = {"replicas": live["spec"]["replicas"]}
    return {"apiVersion": document["apiVersion"], "kind": document["kind"], "metadata": metadata, "spec": kept}


def handed_over(live: Mapping[str, Any]) -> bool:
    """Returns whether `spec.replicas` is kept for whoever may want it, and nobody has taken it yet."""
    return REPLICAS in owned(live, Owner(HANDOVER, applies=True))
