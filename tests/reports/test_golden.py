"""Reports look as the files in `golden/` show them.

To write them anew after a change that is meant, and then to look at the difference:
`python -m tests.reports.test_golden`
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.reports.markdown import markdown
from reconciler.reports.plan_json import plan_json
from reconciler.reports.report import Report
from reconciler.reports.report_json import report_json
from reconciler.reports.text import text
from tests.reports.samples import PLAN, REPORTS

GOLDEN = Path(__file__).parent / "golden"
FORMS: dict[str, Callable[[Report], str]] = {
    "80.txt": lambda report: text(report, 80),
    "120.txt": lambda report: text(report, 120),
    "md": markdown,
}


def rendered() -> dict[str, str]:
    files = {f"{name}.{ending}": form(make()) for name, make in REPORTS.items() for ending, form in FORMS.items()}
    return files | {"plan.json": plan_json(PLAN).decode(), "applied.json": report_json(REPORTS["applied"]()).decode()}


@pytest.mark.parametrize("name", sorted(rendered()))
def test_a_report_looks_as_its_golden_file_shows(name: str) -> None:
    assert rendered()[name] == (GOLDEN / name).read_text()


def test_every_golden_file_is_of_some_report() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(rendered())


@pytest.mark.parametrize("name", [name for name in rendered() if name.endswith("80.txt")])
def test_nothing_is_wider_than_a_terminal_of_80_columns(name: str) -> None:
    assert max(map(len, rendered()[name].splitlines())) <= 80


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.iterdir():
        old.unlink()
    for file, content in rendered().items():
        (GOLDEN / file).write_text(content)
