"""What we keep on a model's object between passes, as annotations: the version that failed last, and a stepped rollout.

There is no journal: a process killed anywhere leaves these, and the next pass reads them. What somebody else put there
and cannot be read is taken as absent; it never stops a pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.codec import model_spec_from_json, model_spec_to_json
from reconciler.model.live import Failure, Rollout
from reconciler.model.manifests import PREFIX, canonical_json

FAILED_ANNOTATION = PREFIX + "failed"
"""Keeps the version that failed last (docs/planning-decisions.md, row 9)."""

ROLLOUT_ANNOTATION = PREFIX + "rollout"
"""Keeps what a stepped rollout has to return to (docs/planning-decisions.md, "Stepped")."""

RECORDS = (FAILED_ANNOTATION, ROLLOUT_ANNOTATION)
"""Annotations that are never in Git and never a difference."""


@dataclass(frozen=True, slots=True)
class Records:
    """What a model's object keeps for us; None where there is nothing."""

    failure: Failure | None = None
    rollout: Rollout | None = None


def records(annotations: Mapping[str, str]) -> Records:
    """Returns what the annotations of a live object keep."""
    return Records(
        failure_from_json(annotations.get(FAILED_ANNOTATION)), rollout_from_json(annotations.get(ROLLOUT_ANNOTATION))
    )


def failure_to_json(failure: Failure) -> str:
    """Returns the text of the annotation that keeps `failure`. Inverse of `failure_from_json`."""
    return canonical_json({name: getattr(failure, name) for name in Failure.__slots__})


def failure_from_json(text: str | None) -> Failure | None:
    """Returns the failure that the annotation's text says, None when it says none."""
    if not text:  # as with most models
        return None
    data = _object(text)
    try:
        retry = data.get("retry")
        return Failure(
            digest=str(data["digest"]),
            count=int(data["count"]),
            when=float(data["when"]),
            why=str(data["why"]),
            retry=None if retry is None else str(retry),
            terms=str(data.get("terms", "")),
            refused=bool(data.get("refused", False)),
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def rollout_to_json(rollout: Rollout) -> str:
    """Returns the text of the annotation that keeps `rollout`. Inverse of `rollout_from_json`."""
    previous = model_spec_to_json(rollout.previous)
    return canonical_json(
        {"digest": rollout.digest, "previous": previous, "replicas": rollout.replicas, "when": rollout.when}
    )


def rollout_from_json(text: str | None) -> Rollout | None:
    """Returns the stepped rollout that the annotation's text says, None when it says none."""
    if not text:
        return None
    data = _object(text)
    try:
        previous = data["previous"]
        if not isinstance(previous, dict):
            return None
        replicas = int(data["replicas"])
        spec = model_spec_from_json(previous)
        return Rollout(str(data["digest"]), spec, replicas, float(data["when"])) if replicas > 0 else None
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _object(text: str) -> dict[str, Any]:
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
