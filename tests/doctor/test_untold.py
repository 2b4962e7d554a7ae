"""What the doctor says where the scheduler was not asked: no outage on a guess, and no all-clear either."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.doctor.diagnosis_json import diagnosis_json
from reconciler.doctor.examination import examine
from reconciler.doctor.finding import Diagnosis, Severity
from reconciler.doctor.text import text
from reconciler.model.live import LiveModel, LiveState, LiveVersion, ReplicaState, VersionState
from reconciler.model.manifests import ModelSpec
from tests.doctor.test_cases import CASES, live_of
from tests.planner.case import read_case

WHY = "Seldon's scheduler was not asked: https://me:hunter22@example.org is away"
SCHEMA = Path(__file__).parents[2] / "schemas" / "doctor.schema.json"

SPEC = ModelSpec("gs://m/2", memory=100_000, replicas=1)
UNSEEN = LiveVersion(
    1, None, 100_000, "mlserver", VersionState.UNKNOWN, ((0, ReplicaState.LOADED_UNAVAILABLE),), reason=""
)


def live(state: VersionState, replica: ReplicaState, *older: LiveVersion, unverified: str = WHY) -> LiveState:
    """The one model of a healthy cluster, updated: `state` is that of its latest version."""
    healthy = live_of(read_case(next(path for path in CASES if path.stem == "healthy")))
    placed = () if state is VersionState.SCHEDULE_FAILED else ((1, replica),)
    latest = LiveVersion(2, SPEC.digest, 100_000, "mlserver", state, placed, reason="as it is")
    model = LiveModel("m", SPEC, versions=(*older, latest))
    return dataclasses.replace(healthy, models=(model,), unverified=unverified)


def of(diagnosis: Diagnosis) -> list[tuple[str, Severity]]:
    return [(each.hazard.value, each.severity) for each in diagnosis.findings if each.name == "m"]


def test_a_failed_update_is_a_risk_where_the_version_before_may_serve() -> None:
    diagnosis = examine(live(VersionState.FAILED, ReplicaState.LOAD_FAILED, UNSEEN), "test")
    assert of(diagnosis) == [("load-failed", Severity.RISK)]
    assert "whether the version before answers cannot be told" in diagnosis.findings[0].consequence


def test_the_same_is_an_outage_by_the_word_of_the_scheduler_and_where_nothing_was_before() -> None:
    asked = live(VersionState.FAILED, ReplicaState.LOAD_FAILED, UNSEEN, unverified="")
    alone = live(VersionState.FAILED, ReplicaState.LOAD_FAILED)
    for state in (asked, alone):
        assert of(examine(state, "test")) == [("load-failed", Severity.OUTAGE)]


def test_an_update_on_its_way_is_told_as_something_that_nobody_can_tell() -> None:
    diagnosis = examine(live(VersionState.PROGRESSING, ReplicaState.LOADING, UNSEEN), "test")
    assert of(diagnosis) == [("cannot-tell", Severity.RISK)]
    assert "No hazard found" not in text(diagnosis)


def test_a_first_version_on_its_way_is_no_hazard() -> None:
    assert of(examine(live(VersionState.PROGRESSING, ReplicaState.LOADING), "test")) == []


def test_an_update_that_found_no_place_is_an_outage_whoever_says_so() -> None:
    diagnosis = examine(live(VersionState.SCHEDULE_FAILED, ReplicaState.UNLOADED, UNSEEN), "test")
    assert of(diagnosis) == [("not-placed", Severity.OUTAGE)]


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_text_and_json_say_that_it_is_unverified_and_why_without_its_secrets(path: Path) -> None:
    diagnosis = examine(dataclasses.replace(live_of(read_case(path)), unverified=WHY), "test")
    assert text(diagnosis, 200).startswith("Unverified: Seldon's scheduler was not asked: https://***@example.org")
    assert diagnosis.summary.endswith("looked at, unverified.")
    data: Any = json.loads(diagnosis_json(diagnosis))
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(data)
    assert data["unverified"] == "Seldon's scheduler was not asked: https://***@example.org is away"
    assert [line for line in text(diagnosis, 80).splitlines() if len(line) > 80] == []
