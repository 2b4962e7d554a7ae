"""What an Experiment says: which models share traffic, and by which weights (docs/seldon.md, "Experiment")."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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


def experiment_spec_from_json(spec: Mapping[str, Any]) -> ExperimentSpec:
    """Returns the `Experiment.spec` that `spec` says, which has passed the schema."""
    mirror = spec.get("mirror")
    return ExperimentSpec(
        candidates=tuple(Candidate(item["name"], item["weight"]) for item in spec["candidates"]),
        default=spec.get("default"),
        mirror=None if mirror is None else Mirror(mirror["name"], mirror["percent"]),
        resource_type=ResourceType(spec.get("resourceType", ResourceType.MODEL)),
    )
