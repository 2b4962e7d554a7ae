"""Reads a case file (desired, live, guards) and writes a plan as the text that cases expect.

The live state is written short: room is the limit less what the versions take, unless it is given; a version's spec is
the model's, with what it says itself put over it; versions are told by their artifact instead of their digest.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from reconciler.model.carried import LiveExperiment, LivePipeline
from reconciler.model.codec import (
    carried_policy,
    model_policy,
    model_spec_from_json,
    server_policy,
    server_spec_from_json,
)
from reconciler.model.experiments import experiment_spec_from_json
from reconciler.model.live import (
    SELDON_TRAITS,
    Failure,
    LiveModel,
    LiveReplica,
    LiveServer,
    LiveState,
    LiveVersion,
    ReplicaState,
    Rollout,
    ServerConfig,
    Traits,
    VersionState,
)
from reconciler.model.manifests import (
    PREFIX,
    DesiredState,
    ExperimentManifest,
    ModelManifest,
    ModelSpec,
    PipelineManifest,
    ServerManifest,
    Source,
)
from reconciler.model.pipelines import pipeline_spec_from_json
from reconciler.model.plan import Action, ActionKind, Decision, Guards, Plan, ProbePolicy
from reconciler.model.quantity import format_bytes, parse_quantity
from reconciler.model.records import ROLLOUT_ANNOTATION, rollout_from_json
from reconciler.planner import plan

Json = dict[str, Any]
NOW = 1_000_000.0
WRITING = {ActionKind.LOAD, ActionKind.CHANGE, ActionKind.RETRIGGER}
TRAITS = {"local": Traits(commands_traffic=True, reuses_versions=True), "seldon": SELDON_TRAITS}


def read_case(path: Path) -> Json:
    """Returns the case file's content."""
    content: Json = YAML(typ="safe").load(path.read_text())
    return content


def desired_state(documents: list[Json]) -> DesiredState:
    """Returns the manifests that `documents` say, each with its kind, name, spec and, if any, annotations of ours."""
    models, servers, experiments, pipelines = [], [], [], []
    for number, document in enumerate(documents, 1):
        source = Source("case.yaml", number)
        annotations = {PREFIX + name: str(text) for name, text in document.get("annotations", {}).items()}
        labels = tuple(document.get("labels", {}).items())
        if document["kind"] == "Server":
            spec = server_spec_from_json(_server(document["spec"]))
            policy, errors = server_policy(annotations)
            servers.append(ServerManifest(document["name"], spec, source, policy, labels=labels))
        elif document["kind"] == "Experiment":
            rules, errors = carried_policy(annotations)
            traffic = experiment_spec_from_json(document["spec"])
            experiments.append(ExperimentManifest(document["name"], traffic, source, labels=labels, policy=rules))
        elif document["kind"] == "Pipeline":
            rules, errors = carried_policy(annotations)
            steps = pipeline_spec_from_json(document["spec"])
            pipelines.append(PipelineManifest(document["name"], steps, source, labels=labels, policy=rules))
        else:
            model_rules, errors = model_policy(annotations)
            models.append(
                ModelManifest(
                    document["name"], model_spec_from_json(document["spec"]), source, model_rules, labels=labels
                )
            )
        assert not errors, errors
    return DesiredState(
        "c0ffee", tuple(models), tuple(servers), experiments=tuple(experiments), pipelines=tuple(pipelines)
    )


def live_state(live: Json) -> LiveState:
    """Returns the live state that a case's `live` says."""
    models = [_live_model(name, content) for name, content in live.get("models", {}).items()]
    return LiveState(
        NOW,
        tuple(models),
        tuple(_live_server(name, content, models) for name, content in live.get("servers", {}).items()),
        (ServerConfig("mlserver", frozenset({"sklearn"})),),
        TRAITS[live.get("traits", "local")],
        experiments=tuple(
            LiveExperiment(name, experiment_spec_from_json(content["spec"]), **_live_carried(content))
            for name, content in live.get("experiments", {}).items()
        ),
        pipelines=tuple(
            LivePipeline(name, pipeline_spec_from_json(content["spec"]), **_live_carried(content))
            for name, content in live.get("pipelines", {}).items()
        ),
    )


def _live_carried(content: Json) -> Json:
    return {
        "instance": content.get("owner", "default"),
        "labels": tuple(content.get("labels", {}).items()),
        "annotations": tuple((PREFIX + key, str(text)) for key, text in content.get("annotations", {}).items()),
        "deleting": content.get("deleting", False),
        "ready": content.get("ready", True),
        "message": content.get("message", ""),
    }


def guards(content: Json) -> Guards:
    """Returns the guards that a case's `guards` say."""
    return Guards(
        max_deletions=str(content.get("maxDeletions", "20%")),
        headroom=content.get("headroom", 0),
        default_model_memory=content.get("defaultModelMemory"),
        only=frozenset(content.get("only", ())),
        probe=ProbePolicy(content.get("probe", "auto")),
    )


def planned(case: Json) -> Plan:
    """Returns the plan for a case."""
    return plan(
        desired_state(case.get("desired", [])), live_state(case.get("live", {})), guards(case.get("guards", {}))
    )


def plan_text(case: Json) -> str:
    """Returns the plan for a case as text: decisions, actions with what they come after, capacity, exit code."""
    result = planned(case)
    names = _artifacts(case)
    lines = [_decision(decision) for decision in result.decisions]
    lines += ["", *(_action(action) for action in result.actions)] if result.actions else []
    lines += ["", *_capacity(result)] if result.actions else []
    lines += ["", f"exit {result.exit_code}"]
    text = "\n".join(lines) + "\n"
    for digest, name in names.items():
        text = text.replace(digest, name)
    return text


def _decision(decision: Decision) -> str:
    row = f" (row {decision.row})" if decision.row else ""
    lines = [f"{decision.kind} {decision.name}: {decision.verb}{row}: {decision.reason}"]
    lines += [f"    {decision.detail}"] if decision.detail else []
    lines += [f"    failure: {decision.failure}"] if decision.failure else []
    return "\n".join(lines + [f"    fix: {fix}" for fix in decision.fixes])


def _action(action: Action) -> str:
    lines = [action.id]
    lines += [f"    {line}" for line in _written(action)]
    lines += [
        f"    takes {use.replicas} × {format_bytes(use.amount)} of {use.server or 'any server'}" for use in action.takes
    ]
    lines += [f"    frees {use.replicas} × {format_bytes(use.amount)} of {use.server}" for use in action.frees]
    return "\n".join(lines + [f"    after {edge.action} ({edge.kind})" for edge in action.after])


def _written(action: Action) -> list[str]:
    """What the plan's own text does not show: replicas that are written below Git's, and what is kept on record."""
    if action.model is None or action.kind not in WRITING:
        return []
    spec = action.model.spec
    rollout = rollout_from_json(dict(action.model.annotations).get(ROLLOUT_ANNOTATION))
    lines = [] if spec.min_replicas is None else [f"replicas {spec.wanted_replicas}, minReplicas {spec.min_replicas}"]
    if rollout is not None:
        lines.append(f"on record: {rollout.replicas} × {rollout.previous.storage_uri} before {rollout.digest}")
    return lines


def _capacity(result: Plan) -> list[str]:
    return [
        f"{row.server}/{row.replica}: {format_bytes(row.before)}, at peak {format_bytes(row.peak)}, "
        f"then {format_bytes(row.after)} of {format_bytes(row.limit)}"
        for row in result.capacity
    ]


def _artifacts(case: Json) -> dict[str, str]:
    specs = [document["spec"] for document in case.get("desired", []) if document["kind"] == "Model"]
    for model in case.get("live", {}).get("models", {}).values():
        specs += [
            model["spec"] | (model.get("rollout") or {}).get("from", {}),
            model["spec"] | (model.get("rollout") or {}).get("to", {}),
            model["spec"],
            *(model["spec"] | ((v or {}).get("spec") or {}) for v in model.get("versions", {}).values()),
        ]
    return {model_spec_from_json(spec).digest: spec["storageUri"].split("/")[-1] for spec in specs}


def _server(spec: Json) -> Json:
    """Lets a case say `memory` for what a manifest says in podSpec; overcommit is none unless the case says so."""
    spec = dict(spec)
    memory, percent = spec.pop("memory", None), spec.pop("overcommitPercent", 0)
    variable = {"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": str(percent)}
    containers: list[Json] = [{"name": "agent", "env": [variable]}]
    if memory is not None:
        containers.append({"name": spec["serverConfig"], "resources": {"requests": {"memory": memory}}})
    return spec | {"podSpec": {"containers": containers}}


def _live_model(name: str, content: Json) -> LiveModel:
    spec = model_spec_from_json(content["spec"])
    versions = tuple(
        _live_version(number, v or {}, content["spec"]) for number, v in content.get("versions", {}).items()
    )
    failure = content.get("failed")
    annotations = {PREFIX + key: str(text) for key, text in content.get("annotations", {}).items()}
    return LiveModel(
        name,
        spec,
        content.get("owner", "default"),
        labels=tuple(content.get("labels", {}).items()),
        annotations=tuple(annotations.items()),
        versions=versions,
        route=tuple(content.get("route", {}).items()),
        deleting=content.get("deleting", False),
        failure=failure and _failure(failure, _spec(content, failure).digest),
        rollout=_rollout(content),
    )


def _spec(content: Json, other: Json) -> ModelSpec:
    """The model's spec with what `other` says in its `spec` put over it."""
    return model_spec_from_json(content["spec"] | other.get("spec", {}))


def _rollout(content: Json) -> Rollout | None:
    """A stepped rollout on record: `to` and `from` are put over the model's spec."""
    said = content.get("rollout")
    if said is None:
        return None
    previous = dataclasses.replace(_spec(content, {"spec": said.get("from", {})}), replicas=None)
    return Rollout(_spec(content, {"spec": said.get("to", {})}).digest, previous, said["replicas"], NOW - 10)


def _failure(content: Json, digest: str) -> Failure:
    return Failure(
        digest,
        content.get("count", 1),
        NOW - content["secondsAgo"],
        content["why"],
        content.get("retry"),
        content.get("terms", ""),
        content.get("refused", False),
    )


def _live_version(number: int, content: Json, model_spec: Json) -> LiveVersion:
    spec = model_spec_from_json(model_spec | content.get("spec", {}))
    states = content.get("replicas", {0: "Available"})
    return LiveVersion(
        number,
        None if content.get("digest") == "unknown" else spec.digest,
        spec.memory or 0,
        content.get("server", "mlserver"),
        VersionState(content.get("state", "ModelAvailable")),
        tuple((index, ReplicaState(state)) for index, state in states.items()),
        content.get("wanted", spec.wanted_replicas),
        reason=content.get("reason", ""),
    )


def _live_server(name: str, content: Json, models: list[LiveModel]) -> LiveServer:
    spec = server_spec_from_json(_server({"serverConfig": "mlserver"} | content.get("spec", {})))
    replicas = []
    for index, given in enumerate(content.get("replicas") or [{}] * spec.wanted_replicas):
        taken = sum(v.memory for m in models for v in m.versions if v.server == name and index in v.occupied)
        room = parse_quantity(given["room"]) if "room" in given else spec.limit - taken
        replicas.append(LiveReplica(index, spec.limit, room, given.get("ready", True)))
    return LiveServer(
        name,
        spec,
        frozenset({"sklearn", *spec.extra_capabilities}),
        tuple(replicas),
        content.get("owner", "default"),
        deleting=content.get("deleting", False),
    )
