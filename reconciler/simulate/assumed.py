"""The simulated cluster on which a commit is live and whole: where a story begins when there is no state file."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.clusters.simulated import Artifact, Rules, Simulation
from reconciler.errors import UsageError
from reconciler.model.live import VersionState
from reconciler.model.manifests import INSTANCE_LABEL, DesiredState, ModelManifest
from reconciler.simulate.plain import documents

_SETTLED = 30.0
"""Simulated seconds in which one thing that was applied comes to rest."""


def whole(desired: DesiredState, instance: str) -> Simulation:
    """Returns a cluster at rest on which `desired` is live, ours by label, each model whole.

    The biggest models come first, one after the other: in one burst, or late, some of them might find no room.

    Raises:
        UsageError: a model would not be whole.
    """
    simulation = Simulation(Rules())
    by_ref = {(document["kind"], document["metadata"]["name"]): document for document in documents(desired)}
    for server in desired.servers:
        simulation.apply([by_ref["Server", server.name]])
    simulation.run_until(simulation.now + _SETTLED)
    for model in sorted(desired.models, key=lambda one: (-(one.spec.memory or 0), -one.spec.wanted_replicas, one.name)):
        simulation.apply([by_ref["Model", model.name]])
        simulation.run_until(simulation.now + _SETTLED)
        _check(simulation, model, desired.commit)
    for item in desired.carried:
        simulation.apply([by_ref[item.kind, item.name]])
        simulation.run_until(simulation.now + _SETTLED)
    for kind, name in by_ref:
        simulation.patch(f"{kind}/{name}", {"metadata": {"labels": {INSTANCE_LABEL: instance}}})
    return simulation


def _check(simulation: Simulation, model: ModelManifest, commit: str) -> None:
    version = simulation.world.models[model.name].latest
    if version.state is not VersionState.AVAILABLE or version.available < version.asked:
        raise UsageError(
            f"commit {commit[:8]} cannot be assumed live: model {model.name} would not be whole",
            why=version.reason or f"{version.available} of {version.asked} replicas, {version.state}",
            fix="begin at a commit whose Servers can hold its models, or at a state file with --state FILE",
        )


def loading_in(simulation: Simulation, seconds: float, *states: DesiredState) -> None:
    """From now on every artifact of `states` takes so many seconds to load, unless it has a behaviour of its own."""
    for uri in sorted(_artifacts(states) - simulation.world.artifacts.keys()):
        simulation.set_artifact(uri, Artifact(load_seconds=seconds))


def _artifacts(states: Iterable[DesiredState]) -> set[str]:
    return {model.spec.storage_uri for state in states for model in state.models}
