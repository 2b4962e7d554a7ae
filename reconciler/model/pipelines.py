"""What a Pipeline says, as far as anybody but the cluster reads it: its steps, and the pipelines that it takes from.

Everything else of its spec is kept as text (docs/seldon.md, "Pipeline"): it is carried along, never interpreted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.canonical import canonical_json

_JOINS = frozenset({"inputsJoinType", "triggersJoinType", "joinType", "stepsJoin"})
"""Fields that say how several inputs are joined; a cluster fills in `inner` where they are not set."""

_EXTERNAL = ("externalInputs", "externalTriggers")


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """`Pipeline.spec`.

    Attributes:
        text: all of it as canonical JSON, so that nothing a user wrote is lost when the object is written.
        models: the models that its steps name, sorted; a step has the name of its model.
        pipelines: the other pipelines that it takes its input from, sorted.
        meaning: `text` without what is the default anyway: equal for two specs that say the same.
    """

    text: str
    models: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    meaning: str = "{}"


def pipeline_spec_from_json(spec: Mapping[str, Any]) -> PipelineSpec:
    """Returns the `Pipeline.spec` that `spec` says; parts of a wrong type name nothing."""
    steps = spec.get("steps")
    names = [step.get("name") for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    return PipelineSpec(
        text=canonical_json(spec),
        models=tuple(sorted({name for name in names if isinstance(name, str)})),
        pipelines=tuple(sorted(set(_taken_from(spec)))),
        meaning=canonical_json(_meant(spec)),
    )


def pipeline_spec_to_json(spec: PipelineSpec) -> dict[str, Any]:
    """Returns `spec` as `Pipeline.spec`. Inverse of `pipeline_spec_from_json`."""
    found: dict[str, Any] = json.loads(spec.text)
    return found


def _taken_from(spec: Mapping[str, Any]) -> Iterator[str]:
    """An external input is `PIPELINE.inputs`, `PIPELINE.outputs` or `PIPELINE.step.STEP.…`."""
    given = spec.get("input")
    for field in _EXTERNAL if isinstance(given, dict) else ():
        references = given.get(field) if isinstance(given, dict) else None
        for reference in references if isinstance(references, list) else ():
            if isinstance(reference, str):
                yield reference.partition(".")[0]


def _meant(value: Any) -> Any:
    if isinstance(value, list):
        return [_meant(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    meant = {name: content if name == "tensorMap" else _meant(content) for name, content in value.items()}
    return {name: content for name, content in meant.items() if not _by_default(name, content)}


def _by_default(name: str, value: Any) -> bool:
    return value is None or value is False or value in ([], {}) or (name in _JOINS and value == "inner")
