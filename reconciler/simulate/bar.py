"""A model's history as a row of characters, one for each piece of the time. Pure.

    1 2 …  the version that answers, by its number                  +  two versions share the requests
    ×      off the air                                                 ~  some requests are not answered
    ·      not on the air yet                                          (space)  Git does not ask for it

In each piece the worst of what happened counts, so that a short outage is not lost between two pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.clean import printable
from reconciler.simulate.history import Answerer, History, ModelHistory, Stretch

SHARED, OFF, SOME_LOST, NOT_YET, NOT_ASKED = "+", "×", "~", "·", " "
_NUMBERS = "123456789abcdefghijklmnopqrstuvwxyz"
_SCALES = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 300.0)


def scale(histories: Sequence[History]) -> float:
    """Returns how many seconds from the beginning are worth showing: a little beyond the last change."""
    end = max(history.seconds for history in histories)
    last = max((model.stretches[-1].start for history in histories for model in history.models), default=0.0)
    converged = max(history.converged_at or 0.0 for history in histories)
    needed = 1.1 * max(last, converged)
    return min(next((nice for nice in _SCALES if nice >= needed), end), end)


def answerers(*histories: ModelHistory) -> tuple[Answerer, ...]:
    """Returns the versions that answered for a model in any of the histories, in the order they first did."""
    seen = [(stretch.start, who) for model in histories for stretch in model.stretches for who, _ in stretch.answers]
    return tuple(dict.fromkeys(who for _, who in sorted(seen)))


def numbered(known: Sequence[Answerer]) -> list[str]:
    """Returns what the numbers stand for, such as `1 iris/v1`, with the digest where artifacts are the same."""
    artifacts = [who.artifact for who in known]
    return [
        f"{number(who, known)} {printable(str(who) if artifacts.count(who.artifact) > 1 else who.artifact)}"
        for who in known
    ]


def number(who: Answerer, known: Sequence[Answerer]) -> str:
    """Returns the character that stands for a version."""
    return _NUMBERS[min(known.index(who), len(_NUMBERS) - 1)]


def bar(model: ModelHistory, known: Sequence[Answerer], seconds: float, width: int) -> str:
    """Returns the first `seconds` of a history in `width` characters; `known`: from `answerers`."""
    edges = [seconds * piece / width for piece in range(width + 1)]
    return "".join(_piece(model, known, edges[i], edges[i + 1]) for i in range(width))


def _piece(model: ModelHistory, known: Sequence[Answerer], start: float, end: float) -> str:
    here = [stretch for stretch in model.stretches if stretch.start < end and stretch.end > start]
    risky = [stretch for stretch in here if stretch in model.at_risk]
    if any(stretch.off for stretch in risky):
        return OFF
    if any(stretch.lost for stretch in risky):
        return SOME_LOST
    answered = [stretch for stretch in here if not stretch.off]
    if not answered:
        return NOT_YET if any(stretch.wanted for stretch in here) else NOT_ASKED
    return _answer(answered, known)


def _answer(answered: Sequence[Stretch], known: Sequence[Answerer]) -> str:
    shared = any(len(stretch.answers) > 1 for stretch in answered)
    return SHARED if shared else number(answered[-1].answers[0][0], known)
