"""Finds the order in which objects applied together were taken in, from how it came out.

The recording does not say it. First the order as given is played; where a stage comes out otherwise, the orders that
its outcome suggests are tried (what was placed went before what was not), then swaps of two, as long as they help. A
stage is settled before the next: the order of a later one changes nothing of an earlier one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from tests.recordings.choices import RecordedChoices
from tests.recordings.compare import Difference, differences
from tests.recordings.operations import Apply, Operation
from tests.recordings.played import Played
from tests.recordings.player import play
from tests.recordings.recording import Recording

MOST_PLAYS = 150
"""So many plays a stage at most: a search that finds nothing must end."""


def play_as_recorded(recording: Recording) -> tuple[Played, list[Difference]]:
    """Plays `recording` in the orders that agree best with it; returns that play and what still differs."""
    orders: dict[int, Sequence[str]] = {}
    played, found = _play(recording, orders)
    for stage, (_, operations) in enumerate(recording.stages):
        together = _together(operations)
        if len(together) > 1 and _differing(found, stage):
            played, found = _search(recording, orders, stage, together)
    return played, found


def _search(
    recording: Recording, orders: dict[int, Sequence[str]], stage: int, together: Sequence[str]
) -> tuple[Played, list[Difference]]:
    best: tuple[int, Played, list[Difference]] | None = None
    plays = 0
    candidates: Iterator[Sequence[str]] = iter([together, *_suggested(recording, stage, together)])
    while plays < MOST_PLAYS:
        order = next(candidates, None)
        if order is None:
            break
        plays += 1
        played, found = _play(recording, {**orders, stage: order})
        differing = _differing(found, stage)
        if best is None or differing < best[0]:
            best = (differing, played, found)
            orders[stage] = order
            candidates = itertools.chain(candidates, _swaps(order))
        if not differing:
            break
    assert best is not None
    return best[1], best[2]


def _play(recording: Recording, orders: Mapping[int, Sequence[str]]) -> tuple[Played, list[Difference]]:
    played = play(recording, RecordedChoices(recording, orders))
    return played, differences(recording, played)


def _differing(found: Sequence[Difference], stage: int) -> int:
    """Returns how much differs up to and with `stage`."""
    return sum(difference.stage <= stage for difference in found)


def _together(operations: Sequence[Operation]) -> list[str]:
    """Returns the names that one apply of several holds, as given."""
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
