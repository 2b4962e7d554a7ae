"""The verdict on one file, in one line."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.recordings.compare import Difference
from tests.recordings.orders import play_as_recorded
from tests.recordings.played import Played
from tests.recordings.recording import Recording, read_recording
from tests.recordings.shape import MalformedRecording


class Word(enum.StrEnum):
    """What became of a file."""

    REPRODUCED = "reproduced"
    DIFFERS = "differs"
    MALFORMED = "malformed"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Verdict:
    """On one file: `why` is empty when it is reproduced. `notes`: what was not compared."""

    name: str
    word: Word
    why: str = ""
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()

    def line(self, width: int = 0) -> str:
        """Returns the verdict as one line, the name padded to `width`."""
        more = f" (and {len(self.differences) - 1} more)" if len(self.differences) > 1 else ""
        notes = f" [{'; '.join(self.notes)}]" if self.notes else ""
        return f"{self.name:{width}}  {self.word:10}  {self.why}{more}{notes}".rstrip()


Play = Callable[[Recording], tuple[Played, Sequence[Difference]]]
"""Plays a recording, and returns what was gone through and what differs from it."""


def judge(path: Path, play: Play | None = None) -> Verdict:
    """Plays one file and compares. Whatever goes wrong with it is a verdict, never an exception."""
    try:
        recording = read_recording(path)
    except MalformedRecording as error:
        return Verdict(path.stem, Word.MALFORMED, str(error))
    try:
        _, found = (play or play_as_recorded)(recording)
    except MalformedRecording as error:
        return Verdict(path.stem, Word.MALFORMED, str(error), notes=recording.notes)
    except Exception as error:  # noqa: BLE001 - any other file must still get its verdict
        return Verdict(path.stem, Word.CRASHED, f"{type(error).__name__}: {_one_line(error)}", notes=recording.notes)
    if found:
        return Verdict(path.stem, Word.DIFFERS, str(found[0]), tuple(found), recording.notes)
    return Verdict(path.stem, Word.REPRODUCED, notes=recording.notes)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
