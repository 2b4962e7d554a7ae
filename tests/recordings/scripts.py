"""Recordings as scripts: what was before; what follows, told twice: as operations done plainly, and as commits for us.

What a recording applies, patches and deletes becomes commits: all that it does without a pause is one. Its Servers
count as manifests, with the memory and the overcommit that the recording says, so that everybody reckons with the same.
What happens besides (artifacts that change, a restart, a kill, an Experiment, which we do not apply) happens in both
ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.clusters.simulated import Artifact
from tests.recordings.artifacts import artifacts_in
from tests.recordings.operations import Apply, Delete, Operation, Patch, Wait
from tests.recordings.player import OPERATION_SECONDS
from tests.recordings.recording import Recording

Json = dict[str, Any]

_MANAGED = ("Model", "Server")


@dataclass(frozen=True)
class Manifests:
    """What Git says: by `Kind/name`, a mapping of `spec` and `metadata`. `changes`: how many led there."""

    objects: Mapping[str, Json] = field(default_factory=dict)
    changes: int = 0

    def of(self, kind: str) -> dict[str, Json]:
        """Returns those of a kind, by name."""
        start = f"{kind}/"
        return {ref.removeprefix(start): found for ref, found in self.objects.items() if ref.startswith(start)}

    def after(self, operation: Operation) -> Manifests:
        """Returns them changed as `operation` changes the objects."""
        objects = dict(self.objects)
        match operation:
            case Apply(found):
                for one in found:
                    if one["kind"] in _MANAGED:
                        objects[f"{one['kind']}/{one['name']}"] = {"spec": one.get("spec", {}), "metadata": {}}
            case Patch(ref, merge) if ref in objects:
                objects[ref] = _merged(objects[ref], merge)
            case Delete(ref):
                objects.pop(ref, None)
        return Manifests(objects, self.changes + 1)


def _merged(old: Mapping[str, Any], merge: Mapping[str, Any]) -> Json:
    merged = {**old}
    for name, value in merge.items():
        merged[name] = _merged(old.get(name) or {}, value) if isinstance(value, Mapping) else value
    return {name: value for name, value in merged.items() if value is not None}


@dataclass(frozen=True)
class Script:
    """All times are seconds since what was before has settled.

    Attributes:
        before: per stage, the operations that lead to the state before; the very first applies the Servers.
        first: the manifests of that state. commits: what Git says from that moment on, at least one, by time.
        plain: what is done without us instead. incidents: what happens in both ways.
        seconds: when the recording is over.
    """

    before: tuple[tuple[Operation, ...], ...]
    first: Manifests
    commits: tuple[tuple[float, Manifests], ...]
    plain: tuple[tuple[float, Operation], ...]
    incidents: tuple[tuple[float, Operation], ...]
    seconds: float


def script_of(recording: Recording, *, after_steps: int = 0) -> Script:
    """Returns the script of `recording`; so many of its first steps are part of what was before."""
    pods = _with_pods(recording)
    before = tuple(tuple(map(pods, operations)) for _, operations in recording.stages[: after_steps + 1])
    first = Manifests()
    for operation in (operation for operations in before for operation in operations):
        first = first if isinstance(operation, Wait) else first.after(operation)
    told = _Telling(first)
    for step in recording.steps[after_steps:]:
        told.step(tuple(map(pods, step.operations)), step.seconds)
    commits = tuple(told.commits) or ((0.0, first),)
    return Script(before, first, commits, tuple(told.plain), tuple(told.incidents), told.now)


def artifacts_of(recording: Recording) -> dict[str, Artifact]:
    """Returns how every artifact behaves that the recording speaks of."""
    return artifacts_in(tuple(operation for _, operations in recording.stages for operation in operations))


@dataclass
class _Telling:
    """A script while it is told, step by step."""

    manifests: Manifests
    now: float = 0.0
    commits: list[tuple[float, Manifests]] = field(default_factory=list)
    plain: list[tuple[float, Operation]] = field(default_factory=list)
    incidents: list[tuple[float, Operation]] = field(default_factory=list)

    def step(self, operations: Iterable[Operation], seconds: float) -> None:
        end = self.now + seconds
        changed_at: float | None = None
        for operation in operations:
            if isinstance(operation, Wait):
                self._commit(changed_at)
                changed_at = None
                self.now += operation.seconds
                continue
            for part in _parts(operation):
                if _is_ours(part):
                    self.plain.append((self.now, part))
                    self.manifests = self.manifests.after(part)
                    changed_at = self.now if changed_at is None else changed_at
                else:
                    self.incidents.append((self.now, part))
            self.now += OPERATION_SECONDS
        self._commit(changed_at)
        self.now = max(self.now, end)

    def _commit(self, at: float | None) -> None:
        if at is not None:
            self.commits.append((at, self.manifests))


def _parts(operation: Operation) -> list[Operation]:
    """Returns `operation`, an apply of what is ours and what is not as two."""
    if not isinstance(operation, Apply):
        return [operation]
    ours = tuple(found for found in operation.objects if found["kind"] in _MANAGED)
    others = tuple(found for found in operation.objects if found["kind"] not in _MANAGED)
    return [Apply(found) for found in (ours, others) if found]


def _is_ours(operation: Operation) -> bool:
    match operation:
        case Apply(found):
            return found[0]["kind"] in _MANAGED
        case Delete(ref) | Patch(ref, _):
            return ref.partition("/")[0] in _MANAGED
    return False


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
