"""The report of a simulation as frozen data, from which every form is rendered, and what people are told of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.model.plan import Decision
from reconciler.simulate.comparison import Comparison, badness, lost_for_good
from reconciler.simulate.history import History, ModelHistory

FORMAT_VERSION = "1"
"""Version of the data's shape; it changes when a reader of the old one would be misled."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was played: a commit, and what was live before, for people. Holds no secret."""

    before: str
    commit: str = ""
    subject: str = ""
    repository: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A commit played in both ways (schemas/simulation.schema.json).

    Attributes:
        rate: requests per second and model. load_time: seconds that an artifact takes to load which says nothing else.
        notes: what it rests on that could be otherwise, and what was left out, as sentences.
    """

    subject: Subject
    comparison: Comparison
    rate: float
    load_time: float
    notes: tuple[str, ...] = ()

    @property
    def plain(self) -> History:
        """The plain run that is told: the worst."""
        return self.comparison.worst_plain

    @property
    def ours(self) -> History:
        """Our run that is told: the worst."""
        return self.comparison.worst_ours.history

    @property
    def open(self) -> tuple[Decision, ...]:
        """What we do not bring about: blocked, refused, held or waited for in the end."""
        return self.comparison.worst_ours.open

    @property
    def plain_loses(self) -> bool:
        """Whether the plain way takes something off the air, loses a request, or leaves a model that never answers."""
        plain = self.plain
        return bool(plain.taken_off or plain.requests_lost(1.0) or lost_for_good(plain))

    @property
    def eventful(self) -> tuple[tuple[ModelHistory, ModelHistory], ...]:
        """The models to which something happened in one way or the other, as they were plainly and by us."""
        both = zip(self.plain.models, self.ours.models, strict=True)
        return tuple((plain, ours) for plain, ours in both if not (uneventful(plain) and uneventful(ours)))

    @property
    def others(self) -> str:
        """How many models nothing happened to, as a sentence; empty when there is none."""
        count = len(self.plain.models) - len(self.eventful)
        return f"{count} {'model' if count == 1 else 'models'} answered as before all the time" if count else ""


def what_became(history: History, rate: float) -> str:
    """Returns in one line what a way did to the models, such as `6 of 8 models off the air for good, …`."""
    gone = [model for model in history.models if model.off_at_the_end]
    passing = [model for model in history.taken_off if not model.off_at_the_end]
    never = [model for model in history.models if model.never]
    parts = [f"{_count(gone, history)} off the air for good"] if gone else []
    if passing:
        longest = max(model.seconds_off for model in passing)
        parts.append(
            f"{_count(passing, history)} off the air for {'up to ' if len(passing) > 1 else ''}{longest:.1f} s"
        )
    parts += [f"{_count(never, history)} never on it"] if never else []
    lost = history.requests_lost(rate)
    parts.append(f"{lost:.0f} requests lost" if round(lost) else "no request lost")
    return ", ".join(parts if gone or passing or never else ["nothing off the air", *parts])


def _count(models: list[ModelHistory], history: History) -> str:
    if len(models) <= 2:
        return " and ".join(model.name for model in models)
    return f"{len(models)} of {len(history.models)} models"


def uneventful(model: ModelHistory) -> bool:
    """Returns whether one version answered all the time."""
    return len(model.stretches) == 1 and model.on_before and not model.stretches[0].lost


def convergence(history: History, commit_at: float, open_: Iterable[Decision] = ()) -> str:
    """Returns when all of the commit was served, whole, or why never; `open_`: what we do not bring about."""
    if history.converged_at is not None:
        return f"all of it served, whole, after {max(history.converged_at - commit_at, 0.0):.1f} s"
    decided = {
        decision.name if decision.kind == "Model" else f"{decision.kind} {decision.name}": (
            f"{decision.verb}, {decision.reason}"
        )
        for decision in open_
    }
    whose: dict[str, list[str]] = {}
    for each in history.missing:
        whose.setdefault(decided.get(each.model, each.lack), []).append(each.model)
    return f"never all of it served; {'; '.join(f'{few(models)}: {lack}' for lack, models in whose.items())}"


def few(names: Iterable[str], most: int = 4) -> str:
    """Returns `names` in one line, those beyond `most` counted."""
    found = list(names)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def chance_words(comparison: Comparison, rate: float) -> str:
    """Returns how the plain runs differ, empty when they do not."""
    worst, usual = comparison.worst_plain, comparison.usual_plain
    alike = badness(worst)[:2] == badness(usual)[:2] and usual.requests_lost(1.0) >= 0.9 * worst.requests_lost(1.0)
    return "" if alike else f"this is the worst of {len(comparison.plain)} runs; usual is: {what_became(usual, rate)}"


def fate(model: ModelHistory, rate: float) -> str:
    """Returns in a few words what became of one model."""
    if model.never:
        return "never on the air"
    last = model.stretches[-1]
    if not last.wanted and not model.taken_off:
        return "goes on serving, though not in Git any more" if last.answers else "deleted, as Git says"
    lost = round(model.requests_lost(rate))
    requests = f", {lost} requests lost" if lost else ""
    if model.off_at_the_end:
        since = next(s.start for s in reversed(model.stretches) if s.off and s in model.at_risk)
        return f"off for good after {since:.1f} s{requests}"
    if model.seconds_off:
        return f"off for {model.seconds_off:.1f} s{requests}"
    waited = "" if model.on_before or model.waited is None else f", first after {model.waited:.1f} s"
    return f"on the air{waited}{requests}"
