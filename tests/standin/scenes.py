"""The state before a recording, on the stand-in and on real time: what was done then can be done plainly, or by us.

found = begin(seldon, "fleet-naive", speed=5)
with found.seldon.requests(*found.models) as requests:
    found.play(1)                            # as the recording: kubectl apply
assert requests.lost()
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.recordings.artifacts import artifacts_in, told_artifact, uri_of
from tests.recordings.choices import RecordedChoices
from tests.recordings.operations import Apply, Delete, Kill, Operation, Patch, RestartScheduler, SetArtifacts, Wait
from tests.recordings.orders import way_of
from tests.recordings.player import rules
from tests.recordings.recording import Recording, read_recording
from tests.standin.background import Seldon, with_nowhere
from tests.standin.fixtures import StartSeldon

FOLDER = Path(__file__).parent.parent / "recorded"


@dataclass
class Scene:
    """A stand-in that is in the state before a recording, or before one of its later steps.

    Attributes:
        speed: simulated seconds per second.
    """

    recording: Recording
    seldon: Seldon
    speed: float
    choices: RecordedChoices

    @property
    def models(self) -> list[str]:
        """The models and routes that answer now."""
        return sorted(ref.partition("/")[2] for ref in self.seldon.snapshot()["objects"] if ref.startswith("Model/"))

    def play(self, step: int) -> None:
        """Does what the recording did in a step (1 is the first).

        Waits as long as it was watched, and until nothing is under way any more.
        """
        found = self.recording.steps[step - 1]
        self.choices.begin(step)
        end = time.monotonic() + found.seconds / self.speed
        for operation in found.operations:
            self.do(operation)
        time.sleep(max(0.0, end - time.monotonic()))
        self.seldon.until_quiet()

    def do(self, operation: Operation) -> None:
        """Does one thing, with kubectl where that is how people would."""
        match operation:
            case Apply(objects):
                order = list(self.choices.order(operation.names))
                self.seldon.apply(*sorted(objects, key=lambda one: order.index(str(one["name"]))))
            case Delete(ref):
                self.seldon.delete(ref)
            case Patch(ref, merge):
                self.seldon.patch(ref, merge)
            case SetArtifacts(behaviours):
                for name, behaviour in behaviours.items():
                    self.seldon.set_artifact(uri_of(name), told_artifact(name, behaviour))
            case RestartScheduler():
                self.seldon.restart_scheduler()
            case Kill(server, replica):
                self.seldon.kill(server, replica)
            case Wait(seconds):
                time.sleep(seconds / self.speed)


def begin(start: StartSeldon, name: str, *, after_steps: int = 0, speed: float = 5.0) -> Scene:
    """Starts a stand-in and brings it into the state before the recording `name`, or so many of its steps later."""
    recording = read_recording(FOLDER / f"{name}.yaml")
    way = way_of(recording)
    choices = RecordedChoices(recording, way.orders)
    artifacts = with_nowhere(artifacts_in(tuple(_all_operations(recording))))
    found = Scene(recording, start(rules(recording, way.pace), artifacts, choices, speed=speed), speed, choices)
    choices.begin(0)
    for operation in (recording.servers, *recording.setup):
        found.do(operation)
        found.seldon.until_quiet()
    for step in range(1, after_steps + 1):
        found.play(step)
    return found


def _all_operations(recording: Recording) -> Iterator[Operation]:
    for _, operations in recording.stages:
        yield from operations
