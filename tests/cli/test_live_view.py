"""`reconciler status` as text: which version answers, what it was loaded from, and why another one does not."""

import dataclasses
import io
from pathlib import Path

from rich.console import Console

from reconciler.cli.live_view import live_json, print_live
from reconciler.model.live import LiveState
from tests.planner.case import live_state, read_case

CASES = Path(__file__).parents[1] / "planner" / "cases"


def shown(live: LiveState) -> str:
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as captured:
        print_live(live, console)
    return captured.get()


def case(name: str) -> LiveState:
    return live_state(read_case(CASES / f"{name}.yaml")["live"])


def test_the_artifact_of_the_answering_version_is_shown() -> None:
    assert "version 1  artifacts/v1" in shown(case("row11-beside"))


def test_a_version_that_does_not_serve_is_shown_with_its_cause() -> None:
    live = case("row09-held")
    model = live.models[0]
    failed = dataclasses.replace(model.versions[-1], reason="no model file")
    model = dataclasses.replace(model, versions=(*model.versions[:-1], failed))
    text = shown(dataclasses.replace(live, models=(model,)))
    assert "an earlier one" in text
    assert "iris version 2 (artifacts/v2): no model file" in text


def test_experiments_and_pipelines_are_shown_with_what_they_name_and_whether_they_are_ready() -> None:
    live = case("carried-in-sync")
    text = " ".join(shown(live).split())
    assert "Pipeline income iris ready default" in text
    assert "Experiment other next not ready: Candidates not ready default" in text
    assert [item["ready"] for item in live_json(live)["experiments"]] == [False, True]
    assert "NAMES" not in shown(case("row11-beside"))
