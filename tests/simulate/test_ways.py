"""One commit, plainly and by us."""

from __future__ import annotations

import pytest

from reconciler.clusters.simulated import Artifact
from reconciler.errors import UsageError
from reconciler.model.plan import Guards, Verb
from reconciler.simulate import ours, plain
from reconciler.simulate.assumed import whole
from reconciler.simulate.comparison import compare
from reconciler.simulate.history import History, ModelHistory
from reconciler.simulate.story import Chance, Story
from tests.simulate.samples import INSTANCE, model, server, state, story

TIGHT = story(state(model("m", "v1", "600k")), (0.0, state(model("m", "v2", "600k"))))
ROOMY = story(state(model("m", "v1")), (0.0, state(model("m", "v2"))))


def one(history: History, name: str = "m") -> ModelHistory:
    return next(found for found in history.models if found.name == name)


def artifacts(model: ModelHistory) -> list[str]:
    return [stretch.answers[0][0].artifact for stretch in model.stretches]


def plainly(told: Story) -> History:
    return plain.play(told, Chance(0))


def by_us(told: Story) -> ours.Played:
    return ours.play(told, Chance(0), Guards())


def test_an_update_that_does_not_fit_is_an_outage_for_good_when_applied_plainly() -> None:
    found = one(plainly(TIGHT))
    assert found.off_at_the_end
    assert found.seconds_off == pytest.approx(60.0, abs=0.5)
    assert found.requests_lost(20.0) == pytest.approx(20.0 * found.seconds_off)


def test_by_us_it_is_blocked_with_its_reason_and_what_would_help() -> None:
    played = by_us(TIGHT)
    (decision,) = played.open
    assert (decision.name, decision.verb) == ("m", Verb.BLOCKED)
    assert decision.fixes
    assert played.history.taken_off == ()
    assert [each.model for each in played.history.missing] == ["m"]


def test_an_update_that_fits_is_served_in_both_ways_without_a_lost_request() -> None:
    for history in (plainly(ROOMY), by_us(ROOMY).history):
        found = one(history)
        assert artifacts(found) == ["v1", "v2"]
        assert found.requests_lost(20.0) == 0
        assert history.converged_at == pytest.approx(found.stretches[1].start, abs=4.0)


def test_two_replicas_without_room_are_updated_in_steps_by_us() -> None:
    pair = (server(replicas=2),)
    told = story(
        state(model("m", "v1", "600k", 2), servers=pair), (0.0, state(model("m", "v2", "600k", 2), servers=pair))
    )
    assert one(plainly(told)).off_at_the_end
    history = by_us(told).history
    assert history.taken_off == ()
    assert history.converged_at is not None


def test_a_new_model_is_waited_for_and_not_lost() -> None:
    told = story(state(), (0.0, state(model("m", "v1"))))
    for history in (plainly(told), by_us(told).history):
        found = one(history)
        assert found.waited is not None
        assert found.waited > 1.0
        assert not found.on_before
        assert history.taken_off == ()


def test_a_new_model_without_room_never_answers() -> None:
    told = story(state(model("m", "v1", "600k")), (0.0, state(model("m", "v1", "600k"), model("n", "v1", "600k"))))
    assert one(plainly(told), "n").never
    assert one(by_us(told).history, "n").never


def test_what_git_has_no_more_is_deleted_in_both_ways_and_that_is_no_loss() -> None:
    told = story(state(model("m", "v1"), model("n", "v1")), (0.0, state(model("m", "v1"))))
    for history in (plainly(told), by_us(told).history):
        assert history.taken_off == ()
        assert one(history, "n").stretches[-1].off
        assert history.missing == ()


def test_a_commit_that_comes_during_a_pass_is_taken_up_by_the_next() -> None:
    told = story(
        state(model("m", "v1", "200k")),
        (0.0, state(model("m", "v2", "200k"))),
        (2.0, state(model("m", "v3", "200k"))),
        load=4.0,
    )
    played = by_us(told)
    assert artifacts(one(played.history)) == ["v1", "v2", "v3"]
    assert played.open == ()


def test_a_version_that_fails_to_load_is_held_and_the_old_one_serves() -> None:
    told = story(
        state(model("m", "v1")), (0.0, state(model("m", "v2"))), artifacts={"v2": Artifact(fails=True)}, seconds=40.0
    )
    played = by_us(told)
    assert [decision.verb for decision in played.open] == [Verb.HOLD]
    assert played.history.taken_off == ()


def test_a_held_version_is_tried_again_when_its_back_off_ends() -> None:
    told = story(
        state(model("m", "v1")),
        (0.0, state(model("m", "v2"))),
        artifacts={"v2": Artifact(fails=True)},
        incidents=((30.0, lambda simulation: simulation.set_artifact("v2", Artifact())),),
        seconds=120.0,
    )
    history = by_us(told).history
    assert history.converged_at is not None
    assert 60.0 < history.converged_at < 90.0


def test_a_pass_begins_when_the_one_before_it_says_that_something_is_due() -> None:
    told = story(
        state(model("m", "v1")), (0.0, state(model("m", "v2"))), artifacts={"v2": Artifact(fails=True)}, seconds=100.0
    )
    reports = by_us(told).reports
    held = next(number for number, (_, report) in enumerate(reports) if report.next_step_at is not None)
    due = reports[held][1].next_step_at
    assert due is not None
    assert told.before["now"] + reports[held + 1][0] == pytest.approx(due, abs=0.01)


def test_runs_differ_in_how_fast_objects_are_taken_in() -> None:
    told = story(state(), (0.0, state(*(model(f"m{i}", "v1", "100k") for i in range(8)))), load=0.0)
    never = [sum(found.never for found in history.models) for history in compare(told, Guards(), runs=2).plain]
    assert never == [0, 1]


def test_a_killed_replica_is_a_loss_in_both_ways() -> None:
    told = story(
        state(model("m", "v1")),
        (0.0, state(model("m", "v1"))),
        incidents=((5.0, lambda simulation: simulation.kill("mlserver", 0)),),
    )
    for history in (plainly(told), by_us(told).history):
        off = [stretch for stretch in one(history).stretches if stretch.off]
        assert [stretch.start for stretch in off] == [pytest.approx(5.0)]


def test_what_comes_after_the_end_of_a_story_is_not_told() -> None:
    # No room to spare, so that we ask the scheduler first: that goes on beyond the end, and into the kill.
    told = story(
        state(model("m", "v1", "500k")),
        (0.0, state(model("m", "v2", "500k"))),
        incidents=((0.8, lambda simulation: simulation.kill("mlserver", 0)),),
        seconds=0.5,
    )
    for history in (plainly(told), by_us(told).history):
        assert history.seconds == pytest.approx(0.5)
        assert artifacts(one(history)) == ["v1"]
        assert one(history).stretches[-1].end == pytest.approx(0.5)


def test_peaks_count_the_load_in_flight_and_stay_within_the_limit() -> None:
    (peak,) = by_us(ROOMY).history.peaks
    assert (peak.server, peak.replica, peak.limit, peak.peak) == ("mlserver", 0, 1_000_000, 600_000)


def test_the_same_seed_tells_the_same_story() -> None:
    fleet = [model(f"m{i}", "v1", "100k") for i in range(8)]
    told = story(state(*fleet), (0.0, state(*(model(each.name, "v2", "100k") for each in fleet))))
    first, second = (compare(told, Guards(), runs=2, seed=3) for _ in range(2))
    assert first.plain == second.plain
    assert [played.history for played in first.ours] == [played.history for played in second.ours]


def test_the_worst_run_is_no_better_than_the_usual() -> None:
    fleet = [model(f"m{i}", "v1", "100k") for i in range(8)]
    told = story(state(*fleet), (0.0, state(*(model(each.name, "v2", "100k") for each in fleet))))
    found = compare(told, Guards(), runs=3)
    assert len(found.worst_plain.taken_off) >= len(found.usual_plain.taken_off) > 0


def test_a_commit_that_cannot_be_whole_is_not_assumed_live() -> None:
    with pytest.raises(UsageError, match="model n would not be whole"):
        whole(state(model("m", "v1", "600k"), model("n", "v1", "600k")), INSTANCE)
