"""Prints errors for a person on the error stream: what happened, why, how to fix it. Decides no exit code."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from reconciler.errors import ManifestsInvalid, ReconcilerError


def show(error: ReconcilerError, *, no_color: bool = False, when: str = "") -> None:
    """Prints `error`; of invalid manifests every problem with its place. `when` comes first, for a log."""
    console = error_console(no_color=no_color)
    if when:
        console.print(Text(f"{when} ", style="dim"), end="")
    _show(console, "error", error.what, error.why, error.fix)
    if isinstance(error, ManifestsInvalid):
        for problem in error.problems:
            console.print()
            _show(console, "", str(problem), problem.why, problem.fix)


def warn(error: ReconcilerError, *, no_color: bool = False) -> None:
    """Prints `error` as one that did not stop the work."""
    _show(error_console(no_color=no_color), "warning", error.what, error.why, error.fix)


def error_console(*, no_color: bool = False) -> Console:
    """Returns a console on the error stream that writes text as it is: no markup, no guessed highlights."""
    return Console(file=sys.stderr, **look(no_color=no_color), highlight=False, markup=False, soft_wrap=True)


def look(*, no_color: bool) -> dict[str, Any]:
    """Returns what a console is told of colours. Without them there is no escape sequence at all, nor bold text.

    Rich by itself keeps bold and dim text, and what moves the cursor.
    """
    return {"no_color": True, "color_system": None, "force_terminal": False} if no_color else {}


def _show(console: Console, kind: str, what: str, why: str, fix: str) -> None:
    head = Text(f"{kind}: ", style="bold red" if kind == "error" else "bold yellow") if kind else Text()
    console.print(head + Text(what, style="bold"))
    for label, text in (("why", why), ("fix", fix)):
        if text:
            console.print(Text(f"  {label}: ", style="dim") + Text(text))
