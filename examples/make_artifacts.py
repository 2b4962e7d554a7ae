"""Writes the artifacts that the manifests in `examples/repo` refer to: `python examples/make_artifacts.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from reconciler.demo.artifacts import EXAMPLES, build


def main(arguments: list[str]) -> int:
    """Builds the artifacts below the folder named in `arguments` and says which."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python examples/make_artifacts.py FOLDER", file=sys.stderr)
        return 1
    folder = Path(arguments[0])
    build(folder)
    for artifact in EXAMPLES:
        print(folder / artifact.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
