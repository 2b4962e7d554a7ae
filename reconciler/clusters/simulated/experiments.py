"""Experiments (docs/seldon.md, "Experiments"): which are in effect, and what their status says.

How they route is in `routes`.
"""

from __future__ import annotations

import copy

from reconciler.clusters.simulated import routes
from reconciler.clusters.simulated.records import ApiObject, Json, World
from reconciler.model.live import VersionState

Condition = list[str]

YES: dict[str, Condition] = {
    "CandidatesReady": ["True", "", "Candidates ready"],
    "ExperimentReady": ["True", "", "experiment active"],
    "MirrorReady": ["True", "", "Mirror ready"],
    "Ready": ["True", "", ""],
}


def take_in(world: World, found: ApiObject) -> None:
    """The scheduler takes in an Experiment, or silently keeps the one it had when it does not like the new one."""
    if _valid(world, found):
        world.experiments[found.name] = copy.deepcopy(found.spec)


def _valid(world: World, found: ApiObject) -> bool:
    default = found.spec.get("default")
    if not default:
        return bool(found.spec.get("candidates"))
    taken = {spec.get("default") for name, spec in world.experiments.items() if name != found.name}
    return default not in taken and default in [c["name"] for c in found.spec.get("candidates") or ()]


def gone(world: World, name: str) -> None:
    """A deleted Experiment ends, and its routes with it."""
    world.experiments.pop(name, None)
    world.objects.pop(f"Experiment/{name}", None)


def conditions(world: World, name: str) -> Json | None:
    """Returns the conditions of an Experiment, None while nothing writes any."""
    spec = world.experiments.get(name)
    if spec is None:
        return None
    candidates = _available(world, [c["name"] for c in spec["candidates"]])
    mirror = not spec.get("mirror") or _available(world, [spec["mirror"]["name"]])
    found = dict(YES)
    if not candidates:
        found["CandidatesReady"] = found["Ready"] = ["False", "", "Candidates not ready"]
    if not mirror:
        found["MirrorReady"] = found["Ready"] = ["False", "", "Mirror not ready"]
    if not all(routes.present(world, member) for member in routes.members(spec)):
        found["ExperimentReady"] = ["False", "", ""]
    elif not routes.can_serve(world, spec):
        found["ExperimentReady"] = found["Ready"] = ["False", "", "Server [] not found"]
    return dict(found)


def _available(world: World, names: list[str]) -> bool:
    return all(
        routes.present(world, name) and world.models[name].latest.state is VersionState.AVAILABLE for name in names
    )
