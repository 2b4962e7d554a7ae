"""Cleans up after the demo, whatever ended it: `python -m reconciler.demo.cleaner STATE FOLDER`.

Waits until nobody holds the other end of its standard input any more, then takes the local cluster in STATE down and
removes FOLDER. It does nothing else, and only the demo starts it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def main(state: Path, folder: Path) -> None:
    """Waits, then cleans up."""
    sys.stdin.buffer.read()
    try:
        if state.exists():
            # Imported late: by now the demo is over, and until then this process should cost nothing.
            from reconciler.clusters.local import lifecycle  # noqa: PLC0415

            lifecycle.down(state)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
