"""Recordings as stories: the state before is played as it was; what follows is done plainly, or is commits for us.

What a recording applies, patches and deletes becomes commits: all that it does without a pause is one. Its Servers
count as manifests, with the memory and the overcommit that the recording says, so that everybody reckons with the same.
What happens besides (artifacts that change, a restart, a kill, an Experiment, which we do not apply) happens in both
ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from reconciler.clusters.simulated import Simulation
from reconciler.model.codec import model_policy, model_spec_from_json, server_policy, server_spec_from_json
from reconciler.model.manifests import INSTANCE_LABEL, DesiredState, ModelManifest, ServerManifest, Source
from reconciler.model.plan import Guards
from reconciler.simulate.story import Commit, Incident, Story
from tests.recordings.artifacts import artifacts_in
from tests.recordings.choices import RecordedChoices
from tests.recordings.operations import Apply, Delete, Operation, Patch, Wait
from tests.recordings.player import OPERATION_SECONDS, carry_out, rules, settle
from tests.recordings.recording import Recording

Json = dict[str, Any]

AFTERWARDS = 120.0
"""Seconds for which a story goes on when the recording is over."""

EPOCH = 1_800_000_000.0
MANAGED = ("Model", "Server")


def story_of(recording: Recording, *, after_steps: int = 0) -> Story:
    """Returns the story of `recording`; so many of its first steps are part of what was before."""
    simulation, manifests = _before(recording, after_steps)
    told = _Telling(manifests)
    for step in recording.steps[after_steps:]:
        told.step(step.operations, step.seconds, _with_pods(recording))
    return Story(
        before=simulation.dump(),
        commits=tuple(told.commits) or (Commit(0.0, manifests.desired()),),
        plain=tuple(told.plain),
        incidents=tuple(told.incidents),
        seconds=told.now + AFTERWARDS,
        epoch=EPOCH,
    )


def _before(recording: Recording, steps: int) -> tuple[Simulation, Manifests]:
    """Returns the cluster before, whose objects are ours by label, and its manifests."""
    everything = tuple(operation for _, operations in recording.stages for operation in operations)
    choices = RecordedChoices(recording, {})
    simulation = Simulation(rules(recording), artifacts_in(everything), choices)
    manifests, pods = Manifests(), _with_pods(recording)
    for number, (_, operations) in enumerate(recording.stages[: steps + 1]):
        choices.begin(number)
        for position, operation in enumerate(map(pods, operations)):
            if isinstance(operation, Wait):
                simulation.run_until(simulation.now + operation.seconds)
                continue
            manifests.take(operation)
            carry_out(simulation, operation)
            simulation.run_until(simulation.now + OPERATION_SECONDS)
            if (number, position) == (0, 0):
                settle(simulation)  # the servers come before what is on them
        settle(simulation)
    for ref in manifests.objects:
        if ref in simulation.world.objects:
            simulation.patch(ref, {"metadata": {"labels": {INSTANCE_LABEL: Guards().instance}}})
    return simulation, manifests


@dataclass
class Manifests:
    """What Git says, by `Kind/name`."""

    objects: dict[str, Json] = field(default_factory=dict)
    taken: int = 0

    def take(self, operation: Operation) -> None:
        """Changes the manifests as `operation` changes the objects."""
        self.taken += 1
        match operation:
            case Apply(found):
                for one in found:
                    if one["kind"] in MANAGED:
                        self.objects[f"{one['kind']}/{one['name']}"] = {"spec": one.get("spec", {}), "metadata": {}}
            case Patch(ref, merge) if ref in self.objects:
                self.objects[ref] = _merged(self.objects[ref], merge)
            case Delete(ref):
                self.objects.pop(ref, None)

    def desired(self) -> DesiredState:
        """Returns the desired state that they are now."""
        models, servers = self._of("Model"), self._of("Server")
        return DesiredState(
            commit=f"{self.taken:040x}",
            models=tuple(_model(name, content) for name, content in models.items()),
            servers=tuple(_server(name, content) for name, content in servers.items()),
        )

    def _of(self, kind: str) -> dict[str, Json]:
        start = f"{kind}/"
        return {ref.removeprefix(start): found for ref, found in self.objects.items() if ref.startswith(start)}


def _merged(old: Mapping[str, Any], merge: Mapping[str, Any]) -> Json:
    merged = {**old}
    for name, value in merge.items():
        merged[name] = _merged(old.get(name) or {}, value) if isinstance(value, Mapping) else value
    return {name: value for name, value in merged.items() if value is not None}


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


@dataclass
class _Telling:
    """A story while it is told, step by step."""

    manifests: Manifests
    now: float = 0.0
    commits: list[Commit] = field(default_factory=list)
    plain: list[Incident] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)

    def step(self, operations: Iterable[Operation], seconds: float, pods: Callable[[Operation], Operation]) -> None:
        end = self.now + seconds
        changed_at: float | None = None
        for operation in map(pods, operations):
            if isinstance(operation, Wait):
                self._commit(changed_at)
                changed_at = None
                self.now += operation.seconds
                continue
            for part in _parts(operation):
                if _is_ours(part):
                    self.plain.append(Incident(self.now, _done(part)))
                    self.manifests.take(part)
                    changed_at = self.now if changed_at is None else changed_at
                else:
                    self.incidents.append(Incident(self.now, _done(part)))
            self.now += OPERATION_SECONDS
        self._commit(changed_at)
        self.now = max(self.now, end)

    def _commit(self, at: float | None) -> None:
        if at is not None:
            self.commits.append(Commit(at, self.manifests.desired()))


def _parts(operation: Operation) -> list[Operation]:
    """Returns `operation`, an apply of what is ours and what is not as two."""
    if not isinstance(operation, Apply):
        return [operation]
    ours = tuple(found for found in operation.objects if found["kind"] in MANAGED)
    others = tuple(found for found in operation.objects if found["kind"] not in MANAGED)
    return [Apply(found) for found in (ours, others) if found]


def _is_ours(operation: Operation) -> bool:
    match operation:
        case Apply(found):
            return found[0]["kind"] in MANAGED
        case Delete(ref) | Patch(ref, _):
            return ref.partition("/")[0] in MANAGED
    return False


def _done(operation: Operation) -> Callable[[Simulation], None]:
    def do(simulation: Simulation) -> None:
        with suppress(KeyError):  # it is not there (any more): `kubectl` would say so, and go on
            carry_out(simulation, operation)

    return do


def _with_pods(recording: Recording) -> Callable[[Operation], Operation]:
    """Returns what gives the Servers of an operation a podSpec that says the recording's memory and overcommit."""
    overcommit = {"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": str(recording.overcommit_percentage)}
    requests = {"requests": {"memory": str(recording.memory)}}

    def with_pod(found: Mapping[str, Any]) -> Mapping[str, Any]:
        if found["kind"] != "Server":
            return found
        server = {"name": found["spec"]["serverConfig"], "resources": requests}
        pod = {"containers": [server, {"name": "agent", "env": [overcommit]}]}
        return {**found, "spec": {**found["spec"], "podSpec": pod}}

    def change(operation: Operation) -> Operation:
        return Apply(tuple(map(with_pod, operation.objects))) if isinstance(operation, Apply) else operation

    return change
