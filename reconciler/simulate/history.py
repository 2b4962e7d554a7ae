"""What became of every model and server replica while a story was played: frozen data, and what it amounts to. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_NONE = 1e-9
"""Shares smaller than this are rounding."""


@dataclass(frozen=True, slots=True, order=True)
class Answerer:
    """A version that answers: its artifact, and the digest of all that makes it a version."""

    artifact: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.artifact} ({self.digest})" if self.digest else self.artifact


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which one model was answered in the same way.

    Attributes:
        start, end: seconds since the beginning.
        answers: (version, share of the requests) pairs, the biggest share first; what is missing to 1 got 404 or 503.
        wanted: whether Git asks for the model.
    """

    start: float
    end: float
    answers: tuple[tuple[Answerer, float], ...]
    wanted: bool = True

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start

    @property
    def lost(self) -> float:
        """The share of the requests that nobody answered, 0 to 1."""
        missing = 1.0 - sum(share for _, share in self.answers)
        return missing if missing > _NONE else 0.0

    @property
    def off(self) -> bool:
        """Whether no version answered."""
        return not self.answers


@dataclass(frozen=True, slots=True)
class ModelHistory:
    """One model from the beginning to the end; `stretches` follow one another without a gap.

    A model that nobody has answered yet is waited for; only one that has answered before can be taken off the air.
    """

    name: str
    stretches: tuple[Stretch, ...]

    @property
    def first_answer(self) -> float | None:
        """Seconds until some version answered: 0 where one did from the beginning, None where none ever did."""
        return next((stretch.start for stretch in self.stretches if not stretch.off), None)

    @property
    def on_before(self) -> bool:
        """Whether it was on the air at the beginning."""
        return self.first_answer == self.stretches[0].start

    @property
    def at_risk(self) -> tuple[Stretch, ...]:
        """The stretches in which Git asked for it and it had answered before."""
        first = self.first_answer
        return () if first is None else tuple(s for s in self.stretches if s.wanted and s.start >= first)

    @property
    def seconds_off(self) -> float:
        """For how long it was off the air although it had answered before."""
        return sum(stretch.seconds for stretch in self.at_risk if stretch.off)

    @property
    def off_at_the_end(self) -> bool:
        """Whether it was taken off the air and still is."""
        return bool(self.at_risk) and self.at_risk[-1] is self.stretches[-1] and self.stretches[-1].off

    @property
    def waited(self) -> float | None:
        """Seconds from the commit that asks for it to its first answer; 0 where it was on the air, None without one."""
        first = self.first_answer
        asked = next((stretch.start for stretch in self.stretches if stretch.wanted), first)
        return None if first is None or asked is None else max(first - asked, 0.0)

    @property
    def never(self) -> bool:
        """Whether Git asks for it in the end and it never answered."""
        return self.first_answer is None and self.stretches[-1].wanted

    @property
    def taken_off(self) -> bool:
        """Whether it was off the air although it had answered before and Git asks for it."""
        return self.seconds_off > 0

    def requests_lost(self, rate: float) -> float:
        """Returns how many of `rate` requests per second were not answered although it had answered before."""
        return rate * sum(stretch.lost * stretch.seconds for stretch in self.at_risk)


@dataclass(frozen=True, slots=True)
class ReplicaPeak:
    """The most bytes that were scheduled on a server replica at one time, loads in flight included.

    `limit`: bytes that may be scheduled there, overcommit included.
    """

    server: str
    replica: int
    limit: int
    peak: int


@dataclass(frozen=True, slots=True)
class Missing:
    """What a model lacked in the end; an Experiment or a Pipeline is named with its kind."""

    model: str
    lack: str


@dataclass(frozen=True, slots=True)
class History:
    """All that was seen.

    Attributes:
        models, peaks: sorted. seconds: how long it was watched.
        converged_at: seconds until every model that Git asks for was served whole by the version it asks for, and
            stayed so; None when it is not so in the end. missing: what was missing then.
    """

    models: tuple[ModelHistory, ...]
    peaks: tuple[ReplicaPeak, ...]
    seconds: float
    converged_at: float | None
    missing: tuple[Missing, ...] = ()

    @property
    def taken_off(self) -> tuple[ModelHistory, ...]:
        """The models that were taken off the air for a while or for good."""
        return tuple(model for model in self.models if model.taken_off)

    def requests_lost(self, rate: float) -> float:
        """Returns how many requests were lost at `rate` requests per second and model."""
        return sum(model.requests_lost(rate) for model in self.models)
