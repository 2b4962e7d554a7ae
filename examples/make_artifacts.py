"""Writes the artifacts that the manifests in `examples/repo` refer to: `python examples/make_artifacts.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

USAGE = "usage: python examples/make_artifacts.py FOLDER"
NOT_INSTALLED = """\
error: the example models cannot be trained
  why: this Python ({python}) does not have model-reconciler
  fix: make setup && .venv/bin/python examples/make_artifacts.py FOLDER"""


def main(arguments: list[str]) -> int:
    """Builds the artifacts below the folder named in `arguments` and says which."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        return _failed(USAGE)
    try:
        from reconciler.demo.artifacts import EXAMPLES, build  # noqa: PLC0415 - whoever lacks it is told what to do
        from reconciler.errors import UsageError  # noqa: PLC0415 - as above
    except ImportError:
        return _failed(NOT_INSTALLED.format(python=sys.executable))
    folder = Path(arguments[0])
    try:
        build(folder)
    except UsageError as error:
        return _failed(f"error: {error.what}\n  why: {error.why}\n  fix: {error.fix}")
    for artifact in EXAMPLES:
        print(folder / artifact.folder)
    return 0


def _failed(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
