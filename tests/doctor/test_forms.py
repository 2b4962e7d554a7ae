"""A diagnosis as text and as JSON."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from reconciler.doctor.diagnosis_json import diagnosis_json
from reconciler.doctor.examination import examine
from reconciler.doctor.finding import Diagnosis, Finding, Fix, Hazard, Severity
from reconciler.doctor.text import show, text
from tests.doctor.test_cases import CASES, live_of
from tests.planner.case import read_case

SCHEMA = Path(__file__).parents[2] / "schemas" / "doctor.schema.json"


def finding(name: str, severity: Severity = Severity.RISK, hazard: Hazard = Hazard.UNKNOWN_MEMORY) -> Finding:
    return Finding(hazard, severity, "Model", name, "is odd", "what was seen", "what comes", (Fix("mend it"),))


def diagnosis(*findings: Finding, notes: tuple[str, ...] = ()) -> Diagnosis:
    return Diagnosis("test", 1_800_000_000.0, models=3, servers=1, findings=findings, notes=notes)


def told(case: str) -> Diagnosis:
    path = next(path for path in CASES if path.stem == case)
    return examine(live_of(read_case(path)), "test")


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_the_text_fits_80_columns(path: Path) -> None:
    lines = text(examine(live_of(read_case(path)), "test"), 80).splitlines()
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_the_json_fits_its_schema(path: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    data: Any = json.loads(diagnosis_json(examine(live_of(read_case(path)), "test")))
    Draft202012Validator(schema).validate(data)


def test_the_schema_knows_every_hazard_and_severity() -> None:
    fields = json.loads(SCHEMA.read_text())["$defs"]["finding"]["properties"]
    assert fields["hazard"]["enum"] == list(Hazard)
    assert fields["severity"]["enum"] == list(Severity)


def test_a_healthy_cluster_is_one_sentence() -> None:
    assert text(diagnosis()) == "No hazard found: 1 server and 3 models looked at.\n"
    assert diagnosis().exit_code == 0


def test_the_worst_comes_first_and_the_summary_counts_each_severity() -> None:
    found = diagnosis(
        finding("c"), finding("b", Severity.NEXT_CHANGE), finding("a", Severity.OUTAGE), finding("d", Severity.OUTAGE)
    )
    assert [each.name for each in found.findings] == ["a", "d", "b", "c"]
    assert found.summary == (
        "4 hazards: 2 outages now, 1 where the next change is an outage, 1 risk. 1 server and 3 models looked at."
    )
    heads = [line for line in text(found, 200).splitlines() if line and line[0] != " "]
    assert heads == ["Outage now", "The next change is an outage", "Risks", found.summary]


def test_many_of_one_hazard_are_told_in_full_only_at_first() -> None:
    lines = text(diagnosis(*(finding(f"m{number}") for number in range(6)))).splitlines()
    assert sum("is odd" in line for line in lines) == 3
    assert "  3 more Models likewise (-o json has them in full): m3, m4, m5" in lines


def test_a_command_that_is_too_long_for_a_line_is_broken_so_that_it_can_be_copied() -> None:
    lines = [line.strip() for line in text(told("one-replica"), 60).splitlines()]
    at = next(number for number, line in enumerate(lines) if line.startswith("kubectl"))
    assert lines[at : at + 2] == [
        "kubectl patch server mlserver --type merge \\",
        """-p '{"spec":{"replicas":2,"minReplicas":2}}'""",
    ]


def test_notes_are_told_and_are_no_hazard() -> None:
    found = diagnosis(notes=("something was not asked",))
    assert "note: something was not asked" in text(found)
    assert found.exit_code == 0


def test_the_namespace_is_told_where_there_is_one() -> None:
    found = diagnosis(replace(finding("m"), namespace="prod"))
    assert "Model m (namespace prod) is odd" in text(found)


def test_without_colours_there_is_no_escape_sequence() -> None:
    out = io.StringIO()
    show(told("one-replica"), Console(file=out, width=80, color_system=None, force_terminal=False))
    assert "\x1b" not in out.getvalue()
    assert out.getvalue() == text(told("one-replica"), 80)
