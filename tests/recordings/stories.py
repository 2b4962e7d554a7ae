"""Recordings as stories for the simulated cluster: the state before is played as it was; what follows is done plainly,
or is commits for us (`scripts`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from reconciler.clusters.simulated import Simulation
from reconciler.model.codec import model_policy, model_spec_from_json, server_policy, server_spec_from_json
from reconciler.model.manifests import INSTANCE_LABEL, DesiredState, ModelManifest, ServerManifest, Source
from reconciler.model.plan import Guards
from reconciler.simulate.story import Commit, Incident, Story
from tests.recordings.choices import RecordedChoices
from tests.recordings.operations import Operation, Wait
from tests.recordings.player import OPERATION_SECONDS, carry_out, rules, settle
from tests.recordings.recording import Recording
from tests.recordings.scripts import Manifests, Script, artifacts_of, script_of

Json = dict[str, Any]

AFTERWARDS = 120.0
"""Seconds for which a story goes on when the recording is over."""

EPOCH = 1_800_000_000.0


def story_of(recording: Recording, *, after_steps: int = 0) -> Story:
    """Returns the story of `recording`; so many of its first steps are part of what was before."""
    script = script_of(recording, after_steps=after_steps)
    simulation = _before(recording, script)
    return Story(
        before=simulation.dump(),
        commits=tuple(Commit(at, _desired(manifests)) for at, manifests in script.commits),
        plain=tuple(Incident(at, _done(operation)) for at, operation in script.plain),
        incidents=tuple(Incident(at, _done(operation)) for at, operation in script.incidents),
        seconds=script.seconds + AFTERWARDS,
        epoch=EPOCH,
    )


def _before(recording: Recording, script: Script) -> Simulation:
    """Returns the cluster before, whose objects are ours by label."""
    choices = RecordedChoices(recording, {})
    simulation = Simulation(rules(recording), artifacts_of(recording), choices)
    for number, operations in enumerate(script.before):
        choices.begin(number)
        for position, operation in enumerate(operations):
            if isinstance(operation, Wait):
                simulation.run_until(simulation.now + operation.seconds)
                continue
            carry_out(simulation, operation)
            simulation.run_until(simulation.now + OPERATION_SECONDS)
            if (number, position) == (0, 0):
                settle(simulation)  # the servers come before what is on them
        settle(simulation)
    for ref in script.first.objects:
        if ref in simulation.world.objects:
            simulation.patch(ref, {"metadata": {"labels": {INSTANCE_LABEL: Guards().instance}}})
    return simulation


def _desired(manifests: Manifests) -> DesiredState:
    return DesiredState(
        commit=f"{manifests.changes:040x}",
        models=tuple(_model(name, content) for name, content in manifests.of("Model").items()),
        servers=tuple(_server(name, content) for name, content in manifests.of("Server").items()),
    )


def _model(name: str, content: Json) -> ModelManifest:
    labels, annotations = _metadata(content)
    policy, _ = model_policy(dict(annotations))
    spec, source = model_spec_from_json(content["spec"]), Source(f"{name}.yaml", 1)
    return ModelManifest(name, spec, source, policy, labels=labels, annotations=annotations)


def _server(name: str, content: Json) -> ServerManifest:
    labels, annotations = _metadata(content)
    policy, _ = server_policy(dict(annotations))
    spec, source = server_spec_from_json(content["spec"]), Source(f"{name}.yaml", 1)
    return ServerManifest(name, spec, source, policy, labels=labels, annotations=annotations)


def _metadata(content: Json) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    metadata = content["metadata"]
    return tuple(metadata.get("labels", {}).items()), tuple(metadata.get("annotations", {}).items())


def _done(operation: Operation) -> Callable[[Simulation], None]:
    def do(simulation: Simulation) -> None:
        with suppress(KeyError):  # it is not there (any more): `kubectl` would say so, and go on
            carry_out(simulation, operation)

    return do
