"""The two answers about an action, as frozen data: an obstacle to its start, and the progress of its postcondition."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Stage(enum.StrEnum):
    """How far an action's postcondition is."""

    DONE = "done"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """What is seen of an action's postcondition.

    Attributes:
        detail: for people, such as `1 of 2 replicas available`.
        version_failed: the version itself is at fault, which is kept on record (docs/planning-decisions.md, row 9);
            a version that could not be placed is not. refused: it could not be placed, against all reckoning.
    """

    state: Stage
    detail: str = ""
    version_failed: bool = False
    refused: bool = False


class Patience(enum.Enum):
    """Whether an obstacle may go away by itself, and how long that is worth waiting for."""

    NONE = enum.auto()
    BRIEF = enum.auto()
    TIME_LIMIT = enum.auto()


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an action may not run now."""

    why: str
    patience: Patience = Patience.NONE


def being_deleted() -> Obstacle:
    """Returns the obstacle of an object that is on its way out: what is written to it now is lost with it."""
    return Obstacle("the object is being deleted", Patience.TIME_LIMIT)


def gone(absent: bool) -> Progress:
    """Returns the progress of a removal."""
    return Progress(Stage.DONE, "it is gone") if absent else Progress(Stage.PENDING, "it is still there")


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun, such as `1 replica` or `2 replicas`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
