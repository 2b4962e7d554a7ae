"""Both ways of a story, played several times: what is left to chance comes out otherwise each time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reconciler.model.plan import Guards
from reconciler.simulate import ours, plain
from reconciler.simulate.history import History
from reconciler.simulate.ours import Played
from reconciler.simulate.story import Chance, Story


@dataclass(frozen=True, slots=True)
class Comparison:
    """One story in both ways.

    Attributes:
        plain, ours: one a run, in the same order; the same run of both had the same seed. seed: of the first one.
    """

    story: Story
    plain: tuple[History, ...]
    ours: tuple[Played, ...]
    seed: int = 0

    @property
    def worst_plain(self) -> History:
        """The plain run in which most was lost."""
        return max(self.plain, key=badness)

    @property
    def usual_plain(self) -> History:
        """The plain run in the middle, by what was lost."""
        return sorted(self.plain, key=badness)[(len(self.plain) - 1) // 2]

    @property
    def worst_ours(self) -> Played:
        """Our run in which most was lost, or that took longest."""
        return max(self.ours, key=lambda played: badness(played.history))

    @property
    def differs(self) -> bool:
        """Whether chance made a difference to what the plain way lost."""
        return len({(lost_for_good(h), len(h.taken_off), round(h.requests_lost(1.0))) for h in self.plain}) > 1


def compare(story: Story, guards: Guards, *, runs: int, seed: int = 0) -> Comparison:
    """Plays `story` in both ways, `runs` times each, with the seeds from `seed` on.

    Raises:
        ReconcilerError: a pass of ours failed.
    """
    seeds = range(seed, seed + runs)
    return Comparison(
        story,
        tuple(plain.play(story, Chance(one)) for one in seeds),
        tuple(ours.play(story, Chance(one), guards) for one in seeds),
        seed,
    )


def lost_for_good(history: History) -> tuple[str, ...]:
    """Returns the models that no version answers in the end although Git asks for them."""
    return tuple(model.name for model in history.models if model.off_at_the_end or model.never)


def badness(history: History) -> tuple[float, ...]:
    """Returns what orders histories, the better ones first: lost for good, taken off, requests, time to converge."""
    late = math.inf if history.converged_at is None else history.converged_at
    return (len(lost_for_good(history)), len(history.taken_off), history.requests_lost(1.0), late)
