"""What an Experiment says: which models share traffic, and by which weights (docs/seldon.md, "Experiment")."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.canonical import canonical_json


class ResourceType(enum.StrEnum):
    """What the names in an Experiment name."""

    MODEL = "model"
    PIPELINE = "pipeline"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of those that share the traffic; `weight` is its share of the sum of all weights, 0 for none."""

    name: str
    weight: int


@dataclass(frozen=True, slots=True)
class Mirror:
    """What gets a copy of `percent` of the requests, its answers thrown away."""

    name: str
    percent: int


@dataclass(frozen=True, slots=True)
class ExperimentSpec:
    """`Experiment.spec`.

    Attributes:
        default: whose route the experiment takes over, one of the candidates; None when it has only its own route.
        candidates: in the order of the manifest.
    """

    candidates: tuple[Candidate, ...]
    default: str | None = None
    mirror: Mirror | None = None
    resource_type: ResourceType = ResourceType.MODEL

    @property
    def names(self) -> tuple[str, ...]:
        """Every model or pipeline that it names, sorted."""
        mirror = {self.mirror.name} if self.mirror else set()
        return tuple(sorted({candidate.name for candidate in self.candidates} | mirror))

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it names, sorted."""
        return self.names if self.resource_type is ResourceType.MODEL else ()

    @property
    def pipelines(self) -> tuple[str, ...]:
        """The pipelines that it names, sorted."""
        return self.names if self.resource_type is ResourceType.PIPELINE else ()

    @property
    def meaning(self) -> str:
        """Equal for two specs that say the same: the order of the candidates tells nothing."""
        shares = sorted((candidate.name, candidate.weight) for candidate in self.candidates)
        mirror = [self.mirror.name, self.mirror.percent] if self.mirror else None
        return canonical_json([self.resource_type, self.default, shares, mirror])


def experiment_spec_from_json(spec: Mapping[str, Any]) -> ExperimentSpec:
    """Returns the `Experiment.spec` that `spec` says. What a cluster has may lack what the schema demands."""
    mirror, candidates, kind = spec.get("mirror"), spec.get("candidates"), spec.get("resourceType")
    named = [item for item in candidates if isinstance(item, dict)] if isinstance(candidates, list) else []
    return ExperimentSpec(
        candidates=tuple(Candidate(str(item.get("name", "")), _count(item.get("weight"))) for item in named),
        default=str(spec["default"]) if spec.get("default") else None,
        mirror=Mirror(str(mirror.get("name", "")), _count(mirror.get("percent"))) if isinstance(mirror, dict) else None,
        resource_type=ResourceType.PIPELINE if kind == ResourceType.PIPELINE else ResourceType.MODEL,
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def experiment_spec_to_json(spec: ExperimentSpec) -> dict[str, Any]:
    """Returns `spec` as `Experiment.spec`, what is unset or the default left out. Inverse of the above."""
    fields: dict[str, Any] = {"candidates": [{"name": c.name, "weight": c.weight} for c in spec.candidates]}
    if spec.default is not None:
        fields["default"] = spec.default
    if spec.mirror is not None:
        fields["mirror"] = {"name": spec.mirror.name, "percent": spec.mirror.percent}
    if spec.resource_type is not ResourceType.MODEL:
        fields["resourceType"] = spec.resource_type.value
    return fields
