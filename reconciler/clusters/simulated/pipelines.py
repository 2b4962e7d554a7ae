"""Pipelines: kept as objects, with a status that says whether the models of their steps are there.

How data flows through one is not simulated; docs/seldon.md, "Pipeline".
"""

from __future__ import annotations

from reconciler.clusters.simulated import routes
from reconciler.clusters.simulated.records import ApiObject, Json, World
from reconciler.model.live import VersionState


def gone(world: World, name: str) -> None:
    """A deleted Pipeline ends."""
    world.objects.pop(f"Pipeline/{name}", None)


def conditions(world: World, found: ApiObject) -> Json:
    """Returns the conditions of a Pipeline."""
    names = [str(step.get("name", "")) for step in found.spec.get("steps") or ()]
    ready = all(
        routes.present(world, name) and world.models[name].latest.state is VersionState.AVAILABLE for name in names
    )
    state, why = ("True", "") if ready else ("False", "Models not ready")
    return {
        "ModelsReady": [state, "", why],
        "PipelineReady": ["True", "", ""],
        "Ready": [state, "", why],
    }
