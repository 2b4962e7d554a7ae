"""Gives commands their flags from the table of settings, so that no command declares one by hand.

A command asks for settings by attribute and is called with a `Settings`; its own parameters stay as typer reads them.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.cli import failures
from reconciler.errors import ReconcilerError, UsageError
from reconciler.settings import TABLE, Setting, load

SOURCE = ("repo", "ref", "path", "cache", "git_credentials")
KUBERNETES = ("kubeconfig", "context", "namespace", "as_", "seldon_scheduler", "seldon_scheduler_tls")
CLUSTER = ("cluster", "state", *KUBERNETES, "instance")
PLANNING = (*SOURCE, *CLUSTER, "only", "max_deletions", "headroom", "default_model_memory", "probe", "force_conflicts")
EXECUTION = (*PLANNING, "wait_timeout", "lock_timeout", "report_file")
REPORTING = (*EXECUTION, "reports_branch", "report_history")
SHOWING = ("output", "no_color")

_TEXT_OR_JSON = "how to print: text or json"
_METAVARS = {"only": "MODEL", "seldon_scheduler": "HOST:PORT", "seldon_scheduler_tls": "FOLDER"}

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings file (RECONCILER_SETTINGS; default: reconciler.yaml)."),
]


def with_settings(*attributes: str, markdown: bool = True) -> Callable[[Callable[..., int]], Callable[..., None]]:
    """Returns a decorator for a command `(settings, …own parameters…) -> exit code`.

    Args:
        attributes: the settings it has flags for. All others still come from the settings file and the environment.
        markdown: whether the command can print Markdown.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        table = TABLE if markdown else TABLE | {"output": dataclasses.replace(TABLE["output"], help=_TEXT_OR_JSON)}
        flags = [_flag(table[attribute]) for attribute in attributes]
        settings_file = inspect.Parameter(
            "settings_file", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=SettingsFile
        )

        @functools.wraps(command)
        def run(**given: Any) -> None:
            file = given.pop("settings_file")
            texts = {name: _text(given.pop(name)) for name in attributes}
            flags_given = {name: text for name, text in texts.items() if text is not None}
            if not markdown and flags_given.get("output") == "markdown":
                raise UsageError("flag --output: not Markdown", why="this command prints text or json", fix="-o json")
            settings = load(flags_given, environ=os.environ, settings_file=file)
            try:
                code = command(settings, **given)
            except ReconcilerError as error:
                failures.show(error, no_color=settings.no_color)
                code = error.exit_code
            raise typer.Exit(code)

        parameters = [*own, *flags, settings_file]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what inspect, so typer, looks at
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _flag(setting: Setting) -> inspect.Parameter:
    kind: Any = bool if setting.is_switch else list[str] if setting.is_list else str
    default = f" Default: {setting.shown}." if setting.shown else ""
    about = f"{setting.help[0].upper()}{setting.help[1:]}.{default}"
    names = [setting.flag, *filter(None, [setting.short])]
    name = _METAVARS.get(setting.attribute, setting.attribute.rstrip("_").rsplit("_", 1)[-1].upper())
    metavar = None if setting.is_switch else name
    option = typer.Option(*names, help=about, metavar=metavar, show_default=False)
    return inspect.Parameter(
        setting.attribute, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _text(value: bool | str | list[str] | None) -> str | None:
    if value is None or value == []:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else value
