"""`reconciler validate`: checks manifests that are not committed yet, for editors and pre-commit hooks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import with_settings
from reconciler.settings import Settings


@with_settings("no_color")
def validate(
    settings: Settings,
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where manifests are; - is standard input.")] = ".",
) -> int:
    """Check manifests: every problem with file, line, field, why and how to fix it. Exit code 3 when there are any."""
    from reconciler.repository import load_folder, load_stream  # noqa: PLC0415 - keeps `--help` quick

    desired = load_stream(sys.stdin.buffer.read()) if folder == "-" else load_folder(Path(folder))
    skipped = f"; {_count(desired.skipped, 'document')} of other API groups skipped" if desired.skipped else ""
    more = f", {_count(len(desired.pipelines), 'pipeline')}" if desired.pipelines else ""
    more += f", {_count(len(desired.experiments), 'experiment')}" if desired.experiments else ""
    print(f"valid: {_count(len(desired.servers), 'server')}, {_count(len(desired.models), 'model')}{more}{skipped}")
    return 0


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
