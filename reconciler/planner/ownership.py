"""Whose an object is, and which of its labels and annotations we write."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TypeVar

from reconciler.model.carried import LiveCarried
from reconciler.model.live import LiveModel, LiveServer
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
    live: LiveModel | LiveServer | LiveCarried,
) -> bool:
    """Returns whether a label or annotation that Git sets is not live, or one that we wrote is live and not in Git.

    Args:
        policy: the annotations that say the manifest's policy. policy_names: all that could (without the prefix).
        live: the object; others' entries there are none of our business.
    """
    labels, annotations = dict(live.labels), dict(live.annotations)
    wanted = dict(manifest.annotations) | dict(policy)
    stale = {PREFIX + name for name in policy_names} & set(annotations) - set(policy)
    return (
        bool(stale)
        or bool(_left_behind(live.owned, manifest.labels, wanted))
        or any(annotations.get(name) != value for name, value in wanted.items())
        or any(labels.get(name) != value for name, value in manifest.labels)
    )


def _left_behind(owned: Iterable[str], labels: Pairs, annotations: Mapping[str, str]) -> set[str]:
    """What we wrote and Git has no more; our own marks and records are never in Git."""
    wanted = {f".metadata.labels.{name}" for name, _ in labels} | {f".metadata.annotations.{n}" for n in annotations}
    ours = tuple(f".metadata.{part}.{PREFIX}" for part in ("labels", "annotations"))
    return {field for field in owned if field not in wanted and not field.startswith(ours)}
