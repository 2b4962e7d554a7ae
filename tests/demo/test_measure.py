"""The demo judges requests strictly: a late answer of the old version, or an early one of the new, is a failure."""

from __future__ import annotations

from reconciler.demo.measure import Expected, Request, Window, failures, latency, percentile, phases

CHANGE = Window(10.0, 20.0)
ROLLOUT = Expected("v1", "v2")


def answered(start: float, version: str, *, took: float = 0.1) -> Request:
    return Request(start, start + took, 200, version)


def test_a_clean_rollout_has_no_failures() -> None:
    requests = [answered(5, "v1"), answered(12, "v1"), answered(15, "v2"), answered(21, "v2")]
    assert not failures(requests, CHANGE, ROLLOUT)


def test_an_old_answer_under_way_while_the_new_version_took_over_is_fine() -> None:
    assert not failures([answered(14.9, "v1", took=3), answered(15, "v2")], CHANGE, ROLLOUT)


def test_the_old_version_must_not_answer_once_the_new_one_did() -> None:
    requests = [answered(15, "v2"), answered(15.2, "v1")]
    assert failures(requests, CHANGE, ROLLOUT) == {"v1 answered after v2 had taken over": 1}


def test_the_old_version_must_not_answer_after_the_change() -> None:
    assert failures([answered(20.5, "v1")], CHANGE, ROLLOUT) == {"v1 answered after v2 had taken over": 1}


def test_the_new_version_must_not_answer_before_the_change() -> None:
    assert failures([answered(9, "v2")], CHANGE, ROLLOUT) == {"v2 answered before the change": 1}


def test_where_nothing_changes_any_other_version_is_a_failure() -> None:
    assert failures([answered(15, "v3"), answered(15, "v2")], CHANGE, Expected("v2", "v2")) == {"answered by v3": 1}


def test_errors_and_missing_answers_are_counted_by_reason() -> None:
    requests = [Request(1, 2, 503), Request(1, 6, 0, error="no answer: TimeoutError"), Request(3, 4, 200)]
    expected = {"status 503": 1, "no answer: TimeoutError": 1, "answered by no version": 1}
    assert failures(requests, CHANGE, ROLLOUT) == expected


def test_a_request_that_touches_the_change_counts_as_during_it() -> None:
    early, across, within, late = answered(1, ""), answered(9.95, ""), answered(19.95, ""), answered(20.1, "")
    assert phases([late, within, across, early], CHANGE) == ([early], [within, across], [late])


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.0
    assert percentile([float(n) for n in range(1, 101)], 99) == 99.0
    assert percentile([7.0], 99) == 7.0
    assert latency([]) == latency(iter(()))
    assert latency([]).p50 is None
