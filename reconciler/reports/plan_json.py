"""Plans as canonical JSON (schemas/plan.schema.json): to be read, compared and saved.

A saved plan is not read back into a plan. `apply PLANFILE` plans again and compares: only what would be planned now
is ever executed, and a file that somebody edited cannot make it do anything else. So the file needs to hold nothing
secret: parameters, labels, annotations and the pod spec are left out; the digests stand for them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from reconciler.errors import PlanStale, UsageError
from reconciler.model.clean import clean, secret_values, without_credentials
from reconciler.model.manifests import CarriedManifest, ModelSpec, ServerSpec
from reconciler.model.plan import Action, Guards, Plan, ProbePolicy
from reconciler.reports.encode import Json, action_json, capacity_json, decision_json, iso

FORMAT_VERSION = "1"
"""Version of the data's shape."""

_NOT_COMPARED = frozenset({"source", "detail", "fixes", "failure"})


def plan_json(plan: Plan) -> bytes:
    """Returns `plan` as JSON text; equal plans give the same bytes."""
    return (json.dumps(_plan(plan), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def saved_plan_matches(text: bytes, plan: Plan) -> None:
    """Checks that a saved plan is what would be planned now.

    Args:
        text: what `plan_json` gave when the plan was saved. plan: made now.

    Raises:
        UsageError: `text` is no saved plan, or one of another format. PlanStale: it is not what `plan` says.
    """
    saved, now = _read(text), _plan(plan)
    changes = [change for change in _changes(saved, now) if change]
    if changes:
        raise PlanStale(
            "the saved plan is stale, nothing of it was applied",
            why="; ".join(changes),
            fix="make a new plan, look at it, and apply that one",
        )


def saved_guards(text: bytes) -> Guards:
    """Returns the guards that a saved plan was made under, so that it is planned again under the same.

    Raises:
        UsageError: `text` is no saved plan, or one of another format.
    """
    saved = _read(text)
    guards: Any = saved.get("guards")
    try:
        return Guards(
            instance=str(saved["instance"]),
            max_deletions=str(guards["maxDeletions"]),
            headroom=int(guards["headroom"]),
            default_model_memory=None if (memory := guards["defaultModelMemory"]) is None else int(memory),
            only=frozenset(map(str, guards["only"])),
            probe=ProbePolicy(guards["probe"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _no_plan("parts of it are missing") from error


def _plan(plan: Plan) -> Json:
    models = [action.model for action in plan.actions if action.model is not None]
    secrets = frozenset[str]().union(*(secret_values(model.spec.parameters) for model in models))
    return {
        "formatVersion": FORMAT_VERSION,
        "kind": "Plan",
        "instance": plan.instance,
        "commit": plan.commit,
        "desired": plan.desired,
        "live": plan.live,
        "exitCode": plan.exit_code,
        "decisions": [_cleaned(decision_json(decision), secrets) for decision in plan.decisions],
        "actions": [_action(action, secrets) for action in plan.actions],
        "capacity": [capacity_json(capacity) for capacity in plan.capacity],
        "nextStepAt": iso(plan.next_step_at),
        "unverified": plan.unverified,
        "roomSource": plan.room_source,
        "guards": {
            "maxDeletions": plan.guards.max_deletions,
            "headroom": plan.guards.headroom,
            "defaultModelMemory": plan.guards.default_model_memory,
            "only": sorted(plan.guards.only),
            "probe": plan.guards.probe,
        },
    }


def _action(action: Action, secrets: frozenset[str]) -> Json:
    model, server = action.model, action.server
    written = {
        "model": None if model is None else _model(model.spec),
        "server": None if server is None else _server(server.spec),
        "carried": None if action.carried is None else _carried(action.carried),
    }
    return {**action_json(action, clean(action.detail, secrets)), **written}


def _model(spec: ModelSpec) -> Json:
    return {
        "storageUri": without_credentials(spec.storage_uri),
        "artifactVersion": spec.artifact_version,
        "requirements": sorted(spec.needs),
        "memoryBytes": spec.memory,
        "replicas": spec.wanted_replicas,
        "minReplicas": spec.min_replicas,
        "maxReplicas": spec.max_replicas,
        "server": spec.server,
        "secretName": spec.secret_name,
    }


def _server(spec: ServerSpec) -> Json:
    return {
        "serverConfig": spec.server_config,
        "replicas": spec.replicas,
        "minReplicas": spec.min_replicas,
        "maxReplicas": spec.max_replicas,
        "capabilities": None if spec.capabilities is None else list(spec.capabilities),
        "extraCapabilities": list(spec.extra_capabilities),
        "limitBytes": spec.limit,
    }


def _carried(manifest: CarriedManifest) -> Json:
    return {
        "kind": manifest.kind,
        "models": list(manifest.spec.models),
        "pipelines": list(manifest.spec.pipelines),
        "digest": hashlib.sha256(manifest.spec.meaning.encode()).hexdigest()[:12],
    }


def _cleaned(decision: Json, secrets: frozenset[str]) -> Json:
    texts = {name: clean(decision[name], secrets) for name in ("detail", "failure")}
    return {**decision, **texts, "fixes": [clean(fix, secrets) for fix in decision["fixes"]]}


def _read(text: bytes) -> Json:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_plan("it is not JSON") from error
    lists = ("decisions", "actions", "capacity")
    if not isinstance(data, dict) or data.get("kind") != "Plan":
        raise _no_plan("it is JSON, but not a plan")
    if data.get("formatVersion") != FORMAT_VERSION:
        raise _no_plan(f"its format is not version {FORMAT_VERSION}")
    if not all(isinstance(data.get(name), list) and all(isinstance(e, dict) for e in data[name]) for name in lists):
        raise _no_plan("parts of it are missing")
    return data


def _no_plan(why: str) -> UsageError:
    return UsageError("the file is no saved plan", why=why, fix="make one with `reconciler plan --out FILE`")


def _changes(saved: Json, now: Json) -> Iterable[str]:
    if saved.get("instance") != now["instance"]:
        yield f"it was made for another instance, and this is {now['instance']}"
    if saved.get("desired") != now["desired"]:
        before, after = _short(saved.get("commit")), _short(now["commit"])
        yield f"the manifests changed: it was made for commit {before}, now at {after}"
    moved = {name: _named(saved, now, "capacity", name) for name in ("limitBytes", "beforeBytes")}
    if saved.get("live") != now["live"]:
        yield from _live_changes(moved)
    decisions, actions = _named(saved, now, "decisions"), _named(saved, now, "actions")
    if decisions:
        yield f"other decisions are due about {_list(decisions)}"
    elif actions:
        yield f"other actions are due: {_list(actions)}"


def _live_changes(moved: dict[str, list[str]]) -> Iterable[str]:
    if moved["limitBytes"]:
        yield f"the limits of {_list(moved['limitBytes'])} changed"
    if moved["beforeBytes"]:
        yield f"the placements on {_list(moved['beforeBytes'])} changed"
    if not any(moved.values()):
        yield "versions, placements or routes on the cluster changed"


def _named(saved: Json, now: Json, part: str, only: str | None = None) -> list[str]:
    """Returns the names of the entries of `part` that differ, in `only` one field or in all that matter."""
    before, after = ({_name(part, entry): _matter(entry, only) for entry in plan[part]} for plan in (saved, now))
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _name(part: str, entry: Json) -> str:
    if part == "capacity":
        return f"{entry.get('server')}/{entry.get('replica')}"
    return str(entry.get("id")) if part == "actions" else f"{entry.get('kind')} {entry.get('name')}"


def _matter(entry: Json, only: str | None) -> Any:
    return entry.get(only) if only else {name: value for name, value in entry.items() if name not in _NOT_COMPARED}


def _list(names: list[str]) -> str:
    shown = ", ".join(without_credentials(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _short(commit: object) -> str:
    return without_credentials(str(commit))[:8] if commit else "(uncommitted)"
