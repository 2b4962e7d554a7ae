"""Tells what differs between a recording and what a simulation went through, field by field.

Time is simulated and observations were sampled, so of each field the values seen, in their order, must be a subsequence
of the values that the simulation goes through in that step, and the last ones must agree::

    recorded     Loading            Available
    simulated    Loading   Loaded   Available        agrees: Loaded was missed by the sampling
    simulated    Loading            LoadFailed       differs at the end
    simulated              Loaded   Available        differs on the way: Loading was never gone through

Answers are compared per step as the set of who answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.recordings.fields import Field, Fields, after, fields_of, reading_of
from tests.recordings.played import Played, PlayedStage
from tests.recordings.recording import Recording

_T = TypeVar("_T")

STRAY_ANSWERS = 1
"""So many answers of one kind in a step say nothing: a request that was on its way at the change."""

STRAY_SHARE = 0.003
"""Neither does this share of a model's answers: a reload after an eviction answers one in 300 with 404."""

MISSED_ANSWERS = 8.0
"""So many answers are expected of somebody before it means something that the recording has none of his."""


@dataclass(frozen=True)
class Difference:
    """One field, or one model's answers, that differ in a stage (0: before the first step, then the steps).

    `at_end`: the last values differ.
    """

    stage: int
    name: str
    what: str
    recorded: str
    simulated: str
    at_end: bool = True

    def __str__(self) -> str:
        where = "ends with" if self.at_end else "goes through"
        return f"{self.name}: {self.what}: recorded {self.recorded}, the simulation {where} {self.simulated}"


def differences(recording: Recording, played: Played) -> list[Difference]:
    """Returns what differs, earliest stage first; within a stage the scheduler first, since the rest follows it."""
    found = [*_before(recording, played.setup)]
    recorded_reading = reading_of(recording, recording.before)
    simulated_reading = reading_of(recording, played.setup.states[-1])
    state = recording.before
    for number, (step, stage) in enumerate(zip(recording.steps, played.steps, strict=True), 1):
        at = (number, step.name)
        seen = [state]
        for _, changed in step.seen:
            state = after(state, changed)
            seen.append(state)
        found += _stage(
            at,
            [fields_of(s, recorded_reading) for s in seen],
            [fields_of(s, simulated_reading) for s in stage.states],
        )
        for model, counts in step.answers.items():
            found += _answers(at, model, counts, stage.answers.get(model, {}))
    return found


def _before(recording: Recording, setup: PlayedStage) -> Iterator[Difference]:
    recorded = fields_of(recording.before, reading_of(recording, recording.before))
    simulated = fields_of(setup.states[-1], reading_of(recording, setup.states[-1]))
    yield from _stage((0, "before"), [recorded], [simulated])
    for model, counts in recording.answers_before.items():
        yield from _answers((0, "before"), model, counts, setup.last.get(model, {}))


def _stage(at: tuple[int, str], recorded: Sequence[Fields], simulated: Sequence[Fields]) -> Iterator[Difference]:
    """Compares the states of one stage."""
    fields = sorted({field for fields in (*recorded, *simulated) for field in fields}, key=_order)
    for field in fields:
        seen = changes([fields.get(field) for fields in recorded])
        gone_through = changes([fields.get(field) for fields in simulated])
        at_end = seen[-1] != gone_through[-1]
        if at_end or not is_subsequence(seen, gone_through):
            name = " ".join(field[1:])
            yield Difference(*at, f"{field[0]} {name}", _told(seen), _told(gone_through), at_end)


def _answers(
    at: tuple[int, str], model: str, counts: Mapping[str, int], simulated: Mapping[str, float]
) -> Iterator[Difference]:
    """Compares who answered. `simulated`: seconds (or shares) per who, of which only the proportion counts."""
    asked, seconds = sum(counts.values()), sum(simulated.values())
    if not asked:
        return
    stray = max(STRAY_ANSWERS, STRAY_SHARE * asked)
    recorded = {who for who, count in counts.items() if count > stray}
    expected = {who: asked * share / seconds for who, share in simulated.items()} if seconds else {}
    must = {who for who, count in expected.items() if count >= MISSED_ANSWERS}
    if recorded <= set(expected) and must <= set(counts):
        return
    yield Difference(*at, f"answers of {model}", _who(counts), _who({k: round(v) for k, v in expected.items()}))


def changes(values: Sequence[_T]) -> list[_T]:
    """Returns `values` without those that repeat the one before."""
    return [value for index, value in enumerate(values) if index == 0 or value != values[index - 1]]


def is_subsequence(few: Sequence[object], many: Sequence[object]) -> bool:
    """Returns whether `few` occur in `many` in this order, others between them or not."""
    rest = iter(many)
    return all(any(value == other for other in rest) for value in few)


def _order(field: Field) -> tuple[int, Field]:
    return (("scheduler", "objects", "servers").index(field[0]), field)


def _told(values: Sequence[object]) -> str:
    return " → ".join("nothing" if value is None else _text(value) for value in values)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_text(item) for item in value if item != "") + "]"
    return str(value)


def _who(counts: Mapping[str, int]) -> str:
    return "{" + ", ".join(f"{who}: {count}" for who, count in sorted(counts.items())) + "}"
