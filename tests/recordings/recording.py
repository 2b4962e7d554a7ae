"""One recording as data: what was done, and what was seen (tests/recorded/README.md has the format).

Reading is strict about what must be there and lenient about what more there is: an unknown field is noted, never lost
silently; a file that cannot be played raises `MalformedRecording`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.recordings.operations import Apply, Operation, read_operation
from tests.recordings.shape import MalformedRecording, mapping, number, sequence

State = Mapping[str, Mapping[str, Any]]
Answers = Mapping[str, Mapping[str, int]]

_TOP = frozenset(
    {
        "scenario",
        "about",
        "memory",
        "overcommitPercentage",
        "serverAutoscaling",
        "servers",
        "setup",
        "before",
        "answersBefore",
        "steps",
        "summary",
    }
)
_STEP = frozenset({"step", "do", "seen", "answersAfter", "seconds"})
_SEEN = frozenset({"at", "answersSoFar", "changed"})


@dataclass(frozen=True)
class Step:
    """One step. `seconds`: how long it was watched. `seen`: (seconds, what changed) in order. `answers`: all of it."""

    name: str
    operations: tuple[Operation, ...]
    seconds: float
    seen: tuple[tuple[float, Mapping[str, Any]], ...]
    answers: Answers


@dataclass(frozen=True)
class Recording:
    """One file. `notes` tell what of it was not understood and therefore not compared."""

    scenario: str
    memory: int
    overcommit_percentage: int
    server_autoscaling: bool
    servers: Apply
    setup: tuple[Operation, ...]
    before: State
    answers_before: Answers
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[tuple[str, tuple[Operation, ...]], ...]:
        """The setup and each step, with their operations."""
        return (("setup", (self.servers, *self.setup)), *((step.name, step.operations) for step in self.steps))


@dataclass
class _Notes:
    """Collects the fields nobody knows, each once."""

    lines: list[str] = field(default_factory=list)

    def unknown(self, where: str, found: Mapping[str, Any], known: frozenset[str]) -> None:
        for name in sorted(str(key) for key in found if key not in known):
            line = f"{where} has an unknown field {name!r}"
            if line not in self.lines:
                self.lines.append(line)


def read_recording(path: Path) -> Recording:
    """Reads one file.

    Raises:
        MalformedRecording: it is no recording, or holds what cannot be played.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MalformedRecording(" ".join(str(error).split())) from error
    return parse_recording(document, path.stem)


def parse_recording(document: object, name: str = "?") -> Recording:
    """Returns the recording that `document` (parsed YAML) holds, named `name` if it does not say.

    Raises:
        MalformedRecording: see `read_recording`.
    """
    top = mapping(document, "the file")
    notes = _Notes()
    notes.unknown("the file", top, _TOP)
    return Recording(
        scenario=str(top.get("scenario", name)),
        memory=int(number(top.get("memory"), "memory")),
        overcommit_percentage=int(number(top.get("overcommitPercentage", 0), "overcommitPercentage")),
        server_autoscaling=bool(top.get("serverAutoscaling", True)),
        servers=Apply(tuple(mapping(s, "a server") for s in sequence(top.get("servers"), "servers"))),
        setup=_operations(top.get("setup"), "setup"),
        before=_state(top.get("before"), "before"),
        answers_before=_answers([top.get("answersBefore")], "answersBefore"),
        steps=tuple(_step(raw, index, notes) for index, raw in enumerate(sequence(top.get("steps"), "steps"), 1)),
        notes=tuple(notes.lines),
    )


def _operations(found: object, where: str) -> tuple[Operation, ...]:
    return tuple(read_operation(raw, where) for raw in sequence(found, where))


def _state(found: object, where: str) -> State:
    """Returns a state, or what changed of one: things by name, each a mapping or a word such as `gone`."""
    state = mapping(found, where)
    parts = {part: _things(state.get(part), f"{where}.{part}") for part in ("objects", "scheduler", "servers")}
    for model, versions in parts["scheduler"].items():
        for number_, version in _open(versions).items():
            mapping(_open(version).get("replicas"), f"{where}: version {number_} of {model}: replicas")
    for name, server in parts["servers"].items():
        for index, replica in mapping(_open(server).get("replicas"), f"{where}: {name}: replicas").items():
            mapping(replica, f"{where}: {name}: replica {index}")
    return parts


def _things(found: object, where: str) -> dict[str, Any]:
    things = {str(name): thing for name, thing in mapping(found, where).items()}
    for name, thing in things.items():
        if not isinstance(thing, str):
            mapping(thing, f"{where}: {name}")
    return things


def _open(thing: object) -> Mapping[str, Any]:
    """Returns a thing's parts, none of one that is a mere word."""
    return thing if isinstance(thing, Mapping) else {}


def _step(found: object, index: int, notes: _Notes) -> Step:
    raw = mapping(found, f"step {index}")
    name = str(raw.get("step", index))
    notes.unknown("a step", raw, _STEP)
    seen = [mapping(entry, f"{name}: seen") for entry in sequence(raw.get("seen"), f"{name}: seen")]
    for entry in seen:
        notes.unknown("an entry of seen", entry, _SEEN)
    return Step(
        name=name,
        operations=_operations(raw.get("do"), name),
        seconds=number(raw.get("seconds"), f"{name}: seconds"),
        seen=tuple((number(e.get("at", 0), f"{name}: at"), _state(e.get("changed"), f"{name}: changed")) for e in seen),
        answers=_answers([*(e.get("answersSoFar") for e in seen), raw.get("answersAfter")], f"{name}: answers"),
    )


def _answers(found: Sequence[object], where: str) -> Answers:
    """Returns the sum of several counts of answers, per model and who answered."""
    total: dict[str, dict[str, int]] = {}
    for entry in found:
        for model, counts in mapping(entry, where).items():
            who = total.setdefault(str(model), {})
            for name, count in mapping(counts, where).items():
                who[str(name)] = who.get(str(name), 0) + int(number(count, where))
    return total
