"""Every test that docs/seldon-traps.md names is there, and it has a trap of every section that has any."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kubernetes.scenarios.listed import BY_TITLE
from tests.kubernetes.scenarios.test_killed import WAYS

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "seldon-traps.md"
NAMED = re.compile(r"`([\w/]+)::(test_\w+)(?:\[([^\]]+)\])?`|`…\[([^\]]+)\]`")
CASES = {
    "test_a_case_gives_its_plan": {path.stem for path in (TESTS / "planner" / "cases").glob("*.yaml")},
    "test_our_way_takes_nothing_off_the_air_and_loses_no_request": set(BY_TITLE),
    "test_a_pass_killed_at_any_write_is_continued_by_the_next_one": set(WAYS),
}
"""The cases of tests that have any, by the test's name."""


def named() -> list[tuple[str, str, str]]:
    """Returns file, test and case, empty where there is none; `…` stands for the file and test before it."""
    found: list[tuple[str, str, str]] = []
    for file, test, case, another in NAMED.findall(DOCUMENT.read_text(encoding="utf-8")):
        found.append((found[-1][0], found[-1][1], another) if another else (file, test, case))
    return found


@pytest.mark.parametrize(("file", "test", "case"), sorted(set(named())), ids=str)
def test_a_test_that_a_trap_names_is_there(file: str, test: str, case: str) -> None:
    text = (TESTS / f"{file}.py").read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {test}\(", text, re.MULTILINE)
    assert not case or case in CASES[test]


def test_everything_in_backticks_that_looks_like_a_test_is_read_as_one() -> None:
    assert len(re.findall(r"::test_|`…\[", DOCUMENT.read_text(encoding="utf-8"))) == len(named()) + 1


def test_every_trap_has_a_test() -> None:
    rows = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    traps = [row for row in rows if not row.startswith(("| trap |", "|---"))]
    assert [row for row in traps if not NAMED.search(row)] == []
