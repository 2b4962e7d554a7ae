"""What the operator writes into the status of objects, a little after the scheduler changed.

docs/seldon.md, "Status: what to believe". It writes what the scheduler's latest version says, and only if that
is of the object's own generation; `observedGeneration` it never writes.
"""

from __future__ import annotations

from reconciler.clusters.simulated import experiments, pipelines, timing
from reconciler.clusters.simulated.records import ApiObject, Json, Scheduler, Server, World
from reconciler.clusters.simulated.snapshot import models_on
from reconciler.model.live import VersionState

WHOLE = "StatefulSet replicas matches desired replicas"
NOT_WHOLE = "StatefulSet replicas does not match desired replicas"


def update(world: World) -> None:
    """Sends every part of a status that is not what was sent last on its way."""
    for found in world.objects.values():
        for part, (seconds, value) in _parts(world, found).items():
            if found.told.get(part) != value:
                found.told[part] = value
                world.after(seconds, "status", found.ref, value)


def write(world: World, ref: str, value: Json) -> None:
    """A part of a status arrives. None takes a field away."""
    found = world.objects.get(ref)
    if found is not None:
        status = {**found.status, **value}
        found.status = {name: content for name, content in status.items() if content is not None}


def _parts(world: World, found: ApiObject) -> dict[str, tuple[float, Json]]:
    """Returns the parts of an object's status as they should be, with how long each takes to get there."""
    if world.scheduler is not Scheduler.UP:
        return {}
    if found.kind == "Model":
        model = _of_model(world, found)
        return {} if model is None else {"all": (timing.STATUS, model)}
    if found.kind == "Experiment":
        conditions = experiments.conditions(world, found.name)
        return {} if conditions is None or found.deleting else {"all": (timing.STATUS, conditions)}
    if found.kind == "Pipeline":
        return {} if found.deleting else {"all": (timing.STATUS, pipelines.conditions(world, found))}
    server = world.servers.get(found.name) if found.kind == "Server" else None
    if server is None or server.deleted:
        return {}
    late = timing.LOADED_MODELS if "loaded" in found.told else 0.0
    return {"all": (0.0, _of_server(server)), "loaded": (late, {"loadedModels": _loaded_models(world, server)})}


def _of_model(world: World, found: ApiObject) -> Json | None:
    model = world.models.get(found.name)
    if model is None or model.deleted is not found.deleting:
        return None
    version = model.latest
    if model.deleted:
        return _model_conditions(VersionState.TERMINATING, "") | {"replicas": None, "availableReplicas": None}
    if version.generation != found.generation:
        return None
    return _model_conditions(version.state, version.reason) | {
        "replicas": version.available + version.unavailable or None,
        "availableReplicas": version.available or None,
    }


def _model_conditions(state: VersionState, reason: str) -> Json:
    if state is VersionState.AVAILABLE:
        return {"ModelReady": ["True", str(state), ""], "Ready": ["True", "", ""]}
    return {"ModelReady": ["False", str(state), reason], "Ready": ["False", str(state), reason]}


def _of_server(server: Server) -> Json:
    state, reason = ("True", WHOLE) if server.ready else ("False", NOT_WHOLE)
    return {
        "Ready": [state, "", "" if server.ready else reason],
        "StatefulSetOrDeploymentReady": [state, "", reason],
        "replicas": server.size,
    }


def _loaded_models(world: World, server: Server) -> int:
    return sum(len(models_on(world, server, r)) for r in server.replicas.values() if not r.draining)
