"""The command line: commands, exit codes. Builds objects from settings and passes them in; decides nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from reconciler import __version__
from reconciler.cli import cluster, demo, failures, manifests, passes
from reconciler.errors import ReconcilerError, UsageError
from reconciler.settings import TABLE

app = typer.Typer(
    name="reconciler",
    help="GitOps reconciler for model serving: what Git says is planned, proven safe, applied and reported.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(manifests.validate)
app.command()(passes.plan)
app.command()(passes.apply)
app.command()(passes.sync)
app.command()(passes.run)
app.command()(cluster.status)
app.add_typer(cluster.local, name="local")
app.command()(demo.demo)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"reconciler {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def execute(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; every error has been told by then.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    try:
        code = app(args=arguments, standalone_mode=False)
    except ReconcilerError as error:  # of the settings themselves, see `options.with_settings`
        failures.show(error, no_color=_no_color(arguments))
        return error.exit_code
    except typer.TyperException as error:
        wrong = UsageError(error.format_message(), fix="see `reconciler --help`, or `--help` after the command")
        failures.show(wrong, no_color=_no_color(arguments))
        return wrong.exit_code
    except typer.Abort:
        return 130
    return int(code or 0)


def _no_color(arguments: Sequence[str] | None) -> bool:
    """Whether an error is shown without colours that leaves no settings to ask."""
    given = sys.argv[1:] if arguments is None else arguments
    setting = TABLE["no_color"]
    asked = bool(os.environ.get("NO_COLOR")) or os.environ.get(setting.variable) in ("1", "true")
    return asked or setting.flag in given


def main() -> NoReturn:
    """Entry point of the command `reconciler`."""
    sys.exit(execute())
