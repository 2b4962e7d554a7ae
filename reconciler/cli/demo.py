"""`reconciler demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.options import SHOWING, with_settings
from reconciler.settings import Settings


@with_settings(*SHOWING, markdown=False)
def demo(
    settings: Settings,
    leave: Annotated[bool, typer.Option("--exit", help="End after the last step instead of staying up.")] = False,
) -> int:
    """Play the main job in a throw-away folder: real Git, real inference servers, steady requests."""
    from reconciler.demo.play import demo as play  # noqa: PLC0415 - keeps `--help` quick

    return play(leave=leave, json_output=settings.output == "json", no_color=settings.no_color)
