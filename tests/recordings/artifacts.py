"""How the recorder's artifacts behave, read off their names (tests/recorded/README.md, "Artifacts")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.clusters.simulated import Artifact
from tests.recordings.operations import Apply, Operation, Patch
from tests.recordings.shape import MalformedRecording

_SECONDS, _FAILS = ("seconds", "slow", "load_seconds"), ("fail", "fails", "broken")
_PARTS = re.compile(r"(slow(?P<seconds>\d+)|(?P<broken>broken))(-on-(?P<replica>\d+))?(-|$)")


def uri_of(name: str) -> str:
    """Returns the storageUri of the artifact called `name`."""
    return f"artifacts/{name}"


def name_of(uri: str) -> str:
    """Returns what answers call the artifact at `uri`."""
    return uri.rpartition("/")[2]


def named_artifact(name: str) -> Artifact:
    """Returns how the artifact called `name` behaves; a name that says nothing loads at once."""
    if name == "does-not-exist":
        return Artifact(missing=True)
    if name == "mend":
        return Artifact(fails=True)
    load_seconds, fails, position = 0.0, False, 0
    slow_on: dict[int, float] = {}
    fails_on: set[int] = set()
    while found := _PARTS.match(name, position):
        position = found.end()
        replica = None if found["replica"] is None else int(found["replica"])
        if replica is None:
            fails, load_seconds = fails or bool(found["broken"]), float(found["seconds"] or load_seconds)
        elif found["broken"]:
            fails_on.add(replica)
        else:
            slow_on[replica] = float(found["seconds"])
        if position >= len(name):
            break
    return Artifact(load_seconds=load_seconds, slow_on=slow_on, fails=fails, fails_on=frozenset(fails_on))


def told_artifact(name: str, behaviour: Mapping[str, Any]) -> Artifact:
    """Returns what the operation `artifact` makes of an artifact; an empty behaviour loads at once.

    Raises:
        MalformedRecording: a behaviour that nobody knows.
    """
    fields: dict[str, Any] = {}
    for key, value in behaviour.items():
        if key in _SECONDS and isinstance(value, int | float) and not isinstance(value, bool):
            fields["load_seconds"] = float(value)
        elif key in _FAILS and isinstance(value, bool):
            fields["fails"] = value
        else:
            raise MalformedRecording(f"artifact {name}: unknown behaviour {key}: {value!r}")
    return Artifact(**fields)


def artifacts_in(operations: tuple[Operation, ...]) -> dict[str, Artifact]:
    """Returns the behaviour of every storageUri that `operations` write."""
    specs = [
        found.get("spec")
        for operation in operations
        if isinstance(operation, Apply | Patch)
        for found in (operation.objects if isinstance(operation, Apply) else (operation.merge,))
    ]
    uris = {str(spec["storageUri"]) for spec in specs if spec and "storageUri" in spec}
    return {uri: named_artifact(name_of(uri)) for uri in sorted(uris)}
