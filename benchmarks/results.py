"""Results of benchmarks, merged into `benchmarks/results.json`, each with its goal and how to get it again."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path(__file__).with_name("results.json")
"""Where results are kept."""


@dataclass(frozen=True)
class Result:
    """One figure. `goal`: what it should be, as text. `command`: what prints it again."""

    value: float
    unit: str
    goal: str
    command: str


def median_and_spread(ratios: Sequence[float]) -> str:
    """Returns the median, the lowest and the highest of `ratios` as text."""
    return f"median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f} ({len(ratios)} pairs)"


def keep(name: str, result: Result, file: Path = FILE) -> None:
    """Puts `result` into the results file under `name`, leaving all others."""
    results = json.loads(file.read_text()) if file.exists() else {}
    results[name] = asdict(result)
    file.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
