"""From the state before every recording, what it does as commits: nothing is taken off the air, in whatever order."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from reconciler.model.plan import Reason
from tests.recordings.losses import ASKED, FOLDER, Row, asked, lines, play

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
ROWS = asked(NAMES)
RUNS = 3


@cache
def row(name: str, after_steps: int = 0) -> Row:
    return play(Path(FOLDER / f"{name}.yaml"), after_steps, runs=RUNS)


@pytest.mark.parametrize(("name", "after_steps"), ROWS)
def test_our_way_takes_nothing_off_the_air(name: str, after_steps: int) -> None:
    found = row(name, after_steps)
    if found.killed:
        pytest.skip("a replica is killed, which takes its models off the air whatever anybody does")
    for played in found.comparison.ours:
        assert played.history.taken_off == ()
        assert played.history.requests_lost(1.0) == 0


def test_what_a_kill_takes_off_the_air_is_all_that_is_lost_with_it() -> None:
    for played in row("node-lost").comparison.ours:
        (model,) = played.history.taken_off
        first = next(stretch for stretch in model.stretches if stretch.off)
        assert first.start == pytest.approx(0.0)
        assert sum(stretch.off for stretch in model.stretches) == 1


@pytest.mark.parametrize("name", ["fleet-naive", "fleet-create"])
def test_a_fleet_ends_with_all_eight_models_served_by_what_git_asks_for(name: str) -> None:
    for played in row(name).comparison.ours:
        assert played.history.converged_at is not None
        assert len(played.history.models) == 8


@pytest.mark.parametrize(
    ("name", "blocked"),
    [("requirements-nobody-meets", "m"), ("placement", "d"), ("overcommit", "huge")],
)
def test_only_what_cannot_be_served_is_not_served_in_the_end(name: str, blocked: str) -> None:
    for played in row(name).comparison.ours:
        assert played.history.converged_at is None
        assert {decision.name for decision in played.open} == {blocked}


@pytest.mark.parametrize(
    ("name", "after_steps"),
    [row for row in ROWS if row[0] not in {"requirements-nobody-meets", "placement", "overcommit"}],
)
def test_everything_else_is_served_whole_in_the_end(name: str, after_steps: int) -> None:
    for played in row(name, after_steps).comparison.ours:
        assert played.history.missing == ()
        assert played.open == ()


def test_replicas_are_never_asked_to_hold_more_than_they_may() -> None:
    for name, after_steps in ROWS:
        for played in row(name, after_steps).comparison.ours:
            assert all(peak.peak <= peak.limit for peak in played.history.peaks)


def test_the_plain_way_loses_what_the_recordings_lost() -> None:
    losers = {name for name, after_steps in ASKED if row(name, after_steps).comparison.worst_plain.taken_off}
    assert losers == {
        "fleet-naive",
        "update-does-not-fit",
        "two-replicas-one-fails",
        "more-replicas-than-the-server",
        "shrink-first-autoscaled",
        "server-scale-down-strands",
        "third-version-does-not-fit",
        "requirements-nobody-meets",
        "shrink-in-one-patch",
    }


def test_room_that_leaked_before_is_found_by_a_probe_and_one_that_we_leak_there_is_none() -> None:
    def leaks(after_steps: int) -> list[str]:
        runs = row("deleted-while-loading", after_steps).comparison.ours
        return [decision.name for played in runs for decision in played.waited_for if decision.reason is Reason.LEAK]

    assert leaks(0) == []
    assert leaks(1) == ["b"] * RUNS


def test_the_table_has_one_line_a_recording() -> None:
    table = list(lines([row("fleet-naive").cells]))
    assert len(table) == 3
    assert "6 for good" in table[-1]
    assert table[-1].count("|") == table[0].count("|")
