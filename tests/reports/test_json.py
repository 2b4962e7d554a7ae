"""Plans and reports as JSON keep to their published schemas, and a saved plan is compared with what is due now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.errors import PlanStale, UsageError
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import (
    Action,
    ActionKind,
    Capacity,
    Decision,
    EdgeKind,
    Guards,
    Plan,
    ProbePolicy,
    Reason,
    Verb,
)
from reconciler.reports.plan_json import plan_json, saved_guards, saved_plan_matches
from reconciler.reports.report import Verdict, planned, with_outcome
from reconciler.reports.report_json import report_from_json, report_json
from tests.reports.samples import CAPACITY, CONTEXT, IDLE, LOAD, PLAN, REPORTS, STUCK, WINE, action

SCHEMAS = Path(__file__).parents[2] / "schemas"


def checked(data: bytes, schema: str) -> Any:
    document = json.loads(data)
    rules = json.loads((SCHEMAS / schema).read_text())
    checker = jsonschema.Draft202012Validator(rules, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    checker.check_schema(rules)
    checker.validate(document)
    return document


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_a_report_keeps_to_its_schema_and_can_be_read_back(name: str) -> None:
    report = REPORTS[name]()
    document = checked(report_json(report), "report.schema.json")
    assert document["exitCode"] == report.exit_code
    again = report_from_json(report_json(report))
    assert again is not None
    assert report_json(again) == report_json(report)


@pytest.mark.parametrize("plan", [PLAN, IDLE, STUCK], ids=["plan", "idle", "stuck"])
def test_a_plan_keeps_to_its_schema(plan: Plan) -> None:
    checked(plan_json(plan), "plan.schema.json")


def test_the_schemas_know_every_word_there_is() -> None:
    decisions = tuple(Decision("Model", f"m{n}", verb, reason) for n, verb in enumerate(Verb) for reason in Reason)
    actions = tuple(action(kind, "m", Reason.NEW) for kind in ActionKind)
    plan = replace(PLAN, decisions=decisions, actions=actions)
    checked(plan_json(plan), "plan.schema.json")
    for status, verdict in zip([*Status, *Status], [*Verdict, *Verdict], strict=False):
        report = with_outcome(planned(plan, CONTEXT), Outcome(actions[0].id, status))
        checked(report_json(replace(report, verdict=verdict)), "report.schema.json")
    edges = json.loads((SCHEMAS / "plan.schema.json").read_text())["$defs"]["edge"]["properties"]["kind"]["enum"]
    assert edges == [kind.value for kind in EdgeKind]


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'"x"', b'{"kind": "Report"}', b'{"kind":"Report","formatVersion":"9"}', b"\xff"]
)
def test_what_is_no_report_is_read_as_none(text: bytes) -> None:
    assert report_from_json(text) is None


def test_equal_plans_give_the_same_bytes() -> None:
    assert plan_json(replace(PLAN)) == plan_json(PLAN)


def test_a_saved_plan_keeps_the_guards_it_was_made_under() -> None:
    guards = Guards("team-b", "3", 10, 2_000, frozenset({"iris"}), ProbePolicy.NEVER)
    assert saved_guards(plan_json(replace(PLAN, instance="team-b", guards=guards))) == guards


def test_a_saved_plan_matches_the_same_plan() -> None:
    saved_plan_matches(plan_json(PLAN), PLAN)


def test_a_commit_that_changes_no_manifest_makes_no_plan_stale() -> None:
    moved = replace(PLAN, commit="f" * 40, actions=tuple(replace(a, source=None) for a in PLAN.actions))
    saved_plan_matches(plan_json(PLAN), moved)


def without(*actions: Action) -> tuple[Action, ...]:
    return tuple(each for each in PLAN.actions if each not in actions)


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (replace(PLAN, desired="x"), "the manifests changed: it was made for commit 1a2b3c4d, now at 1a2b3c4d"),
        (replace(PLAN, live="x"), "versions, placements or routes on the cluster changed"),
        (
            replace(PLAN, live="x", capacity=(replace(CAPACITY[0], limit=5), CAPACITY[1])),
            "the limits of mlserver/0 changed",
        ),
        (
            replace(PLAN, live="x", capacity=(Capacity("mlserver", 0, 1_100_000, 1, 1, 1), CAPACITY[1])),
            "the placements on mlserver/0 changed",
        ),
        (replace(PLAN, actions=without(WINE)), "other actions are due: load:wine"),
        (replace(PLAN, decisions=PLAN.decisions[1:]), "other decisions are due about Server mlserver"),
        (replace(PLAN, instance="prod"), "it was made for another instance, and this is prod"),
    ],
)
def test_a_stale_plan_is_refused_and_says_what_changed(now: Plan, why: str) -> None:
    with pytest.raises(PlanStale) as caught:
        saved_plan_matches(plan_json(PLAN), now)
    assert caught.value.why == why
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    "text", [b"", b"no json", b"[]", b'{"kind":"Report"}', b'{"kind":"Plan","formatVersion":"1"}', b"\xff\xfe"]
)
def test_a_file_that_is_no_saved_plan_is_a_usage_error(text: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        saved_plan_matches(text, PLAN)
    assert caught.value.fix


def test_a_plan_of_another_format_is_a_usage_error() -> None:
    other = plan_json(PLAN).replace(b'"formatVersion": "1"', b'"formatVersion": "2"')
    with pytest.raises(UsageError):
        saved_plan_matches(other, PLAN)


def test_a_plan_tells_what_is_written_but_no_parameters() -> None:
    document = json.loads(plan_json(replace(PLAN, actions=(LOAD,))))
    assert document["actions"][0]["model"]["storageUri"] == "https://***@artifacts.example/iris"
    assert "threads" not in json.dumps(document)
