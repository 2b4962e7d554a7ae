"""What makes a new version, and what its replicas' states make of it.

docs/seldon.md, "What makes a new version", "How a rolling update really runs" and "Counts and reasons".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.clusters.simulated.records import ApiObject, Json, Model, Version, World
from reconciler.model.live import ReplicaState, VersionState
from reconciler.model.quantity import parse_quantity

MAKES_A_VERSION = (
    "storageUri",
    "artifactVersion",
    "requirements",
    "modelType",
    "memory",
    "server",
    "secretName",
    "parameters",
    "explainer",
    "llm",
)
"""Fields of `Model.spec` whose change is a new version. In place: `replicas`, `minReplicas`, `maxReplicas`, `logger`.
All others change nothing of a version that exists."""

LOADING = (ReplicaState.LOAD_REQUESTED, ReplicaState.LOADING, ReplicaState.LOADED)
UNLOADING = (ReplicaState.UNLOAD_REQUESTED, ReplicaState.UNLOADING)
ASSIGNED = (*LOADING, ReplicaState.AVAILABLE)
"""States in which a version is, or will be, on its replica: nothing has to be requested."""

HELD = (*ASSIGNED, ReplicaState.DRAINING)
"""States in which a placement that fails leaves a replica as it is."""


def take_in(world: World, found: ApiObject) -> Model:
    """The scheduler takes in the spec of a Model: a new model, a new version, or a change in place."""
    model = world.models.get(found.name)
    if model is None or model.deleted:
        model = world.models[found.name] = Model(found.name)
    if not model.versions or model.latest.definition != definition(found.spec):
        model.versions.append(_new(model, found))
    model.latest.asked, model.latest.least = _replicas(found.spec)
    model.latest.generation = found.generation
    return model


def definition(spec: Mapping[str, Any]) -> Json:
    """Returns the fields that make a version: memory in bytes, lists in their order."""
    fields = {name: spec[name] for name in MAKES_A_VERSION if spec.get(name) is not None}
    if "memory" in fields:
        fields["memory"] = parse_quantity(fields["memory"])
    return fields


def _replicas(spec: Mapping[str, Any]) -> tuple[int, int]:
    replicas = spec.get("replicas")
    return 1 if replicas is None else int(replicas), int(spec.get("minReplicas") or 0)


def _new(model: Model, found: ApiObject) -> Version:
    fields = definition(found.spec)
    asked, least = _replicas(found.spec)
    number = model.latest.number + 1 if model.versions else 1
    return Version(number, found.generation, fields, int(fields.get("memory", 0)), asked, least)


def moved(model: Model) -> Version:
    """Adds a version like the latest one: that is how a version gets to another Server."""
    old = model.latest
    new = Version(old.number + 1, old.generation, old.definition, old.memory, old.asked, old.least)
    model.versions.append(new)
    return new


def reckon(model: Model, version: Version) -> None:
    """Reckons state and counts of a version anew from its replicas, as the scheduler does at each change of one::

    latest?  replicas                                            state
    no       some available, loading or unloading                ModelTerminating
    no       none of these                                       ModelTerminated
    yes      some failed to load                                 ModelFailed
    yes      as many available as asked, or minReplicas (if > 0) ModelAvailable
    yes      one available, and the version before is exactly
             ModelAvailable                                      ModelAvailable
    yes      none asked                                          ModelScaledDown
    yes      else                                                ModelProgressing
    """
    version.available = len(version.on(ReplicaState.AVAILABLE))
    version.unavailable = len(version.on(*LOADING, ReplicaState.LOAD_FAILED, ReplicaState.LOADED_UNAVAILABLE))
    version.state = _state(model, version)
    if version.state is not VersionState.FAILED:
        version.reason = ""


def _state(model: Model, version: Version) -> VersionState:
    if model.deleted or version is not model.latest:
        busy = version.available or version.on(*LOADING, *UNLOADING)
        return VersionState.TERMINATING if busy else VersionState.TERMINATED
    if version.on(ReplicaState.LOAD_FAILED):
        return VersionState.FAILED
    if version.asked == 0:
        return VersionState.SCALED_DOWN
    if version.available >= version.asked or (version.least and version.available >= version.least):
        return VersionState.AVAILABLE
    before = model.versions[-2] if len(model.versions) > 1 else None
    if version.available and before and before.state is VersionState.AVAILABLE:
        return VersionState.AVAILABLE
    return VersionState.PROGRESSING


def last_available(model: Model) -> Version | None:
    """Returns the newest version whose state is exactly ModelAvailable: the one that may keep the route."""
    return next((v for v in reversed(model.versions) if v.state is VersionState.AVAILABLE), None)
