"""The simulated cluster as it is at the end of a recording."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.client import Memory, SimulatedCluster
from tests.recordings.orders import play_as_recorded
from tests.recordings.recording import read_recording

FOLDER = Path(__file__).parent.parent / "recorded"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
EPOCH = 1_800_000_000.0


def ended(name: str) -> Simulation:
    """Returns a simulation of its own that stands where the recording ends."""
    return Simulation.load(_end(name))


def cluster(simulation: Simulation) -> SimulatedCluster:
    """Returns the cluster's protocol on `simulation`."""
    return SimulatedCluster(Memory(simulation, EPOCH))


@cache
def _end(name: str) -> dict[str, Any]:
    played, _ = play_as_recorded(read_recording(FOLDER / f"{name}.yaml"))
    assert played.end is not None
    return played.end.dump()
