"""A state taken apart into fields, so that each is compared on its own: objects and scheduler are two samples, and one
may lead the other (tests/recorded/README.md).

A field is a path of words, such as ``("scheduler", "m", "2", "replica 0")``; what is absent has no field. Three things
are left out or brought into a normal form, because they tell nothing of a rule:

* the generation of a Server counts from what it was before the first step: the recorder used one Server for many
  scenarios;
* `residue`: models of an earlier scenario that the scheduler had not forgotten yet, and the counts that include them;
* free text that holds paths, ports, random numbers or a model server's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.recordings.operations import Apply, Delete, Operation, Patch
from tests.recordings.recording import Recording, State

Field = tuple[str, ...]
Fields = Mapping[Field, object]

_GONE = ("gone", "deleted")
_NORMAL_FORMS = (
    (re.compile(r"(code = \w+ desc = ).*", re.DOTALL), r"\1…"),
    (re.compile(r"\S*/\S*/\S*"), "…"),
    (re.compile(r"\d{4,}"), "…"),
)


@dataclass(frozen=True)
class Reading:
    """How states of one recording are read.

    Attributes:
        models: the names that the scenario speaks of; others are residue.
        polluted: (server, replica) pairs that held residue, whose counts of models say nothing.
        generations: generation of each Server before the first step.
    """

    models: frozenset[str]
    polluted: frozenset[tuple[str, str]]
    generations: Mapping[str, int]


def reading_of(recording: Recording, before: State) -> Reading:
    """Returns how to read states of `recording`, given the state before its first step (recorded or simulated)."""
    models = frozenset(name for _, operations in recording.stages for o in operations for name in _named(o))
    return Reading(
        models=models,
        polluted=frozenset(_polluted(recording.before["scheduler"], models)),
        generations={
            ref: found["generation"]
            for ref, found in before["objects"].items()
            if ref.startswith("Server/") and isinstance(found, Mapping) and isinstance(found.get("generation"), int)
        },
    )


def _named(operation: Operation) -> Iterator[str]:
    if isinstance(operation, Apply):
        yield from operation.names
    elif isinstance(operation, Delete | Patch):
        yield operation.ref.partition("/")[2]


def _polluted(scheduler: Mapping[str, Any], models: frozenset[str]) -> Iterator[tuple[str, str]]:
    for name, versions in scheduler.items():
        if name not in models and isinstance(versions, Mapping):
            for version in versions.values():
                for index, state in (version.get("replicas") or {}).items():
                    if state not in ("Unloaded", "LoadFailed"):
                        yield str(version.get("server")), str(index)


def fields_of(state: State, reading: Reading) -> Fields:
    """Returns all fields of `state`."""
    return dict(
        [
            *_object_fields(state["objects"], reading),
            *_scheduler_fields(state["scheduler"], reading),
            *_server_fields(state["servers"], reading),
        ]
    )


def _object_fields(objects: Mapping[str, Any], reading: Reading) -> Iterator[tuple[Field, object]]:
    polluted = {server for server, _ in reading.polluted}
    for ref, found in objects.items():
        kind, _, name = str(ref).partition("/")
        if found in _GONE or found is None or name not in reading.models:
            continue
        yield (("objects", ref, "exists"), True)
        for key, value in found.items():
            if value is None or (key == "loadedModels" and name in polluted):
                continue
            if key == "generation" and kind == "Server":
                yield (("objects", ref, "generations since"), value - reading.generations.get(ref, 0))
            else:
                yield (("objects", ref, str(key)), _value(value))


def _scheduler_fields(scheduler: Mapping[str, Any], reading: Reading) -> Iterator[tuple[Field, object]]:
    for name, versions in scheduler.items():
        if versions in _GONE or not versions or name not in reading.models:
            continue
        for number, version in versions.items():
            if version in _GONE or version is None:
                continue
            for key, value in version.items():
                if key == "replicas":
                    for index, state in (value or {}).items():
                        yield (("scheduler", name, str(number), f"replica {index}"), state)
                elif value is not None:
                    yield (("scheduler", name, str(number), str(key)), _value(value))


def _server_fields(servers: Mapping[str, Any], reading: Reading) -> Iterator[tuple[Field, object]]:
    for name, server in servers.items():
        if server in _GONE or server is None:
            continue
        for key, value in server.items():
            if key != "replicas":
                yield (("servers", name, str(key)), _value(value))
                continue
            for index, replica in (value or {}).items():
                for what, amount in replica.items():
                    if what != "models" or (name, str(index)) not in reading.polluted:
                        yield (("servers", name, f"replica {index}", str(what)), _value(amount))


def _value(found: object) -> object:
    """Returns a value that compares: lists as tuples, numbers as they are, text in its normal form."""
    if isinstance(found, list | tuple):
        return tuple(_value(item) for item in found)
    if isinstance(found, Mapping):
        return tuple(sorted((str(key), _value(value)) for key, value in found.items()))
    if isinstance(found, str):
        return normal_text(found)
    return found


def normal_text(text: str) -> str:
    """Returns `text` without what differs from run to run."""
    for pattern, form in _NORMAL_FORMS:
        text = pattern.sub(form, text)
    return text


def after(state: State, changed: State) -> State:
    """Returns `state` with what an entry of `seen` says has changed."""
    return {part: _merged(state[part], changed[part]) for part in ("objects", "scheduler", "servers")}


def _merged(old: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Returns things with what changed of each: every value that is given is whole (a replica map, a version)."""
    new = dict(old)
    for name, parts in changed.items():
        if parts in _GONE or parts is None:
            new.pop(name, None)
            continue
        thing = dict(new.get(name, {}))
        for key, value in parts.items():
            if value in _GONE or value is None:
                thing.pop(key, None)
            else:
                thing[key] = value
        new[name] = thing
    return new
