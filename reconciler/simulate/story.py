"""What is played: a cluster as it was before, commits as they come, and what else happens to it meanwhile.

All times are seconds since the beginning of the story.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.clusters.simulated import Choices, Simulation
from reconciler.clusters.simulated.choices import SeededChoices
from reconciler.model.manifests import DesiredState

ROUNDING = 1e-6
"""Seconds that differences of times may be wrong by."""


@dataclass(frozen=True, slots=True)
class Commit:
    """At that moment `desired` is what Git says."""

    at: float
    desired: DesiredState


@dataclass(frozen=True, slots=True)
class Incident:
    """What is done to the cluster at that moment, whatever else goes on there."""

    at: float
    do: Callable[[Simulation], None]


HASTE = (1.0, 0.3, 0.6)
"""How long the cluster takes from one object to the next when several are written together, as shares of the usual.

It differs from day to day, and decides how many loads are in flight when the next model is placed (docs/seldon.md,
"Room is not what is free")."""


class Chance:
    """What is left to chance in one run, drawn from `seed`: every choice, and how fast objects are taken in."""

    def __init__(self, seed: int) -> None:
        self.haste = HASTE[seed % len(HASTE)]
        self.choices: Choices = SeededChoices(seed)


@dataclass(frozen=True, slots=True)
class Story:
    """One story, to be played in two ways.

    Attributes:
        before: the cluster at the beginning, as `Simulation.dump` gives it.
        commits: at least one, by time. plain: what is done without us instead. incidents: what happens in both ways.
        seconds: how long it is watched. epoch: Unix time of the simulation's own beginning, in seconds.
    """

    before: Mapping[str, Any]
    commits: tuple[Commit, ...]
    plain: tuple[Incident, ...]
    incidents: tuple[Incident, ...] = ()
    seconds: float = 300.0
    epoch: float = 0.0

    def begin(self, chance: Chance) -> Simulation:
        """Returns the cluster at the beginning; `chance` decides what is left to it from there on."""
        rules = {**self.before["rules"]}
        rules["take_in_every"] *= chance.haste
        simulation = Simulation.load({**self.before, "rules": rules}, chance.choices)
        appoint(simulation, self.incidents)
        return simulation

    def desired_at(self, seconds: float) -> DesiredState:
        """Returns what Git says at that moment; before the first commit, what the first one says."""
        past = [commit.desired for commit in self.commits if commit.at <= seconds + ROUNDING]
        return past[-1] if past else self.commits[0].desired

    @property
    def last(self) -> Commit:
        """The commit that is to be reached in the end."""
        return self.commits[-1]


def appoint(simulation: Simulation, incidents: tuple[Incident, ...]) -> None:
    """Has all of `incidents` happen, counted from now."""
    for incident in incidents:
        simulation.appoint(simulation.now + incident.at, _bound(incident, simulation))


def _bound(incident: Incident, simulation: Simulation) -> Callable[[], None]:
    return lambda: incident.do(simulation)
