"""`python -m tests.recordings [DIR]`: plays every recording in a folder; one line a file, and a summary.

Exit code 0 when all are reproduced, else 1 (also when there is none).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from tests.recordings.verdict import Play, Verdict, Word, judge

DEFAULT = Path(__file__).parent.parent / "recorded"


def main(play: Play | None = None, program: str = "python -m tests.recordings") -> int:
    """Returns the exit code."""
    options = _options(program)
    paths = sorted(path for ending in ("*.yaml", "*.yml") for path in options.folder.glob(ending))
    if not paths:
        print(f"no recordings (*.yaml) in {options.folder}", file=sys.stderr)
        return 1
    width = max(len(path.stem) for path in paths)
    verdicts = [_print(judge(path, play), width, every=options.verbose) for path in paths]
    print(_summary(verdicts))
    return 0 if all(verdict.word is Word.REPRODUCED for verdict in verdicts) else 1


def _options(program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=program, description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT, help="folder of recordings")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every difference, not only the first")
    return parser.parse_args()


def _print(verdict: Verdict, width: int, *, every: bool) -> Verdict:
    print(verdict.line(width), flush=True)
    if every:
        for difference in verdict.differences[1:]:
            print(" " * (width + 14) + str(difference), flush=True)
    return verdict


def _summary(verdicts: list[Verdict]) -> str:
    counts = Counter(verdict.word for verdict in verdicts)
    return f"{len(verdicts)} recordings: " + ", ".join(f"{counts[word]} {word}" for word in Word if counts[word])


if __name__ == "__main__":
    sys.exit(main())
