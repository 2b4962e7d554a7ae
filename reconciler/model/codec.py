"""Specs and policies to and from the JSON shape of the Model and Server kinds (docs/seldon.md, "Objects").

The repository, the local cluster's state and every cluster backend read and write objects through these functions, so
that a field has one meaning everywhere. What they read has passed the schema, or comes from a cluster; of the latter,
fields that are missing or of the wrong type are taken as unset.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.model.manifests import (
    PREFIX,
    CarriedPolicy,
    Explainer,
    Llm,
    ModelPolicy,
    ModelSpec,
    Parameter,
    ServerPolicy,
    ServerSpec,
    Strategy,
    canonical_json,
)
from reconciler.model.quantity import parse_quantity

Json = dict[str, Any]

OVERCOMMIT_VARIABLE = "SELDON_OVERCOMMIT_PERCENTAGE"
"""Environment variable of the container `agent` that holds a Server's overcommit in percent."""

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


def parse_duration(text: str) -> float:
    """Returns the seconds of a duration such as `90s`, `5m` or `1h30m`. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"not a duration: {text!r}")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)


def format_duration(seconds: float) -> str:
    """Returns `seconds` in the form that `parse_duration` reads."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    text = (f"{hours:.0f}h" if hours else "") + (f"{minutes:.0f}m" if minutes else "") + (f"{rest:g}s" if rest else "")
    return text or "0s"


def model_spec_from_json(spec: Mapping[str, Any]) -> ModelSpec:
    """Returns the `Model.spec` that `spec` says. Raises ValueError when `memory` is not a quantity."""
    fields: dict[str, Any] = {"storage_uri": ""}
    for name, value in spec.items():  # few of the fields are set in most
        if value is not None and name in _MODEL_FIELDS:
            attribute, read = _MODEL_FIELDS[name]
            said = read(value)
            if said is not None:
                fields[attribute] = said
    return ModelSpec(**fields)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(str(item) for item in value) if isinstance(value, list) else None


def _logger(value: object) -> int | None:
    return _number(value.get("percent")) or 0 if isinstance(value, dict) else None


def _explainer(value: object) -> Explainer | None:
    if not isinstance(value, dict):
        return None
    return Explainer(value.get("type", ""), value.get("modelRef"), value.get("pipelineRef"))


def _llm(value: object) -> Llm | None:
    return Llm(value.get("modelRef"), value.get("pipelineRef")) if isinstance(value, dict) else None


def _parameters(value: object) -> tuple[Parameter, ...] | None:
    if not isinstance(value, list):
        return None
    items = (item for item in value if isinstance(item, dict))
    return tuple(Parameter(str(item.get("name", "")), str(item.get("value", ""))) for item in items)


def _dataflow(value: object) -> bool | None:
    return bool(value.get("cleanTopicsOnDelete")) if isinstance(value, dict) else None


_MODEL_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "storageUri": ("storage_uri", _text),
    "artifactVersion": ("artifact_version", _number),
    "modelType": ("model_type", _text),
    "schemaUri": ("schema_uri", _text),
    "secretName": ("secret_name", _text),
    "requirements": ("requirements", _texts),
    "memory": ("memory", parse_quantity),
    "replicas": ("replicas", _number),
    "minReplicas": ("min_replicas", _number),
    "maxReplicas": ("max_replicas", _number),
    "server": ("server", _text),
    "preloaded": ("preloaded", bool),
    "dedicated": ("dedicated", bool),
    "logger": ("logger_percent", _logger),
    "explainer": ("explainer", _explainer),
    "llm": ("llm", _llm),
    "parameters": ("parameters", _parameters),
    "dataflow": ("clean_topics_on_delete", _dataflow),
}
"""Fields of `Model.spec`: the attribute of `ModelSpec`, and what reads a value, None when it is of the wrong type."""


def model_spec_to_json(spec: ModelSpec) -> Json:
    """Returns `spec` as `Model.spec`, unset fields left out. Inverse of `model_spec_from_json`."""
    explainer, llm, topics = spec.explainer, spec.llm, spec.clean_topics_on_delete
    fields: Json = {
        "storageUri": spec.storage_uri,
        "artifactVersion": spec.artifact_version,
        "modelType": spec.model_type,
        "schemaUri": spec.schema_uri,
        "secretName": spec.secret_name,
        "requirements": list(spec.requirements) or None,
        "memory": None if spec.memory is None else str(spec.memory),
        "replicas": spec.replicas,
        "minReplicas": spec.min_replicas,
        "maxReplicas": spec.max_replicas,
        "server": spec.server,
        "preloaded": spec.preloaded or None,
        "dedicated": spec.dedicated or None,
        "logger": None if spec.logger_percent is None else {"percent": spec.logger_percent},
        "explainer": explainer
        and _set({"type": explainer.type, "modelRef": explainer.model_ref, "pipelineRef": explainer.pipeline_ref}),
        "llm": llm and _set({"modelRef": llm.model_ref, "pipelineRef": llm.pipeline_ref}),
        "parameters": [{"name": p.name, "value": p.value} for p in spec.parameters] or None,
        "dataflow": None if topics is None else {"cleanTopicsOnDelete": topics},
    }
    return _set(fields)


def _set(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


_SERVER_FIELDS = ("serverConfig", "replicas", "minReplicas", "maxReplicas", "capabilities", "extraCapabilities")


def server_spec_from_json(spec: Mapping[str, Any]) -> ServerSpec:
    """Returns the `Server.spec` that `spec` says; `podSpec` gives memory and overcommit.

    Raises:
        ValueError: the memory request is not a quantity, or the overcommit not a whole number.
    """
    config = _text(spec.get("serverConfig")) or ""
    containers = _containers(spec.get("podSpec"))
    requests = ((containers.get(config) or {}).get("resources") or {}).get("requests") or {}
    variables = (containers.get("agent") or {}).get("env") or []
    overcommit = next((v.get("value") for v in variables if v.get("name") == OVERCOMMIT_VARIABLE), None)
    return ServerSpec(
        server_config=config,
        replicas=_number(spec.get("replicas")),
        min_replicas=_number(spec.get("minReplicas")),
        max_replicas=_number(spec.get("maxReplicas")),
        capabilities=_texts(spec.get("capabilities")),
        extra_capabilities=_texts(spec.get("extraCapabilities")) or (),
        memory=parse_quantity(requests["memory"]) if "memory" in requests else None,
        overcommit_percent=None if overcommit is None else int(overcommit),
        rest=canonical_json({name: value for name, value in spec.items() if name not in _SERVER_FIELDS}),
    )


def _containers(pod: object) -> dict[Any, Json]:
    found = pod.get("containers") if isinstance(pod, dict) else None
    return {c.get("name"): c for c in found if isinstance(c, dict)} if isinstance(found, list) else {}


def server_spec_to_json(spec: ServerSpec) -> Json:
    """Returns `spec` as `Server.spec`, unset fields left out. Inverse of `server_spec_from_json`."""
    rest: Json = json.loads(spec.rest)
    fields: Json = {
        "serverConfig": spec.server_config,
        "replicas": spec.replicas,
        "minReplicas": spec.min_replicas,
        "maxReplicas": spec.max_replicas,
        "capabilities": None if spec.capabilities is None else list(spec.capabilities),
        "extraCapabilities": list(spec.extra_capabilities) or None,
    }
    return _set(fields) | rest


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text == "true"


def _prune(text: str) -> bool:
    if text not in ("enabled", "disabled"):
        raise ValueError("neither enabled nor disabled")
    return text == "enabled"


def _strategy(text: str) -> Strategy:
    return Strategy(text)


def _unavailable(text: str) -> str:
    if re.fullmatch(r"\d+|\d{1,2}%|100%", text) is None:
        raise ValueError("neither a number nor a percentage")
    return text


def _smoke_request(text: str) -> str:
    try:
        request = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(request, dict) or not isinstance(request.get("inputs"), list) or not request["inputs"]:
        raise ValueError("not a V2 inference request: a JSON object with a list `inputs`")
    return canonical_json(request)


def _count(text: str) -> int:
    if re.fullmatch(r"\d{1,6}", text) is None:
        raise ValueError("not a whole number")
    return int(text)


MODEL_ANNOTATIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "strategy": ("strategy", _strategy),
    "max-unavailable": ("max_unavailable", _unavailable),
    "suspend": ("suspend", _boolean),
    "prune": ("prune", _prune),
    "load-timeout": ("load_timeout", parse_duration),
    "drain-timeout": ("drain_timeout", parse_duration),
    "smoke-request": ("smoke_request", _smoke_request),
    "retry": ("retry", str),
}
"""Our annotations on a Model (without `PREFIX`): the field of `ModelPolicy` and the parser of its text."""

SERVER_ANNOTATIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "surge-replicas": ("surge_replicas", _count),
    "suspend": ("suspend", _boolean),
    "prune": ("prune", _prune),
}
"""Our annotations on a Server (without `PREFIX`): the field of `ServerPolicy` and the parser of its text."""

CARRIED_ANNOTATIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "suspend": ("suspend", _boolean),
    "prune": ("prune", _prune),
}
"""Our annotations on an Experiment or a Pipeline: the field of `CarriedPolicy` and the parser of its text."""


def _policy_fields(
    annotations: Mapping[str, str], known: Mapping[str, tuple[str, Callable[[str], Any]]]
) -> tuple[dict[str, Any], dict[str, str]]:
    fields: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, (attribute, parse) in known.items():
        text = annotations.get(PREFIX + name)
        if text is None:
            continue
        try:
            fields[attribute] = parse(text)
        except ValueError as error:
            errors[PREFIX + name] = str(error)
    return fields, errors


def model_policy(annotations: Mapping[str, str]) -> tuple[ModelPolicy, dict[str, str]]:
    """Returns what our annotations say, and for each one that cannot be read (it keeps its default) what is wrong."""
    fields, errors = _policy_fields(annotations, MODEL_ANNOTATIONS)
    return ModelPolicy(**fields), errors


def server_policy(annotations: Mapping[str, str]) -> tuple[ServerPolicy, dict[str, str]]:
    """Returns what our annotations say, and for each one that cannot be read (it keeps its default) what is wrong."""
    fields, errors = _policy_fields(annotations, SERVER_ANNOTATIONS)
    return ServerPolicy(**fields), errors


def carried_policy(annotations: Mapping[str, str]) -> tuple[CarriedPolicy, dict[str, str]]:
    """Returns what our annotations say, and for each one that cannot be read (it keeps its default) what is wrong."""
    fields, errors = _policy_fields(annotations, CARRIED_ANNOTATIONS)
    return CarriedPolicy(**fields), errors


def model_policy_annotations(policy: ModelPolicy) -> dict[str, str]:
    """Returns the annotations that say `policy`, defaults left out. Inverse of `model_policy`."""
    return _policy_annotations(policy, ModelPolicy(), MODEL_ANNOTATIONS)


def server_policy_annotations(policy: ServerPolicy) -> dict[str, str]:
    """Returns the annotations that say `policy`, defaults left out. Inverse of `server_policy`."""
    return _policy_annotations(policy, ServerPolicy(), SERVER_ANNOTATIONS)


def carried_policy_annotations(policy: CarriedPolicy) -> dict[str, str]:
    """Returns the annotations that say `policy`, defaults left out. Inverse of `carried_policy`."""
    return _policy_annotations(policy, CarriedPolicy(), CARRIED_ANNOTATIONS)


def _policy_annotations(policy: object, default: object, known: Mapping[str, tuple[str, object]]) -> dict[str, str]:
    if policy == default:  # as of most objects
        return {}
    return {
        PREFIX + name: _annotation_text(name, getattr(policy, attribute))
        for name, (attribute, _) in known.items()
        if getattr(policy, attribute) != getattr(default, attribute)
    }


def _annotation_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return ("enabled" if value else "disabled") if name == "prune" else ("true" if value else "false")
    return format_duration(float(value)) if name.endswith("timeout") and isinstance(value, int | float) else str(value)
