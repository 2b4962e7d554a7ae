"""What a simulated cluster is told beforehand: its settings, how artifacts behave, and how chance decides.

Nothing in here changes while a simulation runs, except by `Simulation.set_artifact`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.model.manifests import DEFAULT_OVERCOMMIT_PERCENT, DEFAULT_SERVER_MEMORY

DEFAULT_CAPABILITIES: Mapping[str, frozenset[str]] = {
    "mlserver": frozenset(
        {
            "mlserver",
            "alibi-detect",
            "alibi-explain",
            "huggingface",
            "lightgbm",
            "mlflow",
            "python",
            "sklearn",
            "spark-mlib",
            "xgboost",
        }
    ),
    "triton": frozenset({"triton", "dali", "fil", "onnx", "openvino", "python", "pytorch", "tensorflow", "tensorrt"}),
}
"""Per `serverConfig` of the default install, what its servers can load."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """How what a `storageUri` names behaves when it is loaded. An unknown URI behaves like `Artifact()`.

    Attributes:
        load_seconds: what its load takes beyond a load that takes nothing. slow_on: the same, per replica index.
        fails: it is there, and the model server cannot load it. fails_on: only on replicas of these indices.
        missing: it is not there; the load fails at once.
    """

    load_seconds: float = 0.0
    slow_on: Mapping[int, float] = field(default_factory=dict)
    fails: bool = False
    fails_on: frozenset[int] = frozenset()
    missing: bool = False

    def seconds_on(self, replica: int) -> float:
        """Returns what its load takes on that replica beyond a load that takes nothing, in seconds."""
        return self.load_seconds + self.slow_on.get(replica, 0.0)


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of the cluster (docs/seldon.md, "Capacity" and "Servers").

    Attributes:
        memory: bytes of a server replica whose `podSpec` requests none. overcommit_percentage: likewise.
        server_autoscaling: whether the scheduler's own autoscaler of Servers is on.
        capabilities: per `serverConfig`, what its servers can load.
        unload_grace: seconds between the request to unload a version and its unload.
        take_in_every: seconds between one object and the next when several are written together. It decides how many
            loads are in flight when the next model is placed, and so whether a burst of them leaves some unplaced
            (docs/seldon.md, "Room is not what is free"); 0.02 is a fast API server.
    """

    memory: int = DEFAULT_SERVER_MEMORY
    overcommit_percentage: int = DEFAULT_OVERCOMMIT_PERCENT
    server_autoscaling: bool = True
    capabilities: Mapping[str, frozenset[str]] = field(default_factory=lambda: dict(DEFAULT_CAPABILITIES))
    unload_grace: float = 2.0
    take_in_every: float = 0.06


class Choices(Protocol):
    """What the real system leaves to chance."""

    def server(self, model: str, names: Sequence[str]) -> str:
        """Returns which of the Servers `names` (at least two, sorted) is tried first for `model`."""
        ...

    def order(self, names: Sequence[str]) -> Sequence[str]:
        """Returns `names` (as given, or sorted) in the order in which they are taken in or tried again."""
        ...


class FirstComes:
    """The choices of a simulation that is told none: the first in the order given."""

    def server(self, model: str, names: Sequence[str]) -> str:
        """Returns the first of `names`."""
        return names[0]

    def order(self, names: Sequence[str]) -> Sequence[str]:
        """Returns `names`."""
        return names
