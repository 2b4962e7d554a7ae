"""Finds how objects applied together were taken in, from how it came out: in which order, and how fast.

The recording says neither. First the order as given is played; where a stage comes out otherwise, the orders that its
outcome suggests are tried (what was placed went before what was not), then swaps of two, as long as they help. A stage
is settled before the next: the order of a later one changes nothing of an earlier one. How fast one object followed the
other decides how many loads were in flight when the next was placed (docs/seldon.md, "Room is not what is free"), so
that one burst leaves a model unplaced and the same burst on another day does not: if no order agrees, other paces are
tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.recordings.choices import RecordedChoices
from tests.recordings.compare import Difference, differences
from tests.recordings.operations import Apply, Operation
from tests.recordings.played import Played
from tests.recordings.player import play
from tests.recordings.recording import Recording

MOST_PLAYS = 60
"""So many plays a stage and pace at most: a search that finds nothing must end."""

PACES = (None, 0.03, 0.02, 0.01, 0.04, 0.1, 0.15)
"""Seconds between two objects of one apply, None for what the simulation takes for usual."""


@dataclass(frozen=True)
class Way:
    """How a recording is played: per stage the order of what is applied together, and the pace (see `PACES`)."""

    orders: Mapping[int, Sequence[str]]
    pace: float | None


@dataclass(frozen=True)
class _Try:
    """One play, and what differs in it."""

    way: Way
    played: Played
    found: list[Difference]

    def differing(self, stage: int) -> int:
        """Returns how much differs up to and with `stage`."""
        return sum(difference.stage <= stage for difference in self.found)


def play_as_recorded(recording: Recording) -> tuple[Played, list[Difference]]:
    """Plays `recording` in the way that agrees best with it; returns that play and what still differs."""
    best = _best(recording)
    return best.played, best.found


def way_of(recording: Recording) -> Way:
    """Returns the way to play `recording` that agrees best with it."""
    return _best(recording).way


def _best(recording: Recording) -> _Try:
    together = [_together(operations) for _, operations in recording.stages]
    best = _at_pace(recording, None, together)
    for pace in PACES[1:] if any(together) else ():
        if not best.found:
            break
        best = min(best, _at_pace(recording, pace, together), key=lambda one: len(one.found))
    return best


def _at_pace(recording: Recording, pace: float | None, together: Sequence[Sequence[str]]) -> _Try:
    orders: dict[int, Sequence[str]] = {}
    best = _play(recording, orders, pace)
    for stage, names in enumerate(together):
        if names and best.differing(stage):
            orders[stage], best = _search(recording, orders, pace, stage, names)
    return best


def _search(
    recording: Recording, orders: Mapping[int, Sequence[str]], pace: float | None, stage: int, together: Sequence[str]
) -> tuple[Sequence[str], _Try]:
    """Returns the order of `together` with which least differs up to `stage`, and that play."""
    best: tuple[Sequence[str], _Try] | None = None
    candidates: Iterator[Sequence[str]] = iter([together, *_suggested(recording, stage, together)])
    for _ in range(MOST_PLAYS):
        order = next(candidates, None)
        if order is None:
            break
        tried = _play(recording, {**orders, stage: order}, pace)
        if best is None or tried.differing(stage) < best[1].differing(stage):
            best = (order, tried)
            candidates = itertools.chain(candidates, _swaps(order))
        if not tried.differing(stage):
            break
    assert best is not None  # the order as given was tried
    return best


def _play(recording: Recording, orders: Mapping[int, Sequence[str]], pace: float | None) -> _Try:
    played = play(recording, RecordedChoices(recording, orders), pace)
    return _Try(Way(dict(orders), pace), played, differences(recording, played))


def _together(operations: Sequence[Operation]) -> list[str]:
    """Returns the names that applies of several hold, as given; none where everything came alone."""
    return list(dict.fromkeys(n for o in operations if isinstance(o, Apply) and len(o.objects) > 1 for n in o.names))


def _suggested(recording: Recording, stage: int, together: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yields the orders that the outcome suggests: what found room, in the order it was seen to; then the rest."""
    seen = _first_placed(recording, stage)
    yield sorted(together, key=lambda name: name not in seen)
    yield sorted(together, key=lambda name: seen.get(name, len(seen)))
    backwards = together[::-1]
    yield sorted(backwards, key=lambda name: name not in seen)
    yield backwards


def _first_placed(recording: Recording, stage: int) -> dict[str, int]:
    """Returns the models that were seen on a server in `stage`, ranked by when."""
    states = [changed for _, changed in recording.steps[stage - 1].seen] if stage else [recording.before]
    placed: dict[str, int] = {}
    for state in states:
        for model, versions in state["scheduler"].items():
            if isinstance(versions, Mapping) and any(v.get("server") for v in versions.values()):
                placed.setdefault(model, len(placed))
    return placed


def _swaps(order: Sequence[str]) -> Iterator[Sequence[str]]:
    for i, j in itertools.combinations(range(len(order)), 2):
        swapped = list(order)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        yield swapped
