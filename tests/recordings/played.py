"""What a simulation went through while a recording was played, in the words of the recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.clusters.simulated import Simulation
from tests.recordings.recording import State

Share = Mapping[str, float]
"""Who answers (`artifact@server-replica`, or an HTTP status) and with which share, of one model at one moment."""


@dataclass(frozen=True)
class PlayedStage:
    """The setup or one step.

    Attributes:
        states: all that it went through, the state at its beginning first. answers: per model, the seconds that each
            who answered did so, weighted by its share. last: who answers at its end.
    """

    states: tuple[State, ...]
    answers: Mapping[str, Mapping[str, float]]
    last: Mapping[str, Share]


@dataclass(frozen=True)
class Played:
    """The setup (its last state is what `before` is compared with) and the steps; `end`: the simulation after them."""

    setup: PlayedStage
    steps: tuple[PlayedStage, ...]
    end: Simulation | None = None

    @property
    def stages(self) -> tuple[PlayedStage, ...]:
        """The setup and the steps."""
        return (self.setup, *self.steps)
