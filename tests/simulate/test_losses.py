"""From the state before every recording, what it does as commits: nothing is taken off the air, in whatever order."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.recordings.losses import ASKED, FOLDER, Row, lines, play

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
RUNS = 3


@cache
def row(name: str) -> Row:
    return play(name, Path(FOLDER / f"{name}.yaml"), runs=RUNS)


@pytest.mark.parametrize("name", NAMES)
def test_our_way_takes_nothing_off_the_air(name: str) -> None:
    found = row(name)
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


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"requirements-nobody-meets", "placement", "overcommit"}))
def test_everything_else_is_served_whole_in_the_end(name: str) -> None:
    for played in row(name).comparison.ours:
        assert played.history.missing == ()
        assert played.open == ()


def test_replicas_are_never_asked_to_hold_more_than_they_may() -> None:
    for name in NAMES:
        for played in row(name).comparison.ours:
            assert all(peak.peak <= peak.limit for peak in played.history.peaks)


def test_the_plain_way_loses_what_the_recordings_lost() -> None:
    losers = {name for name in ASKED if row(name).comparison.worst_plain.taken_off}
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


def test_the_table_has_one_line_a_recording() -> None:
    table = list(lines([row("fleet-naive")]))
    assert len(table) == 3
    assert "6 for good" in table[-1]
    assert table[-1].count("|") == table[0].count("|")
