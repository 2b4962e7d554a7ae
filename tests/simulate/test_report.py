"""What is told of a simulation, in every form."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from reconciler.clusters.simulated import Artifact
from reconciler.model.plan import Guards
from reconciler.simulate.comparison import compare
from reconciler.simulate.markdown import markdown
from reconciler.simulate.report import Report, Subject
from reconciler.simulate.simulation_json import simulation_json
from reconciler.simulate.text import text
from tests.simulate.samples import model, state, story

SCHEMA = Path(__file__).parents[2] / "schemas" / "simulation.schema.json"


@cache
def tight() -> Report:
    """One model that does not fit, one that does, one that stays as it is."""
    told = story(
        state(model("big", "v1", "600k"), model("same", "w1", "50k"), model("small", "v1", "100k")),
        (0.0, state(model("big", "v2", "600k"), model("same", "w1", "50k"), model("small", "v2", "100k"))),
    )
    subject = Subject("commit aaaa, assumed live and whole", "b" * 40, "Two models trained anew", "/repo", "models")
    return Report(subject, compare(told, Guards(), runs=2), 20.0, 1.0, ("a note",))


def data(report: Report) -> Any:
    return json.loads(simulation_json(report))


def test_the_json_fits_its_schema() -> None:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(data(tight()))


def test_the_json_says_what_each_way_lost() -> None:
    told = data(tight())
    assert told["plainLoses"] is True
    assert told["plain"]["takenOff"] == ["big"]
    assert told["ours"]["takenOff"] == []
    assert told["ours"]["requestsLost"] == 0
    assert [(each["name"], each["verb"]) for each in told["ours"]["open"]] == [("big", "blocked")]


def test_the_text_puts_both_ways_of_a_model_beneath_each_other() -> None:
    lines = text(tight(), 100).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  big "))
    assert lines[at] == "  big   1 v1"
    assert lines[at + 1].startswith("    plain  ×××")
    assert "off for good" in lines[at + 1]
    assert lines[at + 2].startswith("    ours   111")
    assert lines[at + 2].endswith("on the air")


def test_the_text_tells_the_outcome_first_and_counts_what_nothing_happened_to() -> None:
    told = text(tight(), 100)
    assert "kubectl apply: big off the air for good" in told
    assert "reconciler: nothing off the air, no request lost" in told
    assert "never all of it served; big: blocked, not enough room" in told
    assert "1 model answered as before all the time" in told
    assert "note: a note" in told


def test_a_blocked_model_is_told_with_its_fixes() -> None:
    told = text(tight(), 100)
    assert "blocked Model big" in told
    assert "fix: " in told


def test_the_text_has_no_trailing_blanks_and_bars_fit_80_columns() -> None:
    lines = text(tight(), 80).splitlines()
    assert all(line == line.rstrip() for line in lines)
    assert all(len(line) <= 80 for line in lines if line.startswith(("    plain", "    ours")))


def test_the_markdown_is_tables_and_one_block_of_bars() -> None:
    tokens = MarkdownIt().enable("table").parse(markdown(tight()))
    assert [token.type for token in tokens].count("table_open") == 3
    assert [token.type for token in tokens].count("fence") == 1


def test_names_of_artifacts_are_no_markup_and_show_no_password() -> None:
    told = story(
        state(model("m", "v1")),
        (0.0, state(model("m", "https://me:hunter2@host/a|b`c"))),
        artifacts={"https://me:hunter2@host/a|b`c": Artifact()},
    )
    report = replace(tight(), comparison=compare(told, Guards(), runs=1))
    for shown in (text(report), markdown(report), simulation_json(report).decode()):
        assert "hunter2" not in shown
    assert "a|b`c" not in markdown(report)


def test_a_commit_that_nothing_happens_with_is_told_in_few_lines() -> None:
    told = story(state(model("m", "v1")), (0.0, state(model("m", "v1"))))
    report = replace(tight(), comparison=compare(told, Guards(), runs=1), notes=())
    assert not report.plain_loses
    assert "1 model answered as before all the time" in text(report)
    assert "Timelines" not in text(report)
    assert "```" not in markdown(report)
