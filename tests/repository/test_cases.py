"""Every file in `cases/` is refused with exactly the problems written beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import ManifestsInvalid, Problem
from reconciler.repository import load_stream

CASES = Path(__file__).parent / "cases"


def told(problem: Problem) -> str:
    return f"{problem}\n    why: {problem.why}\n    fix: {problem.fix}\n"


def problems_of(case: str) -> str:
    with pytest.raises(ManifestsInvalid) as raised:
        load_stream((CASES / f"{case}.yaml").read_bytes(), f"{case}.yaml")
    return "".join(told(problem) for problem in raised.value.problems)


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.yaml")))
def test_a_bad_manifest_is_refused_with_all_its_problems(case: str) -> None:
    assert problems_of(case) == (CASES / f"{case}.expected").read_text(encoding="utf-8")


def test_no_problem_echoes_a_value_that_may_be_a_secret() -> None:
    assert "hunter2" not in "".join(problems_of(path.stem) for path in CASES.glob("*.yaml"))


def test_every_expectation_has_its_case() -> None:
    assert {path.stem for path in CASES.glob("*.expected")} == {path.stem for path in CASES.glob("*.yaml")}


def test_every_problem_has_its_three_parts() -> None:
    for path in CASES.glob("*.yaml"):
        with pytest.raises(ManifestsInvalid) as raised:
            load_stream(path.read_bytes())
        assert all(problem.what and problem.why and problem.fix for problem in raised.value.problems)
