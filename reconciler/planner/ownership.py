"""Whose an object is, and which of its labels and annotations we write."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TypeVar

from reconciler.model.manifests import (
    COMMIT_ANNOTATION,
    INSTANCE_LABEL,
    PREFIX,
    CarriedManifest,
    ModelManifest,
    ServerManifest,
)

Pairs = tuple[tuple[str, str], ...]
ManifestT = TypeVar("ManifestT", bound=ModelManifest | ServerManifest | CarriedManifest)


def marked(manifest: ManifestT, instance: str, commit: str) -> ManifestT:
    """Returns `manifest` with the label of its owner and, if there is a commit, the annotation of it."""
    labels = dict(manifest.labels) | {INSTANCE_LABEL: instance}
    annotations = dict(manifest.annotations) | ({COMMIT_ANNOTATION: commit} if commit else {})
    return dataclasses.replace(
        manifest, labels=tuple(sorted(labels.items())), annotations=tuple(sorted(annotations.items()))
    )


def metadata_differs(
    manifest: ModelManifest | ServerManifest | CarriedManifest,
    policy: Mapping[str, str],
    policy_names: Iterable[str],
    live_labels: Pairs,
    live_annotations: Pairs,
) -> bool:
    """Returns whether a label or annotation that Git sets is not live, or a policy of ours is live but not in Git.

    Args:
        policy: the annotations that say the manifest's policy. policy_names: all that could (without the prefix).
        live_labels, live_annotations: of the live object; others' entries there are none of our business.
    """
    labels, annotations = dict(live_labels), dict(live_annotations)
    wanted = dict(manifest.annotations) | dict(policy)
    stale = {PREFIX + name for name in policy_names} & set(annotations) - set(policy)
    return (
        bool(stale)
        or any(annotations.get(name) != value for name, value in wanted.items())
        or any(labels.get(name) != value for name, value in manifest.labels)
    )
