"""Plays a recording on the simulated cluster and keeps all that it goes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from reconciler.clusters.simulated import Choices, Rules, Simulation
from tests.recordings.artifacts import artifacts_in, name_of, told_artifact, uri_of
from tests.recordings.operations import (
    Apply,
    Delete,
    Kill,
    Operation,
    Patch,
    RestartScheduler,
    SetArtifacts,
    Wait,
)
from tests.recordings.played import Played, PlayedStage, Share
from tests.recordings.recording import Recording, State
from tests.recordings.shape import MalformedRecording

OPERATION_SECONDS = 0.1
"""What the recorder's client took for one operation."""

SETTLED_SECONDS = 10.0
"""The recorder looked at the state before the first step when nothing had changed for long."""

LONGEST_SETUP = 300.0


@dataclass
class _Watch:
    """Listens to a simulation. `models` are asked who answers."""

    simulation: Simulation
    models: Sequence[str]
    states: list[State] = field(default_factory=list)
    answers: dict[str, dict[str, float]] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    shares: dict[str, Share] = field(default_factory=dict)
    since: float = 0.0

    def __post_init__(self) -> None:
        self.since = self.simulation.now
        self.shares = {model: self._share(model) for model in self.models}
        self.states = [self.simulation.snapshot()]
        self.simulation.listeners.append(self.changed)

    def changed(self, now: float) -> None:
        """Something changed in the simulation."""
        self.count(now)
        self.shares = {model: self._share(model) for model in self.models}
        state = self.simulation.snapshot()
        if state != self.states[-1]:
            self.states.append(state)

    def count(self, now: float) -> None:
        """Books the time until `now` for those who answered."""
        for model in self.asked:
            seconds = self.answers.setdefault(model, {})
            for who, share in self.shares[model].items():
                seconds[who] = seconds.get(who, 0.0) + share * (now - self.since)
        self.since = now

    def stage(self) -> PlayedStage:
        """Ends a stage and begins the next."""
        self.changed(self.simulation.now)
        done = PlayedStage(tuple(self.states), self.answers, dict(self.shares))
        self.states, self.answers = [self.states[-1]], {}
        return done

    def _share(self, model: str) -> Share:
        found: dict[str, float] = {}
        for who, share in self.simulation.answers(model).items():
            name = str(who) if isinstance(who, int) else f"{name_of(who[0])}@{who[1]}-{who[2]}"
            found[name] = found.get(name, 0.0) + share
        return found


class StagedChoices(Choices, Protocol):
    """Choices that are told which stage begins: 0 is the setup, then the steps."""

    def begin(self, stage: int) -> None:
        """A stage begins."""
        ...


def play(recording: Recording, choices: StagedChoices, pace: float | None = None) -> Played:
    """Plays all of `recording`, following `choices` where the real system chose at random.

    `pace`: seconds between the objects of one apply, None for the simulation's own.
    """
    everything = tuple(operation for _, operations in recording.stages for operation in operations)
    simulation = Simulation(rules(recording, pace), artifacts_in(everything), choices)
    models = sorted({model for answers in _all_answers(recording) for model in answers})
    watch = _Watch(simulation, models)
    choices.begin(0)
    simulation.apply(recording.servers.objects)
    settle(simulation)
    _perform(simulation, "setup", recording.setup)
    settle(simulation)
    setup = watch.stage()
    asked = frozenset(recording.answers_before)
    steps = []
    for number, step in enumerate(recording.steps, 1):
        choices.begin(number)
        watch.asked, end = asked, simulation.now + step.seconds
        _perform(simulation, step.name, step.operations)
        watch.count(simulation.now)
        watch.asked = asked = asked | frozenset(step.answers)
        simulation.run_until(max(end, simulation.now))
        steps.append(watch.stage())
    return Played(setup, tuple(steps), simulation)


def rules(recording: Recording, pace: float | None = None) -> Rules:
    """Returns the settings of the recorded cluster; `pace` as for `play`."""
    found = Rules(
        memory=recording.memory,
        overcommit_percentage=recording.overcommit_percentage,
        server_autoscaling=recording.server_autoscaling,
    )
    return found if pace is None else replace(found, take_in_every=pace)


def _all_answers(recording: Recording) -> tuple[Mapping[str, object], ...]:
    return (recording.answers_before, *(step.answers for step in recording.steps))


def settle(simulation: Simulation) -> None:
    """Lets time pass until nothing changes any more."""
    end = simulation.now + LONGEST_SETUP
    state, quiet_since = simulation.snapshot(), simulation.now
    while simulation.now < end and simulation.now - quiet_since < SETTLED_SECONDS:
        simulation.run_until(simulation.now + 1.0)
        if (found := simulation.snapshot()) != state:
            state, quiet_since = found, simulation.now


def _perform(simulation: Simulation, where: str, operations: Sequence[Operation]) -> None:
    for operation in operations:
        if isinstance(operation, Wait):
            simulation.run_until(simulation.now + operation.seconds)
            continue
        try:
            carry_out(simulation, operation)
        except KeyError as error:
            missing = _target(operation)
            if missing is None:
                raise
            raise MalformedRecording(f"{where}: there is no {missing}") from error
        simulation.run_until(simulation.now + OPERATION_SECONDS)


def _target(operation: Operation) -> str | None:
    """Returns what an operation needs to be there, None when it needs nothing."""
    match operation:
        case Delete(ref):
            return f"{ref} to delete"
        case Patch(ref, _):
            return f"{ref} to patch"
        case Kill(server, replica):
            return f"replica {server}/{replica} to kill"
    return None


def carry_out(simulation: Simulation, operation: Operation) -> None:
    """Does what `operation` says, a pause apart. Raises KeyError when there is nothing to do it to."""
    match operation:
        case Apply(objects):
            simulation.apply(objects)
        case Delete(ref):
            simulation.delete(ref)
        case Patch(ref, merge):
            simulation.patch(ref, merge)
        case SetArtifacts(behaviours):
            for name, behaviour in behaviours.items():
                simulation.set_artifact(uri_of(name), told_artifact(name, behaviour))
        case RestartScheduler():
            simulation.restart_scheduler()
        case Kill(server, replica):
            simulation.kill(server, replica)
        case Wait():
            raise AssertionError("time passes elsewhere")
