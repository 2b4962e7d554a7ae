"""What a run must never show: a model that we take off the air, a server replica over its limit."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.writes import PROBE

HORIZON = 200.0
"""Simulated seconds in which what others have done before we come shows its consequences."""


@dataclass(frozen=True)
class Harm:
    """Something that must not happen: when (simulated seconds), to what, and what it is."""

    at: float
    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:.2f} s: {self.subject} {self.what}"


def answered(simulation: Simulation) -> frozenset[str]:
    """Returns the models that somebody answers for now."""
    names = [ref.removeprefix("Model/") for ref in simulation.world.objects if ref.startswith("Model/")]
    return frozenset(
        name for name in names if name != PROBE and any(isinstance(who, tuple) for who in simulation.answers(name))
    )


def over_limit(simulation: Simulation) -> Iterator[str]:
    """Yields the server replicas whose agent has more than it may hold, loaded or on its way."""
    for server in simulation.world.servers.values():
        for replica in server.replicas.values():
            if replica.free < 0:
                yield f"{server.name}/{replica.index}"


def lost_without_us(simulation: Simulation) -> frozenset[str]:
    """Returns the models that go off the air even if nobody does anything any more: what others did is theirs."""
    other = Simulation.load(simulation.dump(), simulation.world.choices)
    lost: set[str] = set()
    before = answered(other)

    def look(_: float) -> None:
        nonlocal before
        now = answered(other)
        lost.update(before - now)
        before = now

    other.listeners.append(look)
    other.run_until(other.now + HORIZON)
    return frozenset(lost)


@contextmanager
def watched(simulation: Simulation, may_go: Set[str]) -> Iterator[list[Harm]]:
    """Collects the harm that is done meanwhile; models in `may_go` are meant to go off the air."""
    harm: list[Harm] = []
    excused = lost_without_us(simulation) | may_go
    before = on_the_air = answered(simulation)
    others_are_busy = simulation.next_event_at() is not None

    def look(now: float) -> None:
        nonlocal before
        here = answered(simulation)
        lost = before - here - excused
        # What comes on the air while the work of others is under way may fall victim to that.
        lost = lost & on_the_air if others_are_busy else lost
        harm.extend(Harm(now, name, "is taken off the air") for name in sorted(lost))
        before = here
        harm.extend(Harm(now, replica, "is over its limit") for replica in over_limit(simulation))

    simulation.listeners.append(look)
    try:
        yield harm
    finally:
        simulation.listeners.remove(look)
    # What we began may show its consequences when we are gone, killed for instance: the next look would excuse them.
    later = lost_without_us(simulation) - excused
    later = later & on_the_air if others_are_busy else later
    harm.extend(Harm(simulation.now, name, "goes off the air later") for name in sorted(later))
