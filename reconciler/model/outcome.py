"""What became of a plan's actions, as frozen data; the executor yields it live and the report keeps it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Status(enum.StrEnum):
    """Where an action stands. The first two are not outcomes yet."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    NOT_RUN = "not run"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """State of one action at one moment.

    Attributes:
        action: the `Action.id`. detail: what is waited for, or the cause of a failure, one sentence for people.
        started, ended: Unix times in seconds, None while it has not.
    """

    action: str
    status: Status
    detail: str = ""
    started: float | None = None
    ended: float | None = None

    @property
    def over(self) -> bool:
        """Whether it will not change any more."""
        return self.status not in (Status.PENDING, Status.RUNNING)
