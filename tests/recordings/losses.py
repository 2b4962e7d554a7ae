"""`python -m tests.recordings.losses [NAME …]`: what is lost from the state before a recording, plainly and by us.

One row a recording. Exit code 1 when we take anything off the air.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.plan import Guards
from reconciler.simulate.comparison import Comparison, compare
from reconciler.simulate.history import History, ModelHistory
from reconciler.simulate.ours import Played
from tests.recordings.operations import Kill
from tests.recordings.recording import Recording, read_recording
from tests.recordings.stories import story_of

FOLDER = Path(__file__).parent.parent / "recorded"

ASKED: tuple[tuple[str, int], ...] = (
    ("fleet-naive", 0),
    ("fleet-create", 0),
    ("update-does-not-fit", 0),
    ("two-replicas-one-fails", 1),
    ("more-replicas-than-the-server", 1),
    ("shrink-first-autoscaled", 0),
    ("server-scale-down-strands", 0),
    ("third-version-does-not-fit", 0),
    ("load-too-early", 0),
    ("server-autoscaler", 0),
    ("in-flight-counts-twice", 0),
    ("requirements-nobody-meets", 0),
    ("deleted-while-loading", 0),
    ("deleted-while-loading", 1),
    ("update-during-update", 0),
    ("more-replicas-healed", 0),
    ("shrink-in-one-patch", 0),
)
"""The rows of the table: recordings, and how many of the first steps of each are part of the state before. What went
wrong there, or was done by hand, is there already when the commits come: room that has leaked, for instance."""

RATE = 20.0
"""Requests per second and model."""

LATE = 3.0
"""Seconds that a new model may take to its first answer without being mentioned."""

RUNS = 6
"""Orders that are played; the worst is told."""

FOOTNOTE = f"""
{RATE:.0f} requests per second and model, until 2 minutes after the recording. The worst of {RUNS} runs is told, which
differ in what is left to chance. Seconds: from the last commit until all of it is served, whole."""

HEADINGS = ("recording", "models", "plain: off the air", "lost", "ours: off the air", "lost", "how it ended", "seconds")


@dataclass(frozen=True)
class Row:
    """One recording in both ways.

    Attributes:
        after_steps: how many of its first steps are part of the state before.
        killed: it kills a replica, whose models are off the air whatever anybody does.
    """

    name: str
    comparison: Comparison
    after_steps: int = 0
    killed: bool = False

    @property
    def title(self) -> str:
        """What the table calls it."""
        return f"{self.name}, after step {self.after_steps}" if self.after_steps else self.name

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table says of it."""
        plain, ours = self.comparison.worst_plain, self.comparison.worst_ours
        story = self.comparison.story
        took = ours.history.converged_at
        return (
            self.title,
            str(len(plain.models)),
            off(plain),
            f"{plain.requests_lost(RATE):.0f}",
            off(ours.history),
            f"{ours.history.requests_lost(RATE):.0f}",
            ended(ours),
            "-" if took is None else f"{max(took - story.last.at, 0.0):.1f}",
        )


def play(path: Path, after_steps: int = 0, *, runs: int = RUNS) -> Row:
    """Plays one recording in both ways; so many of its first steps are part of the state before."""
    recording = read_recording(path)
    story = story_of(recording, after_steps=after_steps)
    return Row(path.stem, compare(story, Guards(), runs=runs), after_steps, _kills(recording))


def asked(every: Collection[str], names: Collection[str] = ()) -> list[tuple[str, int]]:
    """Returns the rows to play: those of the table, then whatever else there is; if `names` are given, theirs only."""
    listed = {name for name, _ in ASKED}
    rows = [*ASKED, *((name, 0) for name in every if name not in listed)]
    return [row for row in rows if row[0] in (names or every)]


def _kills(recording: Recording) -> bool:
    return any(isinstance(operation, Kill) for step in recording.steps for operation in step.operations)


def off(history: History) -> str:
    """Returns who was off the air, for good or for how long, such as `6 for good, m for 2.3 s`."""
    for_good = [model for model in history.taken_off if model.off_at_the_end]
    passing = [model for model in history.taken_off if not model.off_at_the_end]
    never = [model for model in history.models if model.never]
    late = [model for model in history.models if (model.waited or 0.0) >= LATE]
    parts = [f"{_who(for_good)} for good"] if for_good else []
    if passing:
        parts.append(f"{_who(passing)} for {max(model.seconds_off for model in passing):.1f} s")
    waits = [f"{_who(never)} never on it"] if never else []
    if late:
        waits.append(f"{_who(late)} first after {max(model.waited or 0.0 for model in late):.1f} s")
    return " ".join([", ".join(parts) or "none", *([f"({', '.join(waits)})"] if waits else [])])


def _who(models: Sequence[ModelHistory]) -> str:
    return ", ".join(model.name for model in models) if len(models) <= 2 else str(len(models))


def ended(ours: Played) -> str:
    """Returns how our way ended, and what was blocked on the way there."""
    told = "; ".join(dict.fromkeys(f"{d.verb}: {d.name}, {d.reason}" for d in ours.open))
    return told or in_sync(f"{d.name}, {d.reason}" for d in ours.waited_for)


def in_sync(waited_for: Iterable[str]) -> str:
    """Returns that all is in sync, and what was waited for on the way there."""
    way = "; ".join(dict.fromkeys(waited_for))
    return f"in sync (until then {way})" if way else "in sync"


def lines(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yields the table of these cells as Markdown."""
    table = [HEADINGS, *rows]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(HEADINGS))]
    for number, cells in enumerate(table):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
        if not number:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.recordings.losses", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="recordings; default: those of the table")
    parser.add_argument("--all", action="store_true", help="every recording")
    parser.add_argument("--dir", type=Path, default=FOLDER, help="folder of recordings")
    options = parser.parse_args()
    every = sorted(path.stem for path in options.dir.glob("*.yaml"))
    unknown = sorted(set(options.names) - set(every))
    if unknown:
        parser.error(f"no recording {', '.join(unknown)} in {options.dir}")
    wanted = asked(every, options.names) if options.all or options.names else ASKED
    rows = [play(options.dir / f"{name}.yaml", steps) for name, steps in wanted]
    print("\n".join(lines(row.cells for row in rows)))
    print(FOOTNOTE)
    return 1 if any(row.comparison.worst_ours.history.taken_off and not row.killed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
