"""Our way: passes of `reconcile` on the simulated cluster, as `run` would do them, until nothing is left to do.

It is the real planner and the real executor; only the cluster and its time are simulated.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.client import Memory, SimulatedCluster
from reconciler.errors import ReportError
from reconciler.journal import Journal, Sinks
from reconciler.model.manifests import DesiredState
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Decision, Guards, Verb
from reconciler.reconcile import reconcile
from reconciler.reports.report import Context, Report
from reconciler.simulate import instant
from reconciler.simulate.history import History
from reconciler.simulate.story import ROUNDING, Chance, Story
from reconciler.simulate.watch import Watch
from reconciler.terms import Terms

SOONEST = 1.0
"""Seconds between the end of a pass that did something and the next one."""

IDLE = 60.0
"""Seconds between two passes that find nothing to do: the default of `run`."""

_WAITING = (Verb.BLOCKED, Verb.REFUSED, Verb.HOLD, Verb.WAIT)


@dataclass(frozen=True, slots=True)
class Played:
    """Our way of a story.

    Attributes:
        history: what was seen. reports: one a pass that did something or ended otherwise than the one before it, with
            the seconds at which it began; the last one tells how it ended.
    """

    history: History
    reports: tuple[tuple[float, Report], ...]

    @property
    def open(self) -> tuple[Decision, ...]:
        """What is blocked, refused, held or waited for in the end; empty when all is in sync."""
        return _open(self.reports[-1][1])

    @property
    def waited_for(self) -> tuple[Decision, ...]:
        """What was blocked, refused, held or waited for in some pass, in the order of the passes."""
        return tuple(dict.fromkeys(decision for _, report in self.reports for decision in _open(report)))


def _open(report: Report) -> tuple[Decision, ...]:
    return tuple(decision for decision in report.decisions if decision.verb in _WAITING)


def play(story: Story, chance: Chance, guards: Guards) -> Played:
    """Plays our way of `story` and returns what was seen.

    Raises:
        ReconcilerError: a pass failed.
    """
    return instant.run(_passes(story, chance, guards))


async def _passes(story: Story, chance: Chance, guards: Guards) -> Played:
    simulation = story.begin(chance)
    watch = Watch(simulation, story)
    cluster = SimulatedCluster(Memory(simulation, story.epoch))
    told = _Reports(watch)
    while watch.now < story.seconds:
        began = watch.now
        await _pass(story, cluster, simulation, told, guards)
        until = _next(story, simulation, told.latest, began, watch.now)
        if until is None:
            break
        _go_on(simulation, watch, min(until, story.seconds))
    _go_on(simulation, watch, story.seconds)
    return Played(watch.history(), tuple(told.kept))


async def _pass(
    story: Story, cluster: SimulatedCluster, simulation: Simulation, told: _Reports, guards: Guards
) -> None:
    def clock() -> float:
        return story.epoch + simulation.now

    async def source() -> DesiredState:
        return story.desired_at(told.watch.now)

    def journal() -> Journal:
        told.began = told.watch.now
        commit = story.desired_at(told.began).commit
        return Journal(lambda: Context(guards.instance, cluster.name, clock(), commit=commit), Sinks(), told, clock)

    terms = Terms("simulate", wait_timeout=story.seconds - told.watch.now)
    await reconcile(source, cluster, guards, journal, terms, asyncio.Event())


def _next(story: Story, simulation: Simulation, report: Report, began: float, now: float) -> float | None:
    """Returns when the next pass begins, in seconds since the beginning; None when nothing can change any more."""
    if report.actions:
        return now + SOONEST
    coming = [commit.at for commit in story.commits if commit.at > began + ROUNDING]
    if report.next_step_at is not None:
        coming.append(max(report.next_step_at - story.epoch - simulation.now + now, now + SOONEST))
    if simulation.next_event_at() is not None:
        coming.append(now + IDLE)
    return min(coming, default=None)


def _go_on(simulation: Simulation, watch: Watch, until: float) -> None:
    simulation.run_until(simulation.now + max(until - watch.now, 0.0))


class _Reports:
    """Keeps the report of every pass that did something or ended otherwise than the one before it."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.began = 0.0
        self.kept: list[tuple[float, Report]] = []

    @property
    def latest(self) -> Report:
        """The report of the last pass, or one that says the same."""
        return self.kept[-1][1]

    def begin(self, report: Report) -> None:
        """A pass has its plan."""

    def tell(self, outcome: Outcome) -> None:
        """There is news of an action."""

    def warn(self, error: ReportError) -> None:
        """The report could not be kept somewhere: there is no such place."""

    def end(self, report: Report) -> None:
        """A pass is over."""
        last = self.kept[-1][1] if self.kept else None
        if last is not None and not (last.actions or report.actions) and last.decisions == report.decisions:
            self.kept[-1] = (self.kept[-1][0], report)
        else:
            self.kept.append((self.began, report))
