"""`reconciler simulate`: what would become of a commit, applied plainly and by us, on a simulated cluster."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import build
from reconciler.cli.between import Between, Revisions
from reconciler.cli.options import CLUSTER, SHOWING, SOURCE, with_settings
from reconciler.errors import UsageError
from reconciler.model.codec import parse_duration
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.clusters.simulated import Simulation
    from reconciler.model.manifests import DesiredState
    from reconciler.simulate.report import Report, Subject
    from reconciler.simulate.story import Story

# What plays is imported inside the functions: `--help` and usage errors should not wait for it.

_PLANNING = ("max_deletions", "headroom", "default_model_memory", "probe")
_MOST_RUNS = 100
_LONGEST = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Terms:
    """How it is played: requests per second and model, seconds, runs and the seed of the first."""

    rate: float
    horizon: float
    load_time: float
    runs: int
    seed: int


@with_settings(*SOURCE, *CLUSTER, *_PLANNING, *SHOWING)
def simulate(
    settings: Settings,
    first: Annotated[
        str | None, typer.Option("--from", metavar="REV", help="Begin where this commit is live, whole.")
    ] = None,
    second: Annotated[
        str | None, typer.Option("--to", metavar="REV", help="The commit that is played. Default: as --ref.")
    ] = None,
    rate: Annotated[
        float,
        typer.Option(
            "--rate", metavar="N", min=0, help="Requests per second and model. Default: 20.", show_default=False
        ),
    ] = 20.0,
    horizon: Annotated[
        str,
        typer.Option(
            "--horizon", metavar="TIME", help="How long the commit is watched. Default: 5m.", show_default=False
        ),
    ] = "5m",
    load_time: Annotated[
        str,
        typer.Option(
            "--load-time",
            metavar="TIME",
            help="What an artifact takes to load of which a state file says nothing. Default: 2s.",
            show_default=False,
        ),
    ] = "2s",
    runs: Annotated[
        int,
        typer.Option(
            "--runs",
            metavar="N",
            min=1,
            max=_MOST_RUNS,
            help="How often it is played; the worst is told. Default: 6.",
            show_default=False,
        ),
    ] = 6,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="What the first run's chance is drawn from. Default: 0.",
            show_default=False,
        ),
    ] = 0,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit code 2 when the plain way loses something.")
    ] = False,
) -> int:
    """Play a commit on a simulated cluster, by plain `kubectl apply` and by us. Changes nothing."""
    length = _duration("--horizon", horizon, 1.0, _LONGEST)
    terms = _Terms(rate, length, _duration("--load-time", load_time, 0.0, length), runs, seed)
    report = _played(settings, Revisions(first, second), terms)
    _print(report, settings)
    return 2 if detailed_exitcode and report.plain_loses else 0


def _duration(flag: str, text: str, least: float, most: float) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text}: not a time", why="a time is such as 90s, 5m or 1h30m") from error
    if not least <= seconds <= most:
        raise UsageError(f"{flag} {text}: not between {least:g} and {most:g} seconds")
    return seconds


def _played(settings: Settings, revisions: Revisions, terms: _Terms) -> Report:
    from reconciler.simulate.comparison import compare  # noqa: PLC0415 - see above
    from reconciler.simulate.report import Report  # noqa: PLC0415 - see above

    if settings.cluster == "local":
        why = "what is simulated is Seldon Core 2; on the local cluster nothing is applied but by us"
        raise UsageError("simulate with --cluster local", why=why, fix="leave out --cluster")
    begun = (
        _from_commit(settings, revisions, terms)
        if revisions.first is not None
        else _from_state(settings, revisions, terms)
    )
    comparison = compare(begun.story, build.guards(settings), runs=terms.runs, seed=terms.seed)
    return Report(begun.subject, comparison, terms.rate, terms.load_time, begun.notes)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A story that can be played, what it is about, and what it rests on."""

    story: Story
    subject: Subject
    notes: tuple[str, ...]


def _from_commit(settings: Settings, revisions: Revisions, terms: _Terms) -> _Begun:
    """Begins where the first commit is live, whole."""
    from reconciler.planner.assumed import assumed_configs, doubts  # noqa: PLC0415 - see above
    from reconciler.simulate.assumed import whole  # noqa: PLC0415 - see above

    revisions.check(settings, saved=False)
    between = Between(settings, revisions)
    before, desired = between.desired_states()
    simulation = whole(before, settings.instance)
    notes = doubts(before, build.guards(settings), assumed_configs(before, desired))
    subject = _subject(between, f"commit {before.commit[:8]}, assumed live and whole")
    return _Begun(_story(simulation, time.time(), (before, desired), settings, terms), subject, notes)


def _from_state(settings: Settings, revisions: Revisions, terms: _Terms) -> _Begun:
    """Begins at a state file."""
    from reconciler.clusters.simulated.state import StateFile  # noqa: PLC0415 - see above

    if not settings.simulated:
        raise UsageError(
            "simulate does not know where to begin",
            why="a commit is played on a cluster as it was before",
            fix="name the commit that is live with --from REV, or a state file with --state FILE",
        )
    between = Between(settings, replace(revisions, first=None))
    desired = between.desired_state()
    file = StateFile(settings.state)
    cluster = file.read()
    subject = _subject(between, f"{file.name}, as it is saved")
    story = _story(cluster.simulation, cluster.epoch, (desired,), settings, terms)
    return _Begun(story, subject, ())


def _story(
    simulation: Simulation, epoch: float, states: tuple[DesiredState, ...], settings: Settings, terms: _Terms
) -> Story:
    from reconciler.simulate.assumed import loading_in  # noqa: PLC0415 - see above
    from reconciler.simulate.plain import applied  # noqa: PLC0415 - see above
    from reconciler.simulate.story import Commit, Story  # noqa: PLC0415 - see above

    loading_in(simulation, terms.load_time, *states)
    desired = states[-1]
    plain = (applied(0.0, desired, settings.instance),)
    return Story(simulation.dump(), (Commit(0.0, desired),), plain, seconds=terms.horizon, epoch=epoch)


def _subject(between: Between, before: str) -> Subject:
    from reconciler.simulate.report import Subject  # noqa: PLC0415 - see above

    context = between.context(before)
    return Subject(before, context.commit, context.subject, context.repository, context.path)


def _print(report: Report, settings: Settings) -> None:
    if settings.output == "json":
        from reconciler.simulate.simulation_json import simulation_json  # noqa: PLC0415 - see above

        sys.stdout.write(simulation_json(report).decode())
    elif settings.output == "markdown":
        from reconciler.simulate.markdown import markdown  # noqa: PLC0415 - see above

        sys.stdout.write(markdown(report))
    else:
        from reconciler.simulate.text import show  # noqa: PLC0415 - see above

        show(report, build.console(settings))
