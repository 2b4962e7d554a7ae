"""The command line: commands, exit codes. Builds objects from settings and passes them in; decides nothing else."""

from __future__ import annotations

import difflib
import gc
import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from reconciler import __version__
from reconciler.cli import cluster, demo, failures, manifests, passes
from reconciler.cli.doctor import doctor
from reconciler.cli.simulate import simulate
from reconciler.errors import ReconcilerError, UsageError
from reconciler.settings import TABLE

_YOUNG_OBJECTS = 100_000
"""Objects made, and not freed, before the garbage collector looks at them; Python's own default is 700."""

app = typer.Typer(
    name="reconciler",
    help="GitOps reconciler for model serving: what Git says is planned, proven safe, applied and reported.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# The short forms keep the list of commands whole on 80 columns.
app.command(short_help="Check manifests: every problem, and how to fix it.")(manifests.validate)
app.command(short_help="Say what a pass would do, and why.")(passes.plan)
app.command(short_help="Plan and execute, or execute a saved plan.")(passes.apply)
app.command(short_help="Do one whole pass, and report it to Git.")(passes.sync)
app.command(short_help="Repeat the pass of `sync` until it is stopped.")(passes.run)
app.command(short_help="Show what serves now.")(cluster.status)
app.command(short_help="Name what is hazardous on a cluster, and fixes.")(doctor)
app.command(short_help="Play a commit by `kubectl apply` and by us.")(simulate)
app.add_typer(cluster.local, name="local")
app.command(short_help="Play the main job in a throw-away folder.")(demo.demo)


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
        wrong = _wrong_usage(error)
        failures.show(wrong, no_color=_no_color(arguments))
        return wrong.exit_code
    except typer.Abort:
        return 130
    return int(code or 0)


def _wrong_usage(error: typer.TyperException) -> UsageError:
    """Returns what the parser says in our form; of the options that it finds alike only one that is."""
    option, possible = getattr(error, "option_name", ""), getattr(error, "possibilities", None)
    message = error.format_message() if possible is None else f"no such option: {option}"
    alike = difflib.get_close_matches(option, possible or (), 1, 0.8)
    fix = f"did you mean {alike[0]}?" if alike else "see `reconciler --help`, or `--help` after the command"
    return UsageError(message[:1].lower() + message[1:].removesuffix("."), fix=fix)


def _no_color(arguments: Sequence[str] | None) -> bool:
    """Whether an error is shown without colours that leaves no settings to ask."""
    given = sys.argv[1:] if arguments is None else arguments
    setting = TABLE["no_color"]
    asked = bool(os.environ.get("NO_COLOR")) or os.environ.get(setting.variable) in ("1", "true")
    return asked or setting.flag in given


def main() -> NoReturn:
    """Entry point of the command `reconciler`."""
    # Nearly all that a pass makes lives to its end: to look through it for garbage often is to look in vain.
    gc.set_threshold(_YOUNG_OBJECTS, 50, 100)
    _leave(execute())


def _leave(code: int) -> NoReturn:
    """Ends the process at once: to free what a pass has made object by object takes a third of a second with 10,000
    Models. Nothing of ours waits for an orderly end: threads and connections are over when a command returns."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads any more, which the orderly end tells as every program does
        sys.exit(code)
    os._exit(code)
