"""Plays a recording on the stand-in: kubectl does what was done, and what can be observed from outside is kept.

Simulated time is driven: from event to event, with everything written to the API server before the next one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.controlplane.running import ControlPlane
from tests.recordings.artifacts import artifacts_in, told_artifact, uri_of
from tests.recordings.choices import RecordedChoices
from tests.recordings.operations import Apply, Delete, Kill, Operation, Patch, RestartScheduler, SetArtifacts, Wait
from tests.recordings.orders import Way
from tests.recordings.played import Played, PlayedStage
from tests.recordings.player import LONGEST_SETUP, OPERATION_SECONDS, SETTLED_SECONDS, rules
from tests.recordings.recording import Recording, State
from tests.recordings.shape import MalformedRecording
from tests.standin.api import NOT_FOUND, ApiError
from tests.standin.kubectl import Kubectl, NotThere
from tests.standin.observer import Observer, observing
from tests.standin.standin import StandIn, stand_in

REQUESTS_PER_SECOND = 30.0
FEWEST_REQUESTS, MOST_REQUESTS = 5, 20
"""To each model, in a time in which nothing changes. Five turns meet every replica of three (see `inference`)."""

LAST_REQUESTS = 40
"""The same at the end of the setup."""

SEEN_WITHIN = 30.0
"""Real seconds until the stand-in must have seen what was written."""

_NAMESPACES = itertools.count(1)


@dataclass
class _Stage:
    """What was observed since a stage began."""

    states: list[State]
    answers: dict[str, dict[str, float]] = field(default_factory=dict)

    def saw(self, state: State) -> None:
        if state != self.states[-1]:
            self.states.append(state)


async def play(recording: Recording, way: Way, control_plane: ControlPlane) -> Played:
    """Plays `recording` on a stand-in in a new namespace.

    Raises:
        MalformedRecording: it does something to what is not there. ApiError: the API server does not take an object.
    """
    namespace = f"recording-{next(_NAMESPACES)}"
    kubectl = Kubectl(control_plane, namespace)
    await kubectl.create_namespace()
    choices = RecordedChoices(recording, way.orders)
    everything = tuple(operation for _, operations in recording.stages for operation in operations)
    async with (
        stand_in(
            control_plane.kubeconfig,
            namespace,
            rules(recording, way.pace),
            artifacts_in(everything),
            choices,
            speed=None,
        ) as found,
        observing(found.api, found.ports.scheduler, found.ports.inference) as observer,
    ):
        return await _Player(recording, found, observer, kubectl, choices).play()


class _Player:
    def __init__(
        self, recording: Recording, found: StandIn, observer: Observer, kubectl: Kubectl, choices: RecordedChoices
    ) -> None:
        self._recording, self._found, self._observer = recording, found, observer
        self._kubectl, self._choices = kubectl, choices
        self._simulation = found.simulation
        self._asked: frozenset[str] = frozenset()
        self._stage: _Stage | None = None

    async def play(self) -> Played:
        setup = await self._setup()
        self._asked = frozenset(self._recording.answers_before)
        steps, state = [], setup.states[-1]
        for number, step in enumerate(self._recording.steps, 1):
            self._choices.begin(number)
            stage = self._stage = _Stage([state])
            end = self._simulation.now + step.seconds
            await self._perform(step.name, step.operations)
            self._asked |= frozenset(step.answers)
            await self._run_until(max(end, self._simulation.now))
            stage.saw(await self._observer.state())
            steps.append(PlayedStage(tuple(stage.states), stage.answers, {}))
            state = stage.states[-1]
        return Played(setup, tuple(steps))

    async def _setup(self) -> PlayedStage:
        self._choices.begin(0)
        await self._carry_out("setup", self._recording.servers)
        await self._settle()
        await self._perform("setup", self._recording.setup)
        await self._settle()
        models = sorted(self._recording.answers_before)
        last = {model: await self._observer.answers(model, LAST_REQUESTS) for model in models}
        return PlayedStage((await self._observer.state(),), {}, last)

    async def _settle(self) -> None:
        """Lets time pass until nothing changes any more."""
        end = self._simulation.now + LONGEST_SETUP
        state, quiet_since = await self._observer.state(), self._simulation.now
        while self._simulation.now < end and self._simulation.now - quiet_since < SETTLED_SECONDS:
            await self._run_until(self._simulation.now + 1.0)
            if (now := await self._observer.state()) != state:
                state, quiet_since = now, self._simulation.now

    async def _run_until(self, when: float) -> None:
        while (due := self._simulation.next_event_at()) is not None and due <= when:
            await self._ask(due - self._simulation.now)
            await self._found.step()
            if self._stage is not None:
                self._stage.saw(await self._observer.state())
        await self._ask(when - self._simulation.now)
        self._simulation.run_until(when)

    async def _ask(self, seconds: float) -> None:
        """Asks the models while nothing changes for so many seconds, and books those for who answers."""
        if self._stage is None or seconds <= 0:
            return
        count = max(FEWEST_REQUESTS, min(MOST_REQUESTS, round(seconds * REQUESTS_PER_SECOND)))
        for model in sorted(self._asked):
            booked = self._stage.answers.setdefault(model, {})
            for who, share in (await self._observer.answers(model, count)).items():
                booked[who] = booked.get(who, 0.0) + share * seconds

    async def _perform(self, where: str, operations: Sequence[Operation]) -> None:
        for operation in operations:
            if isinstance(operation, Wait):
                await self._run_until(self._simulation.now + operation.seconds)
                continue
            await self._carry_out(where, operation)
            if self._stage is not None:
                self._stage.saw(await self._observer.state())
            await self._run_until(self._simulation.now + OPERATION_SECONDS)

    async def _carry_out(self, where: str, operation: Operation) -> None:
        try:
            await self._do(operation)
        except (NotThere, KeyError) as error:
            raise MalformedRecording(f"{where}: there is no {error} to do this to: {operation}") from error
        self._observer.somebody_wrote()
        await self._found.flush()

    async def _do(self, operation: Operation) -> None:
        match operation:
            case Apply(objects):
                await self._apply(objects)
            case Delete(ref):
                await self._kubectl.delete(ref)
                await self._until_deletion_is_seen(ref)
            case Patch(ref, merge):
                await self._until_seen([await self._kubectl.patch(ref, merge)])
            case SetArtifacts(behaviours):
                for name, behaviour in behaviours.items():
                    self._found.set_artifact(uri_of(name), told_artifact(name, behaviour))
            case RestartScheduler():
                self._found.restart_scheduler()
            case Kill(server, replica):
                self._found.kill(server, replica)
            case Wait():
                raise AssertionError("time passes elsewhere")

    async def _apply(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Applies objects in the order that chance has it, those of one kind in one go: the watches of several kinds
        say nothing of the order between them."""
        order = list(self._choices.order([str(found["name"]) for found in objects]))
        ordered = sorted(objects, key=lambda found: order.index(str(found["name"])))
        for _, group in itertools.groupby(ordered, key=lambda found: found["kind"]):
            await self._until_seen(await self._kubectl.apply(list(group)))

    async def _until_seen(self, written: Sequence[Mapping[str, Any]]) -> None:
        versions = {f"{one['kind']}/{one['metadata']['name']}": _version(one) for one in written}
        known = self._found.mirror.objects
        await self._until(lambda: all(ref in known and _version(known[ref]) >= v for ref, v in versions.items()))

    async def _until_deletion_is_seen(self, ref: str) -> None:
        kind, _, name = ref.partition("/")
        known = self._found.mirror.objects
        try:
            uid = (await self._found.api.get(kind, name))["metadata"]["uid"]
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
            await self._until(lambda: ref not in known)
            return
        await self._until(
            lambda: (
                ref not in known
                or known[ref]["metadata"]["uid"] != uid
                or "deletionTimestamp" in known[ref]["metadata"]
            )
        )

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SEEN_WITHIN):
            await self._found.mirror.until(holds)


def _version(found: Mapping[str, Any]) -> int:
    return int(found["metadata"]["resourceVersion"])
