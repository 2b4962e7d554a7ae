"""Which scenarios there are, and what the table says of each."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.running import ControlPlane
from tests.kubernetes.scenarios.stage import staged
from tests.kubernetes.scenarios.ways import Outcome, ours, plainly
from tests.recordings.losses import in_sync, off
from tests.recordings.recording import Recording, read_recording

FOLDER = Path(__file__).parents[2] / "recorded"


@dataclass(frozen=True)
class Scenario:
    """A recording, and how many of its first steps are part of the state before.

    Attributes:
        speed: simulated seconds per second at which `make test` plays it.
    """

    recording: str
    after_steps: int = 0
    speed: float = 4.0

    @property
    def title(self) -> str:
        """What the table calls it."""
        return f"{self.recording}, after step {self.after_steps}" if self.after_steps else self.recording

    def read(self) -> Recording:
        """Returns the recording."""
        return read_recording(FOLDER / f"{self.recording}.yaml")

    async def plainly(self, control_plane: ControlPlane, speed: float | None = None) -> Outcome:
        """Plays it as `kubectl` does it."""
        at = speed or self.speed
        async with staged(self.read(), control_plane, after_steps=self.after_steps, speed=at) as stage:
            return await plainly(stage)

    async def ours(self, control_plane: ControlPlane, speed: float | None = None) -> Outcome:
        """Plays it as we do it."""
        at = speed or self.speed
        with tempfile.TemporaryDirectory(prefix="scenario-") as folder:
            async with staged(self.read(), control_plane, after_steps=self.after_steps, speed=at) as stage:
                return await ours(stage, Path(folder))


SCENARIOS = (
    Scenario("fleet-naive"),
    Scenario("update-does-not-fit"),
    Scenario("fleet-create"),
    Scenario("two-replicas-one-fails", 1),
    Scenario("more-replicas-than-the-server", 1),
    Scenario("shrink-first-autoscaled"),
    Scenario("server-scale-down-strands", speed=8.0),
    Scenario("load-too-early"),
    Scenario("deleted-while-loading"),
    Scenario("deleted-while-loading", 1),
    Scenario("third-version-does-not-fit", speed=1.5),
    Scenario("server-autoscaler", speed=16.0),
)


@dataclass(frozen=True)
class Row:
    """A scenario in both ways."""

    scenario: Scenario
    plain: Outcome
    ours: Outcome

    @property
    def good(self) -> bool:
        """Whether we lost nothing and took nothing off the air."""
        return not self.ours.lost and not self.ours.history.taken_off

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table says of it."""
        return (
            self.scenario.title,
            str(len(self.plain.history.models)),
            off(self.plain.history),
            str(sum(self.plain.lost.values())),
            off(self.ours.history),
            str(sum(self.ours.lost.values())),
            _ended(self.ours),
            "-" if self.ours.seconds is None else f"{self.ours.seconds:.1f}",
        )


def _ended(found: Outcome) -> str:
    told = "; ".join(dict.fromkeys(f"{d['verb']}: {d['name']}, {d['reason']}" for d in found.open))
    return told or in_sync(f"{d['name']}, {d['reason']}" for d in found.waited_for)
