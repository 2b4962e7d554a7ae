"""`make recordings`: one line a file, whatever is wrong with it, and a summary with an exit code."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.recordings import verdict as verdicts
from tests.recordings.verdict import Word, judge

RECORDED = Path(__file__).parent.parent / "recorded"
ROOT = RECORDED.parent.parent


def written(folder: Path, name: str, document: object) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper), encoding="utf-8")
    return path


def document(name: str) -> Any:
    return yaml.load((RECORDED / f"{name}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)


def leaves(part: Any) -> Iterator[tuple[Any, Any]]:
    """Yields every value that is no container, as its container and key."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(value, dict | list) and value:
            yield from leaves(value)
        else:
            yield part, key


@pytest.mark.parametrize("name", ["update-fits", "experiment-weights", "probe", "shrink-first-autoscaled"])
def test_every_single_value_that_was_seen_counts(name: str, tmp_path: Path) -> None:
    altered = document(name)
    for step in altered["steps"]:
        for entry in step["seen"]:
            for container, key in list(leaves(entry["changed"])):
                value = container[key]
                container[key] = 4711 if isinstance(value, int) and not isinstance(value, bool) else "altered"
                assert judge(written(tmp_path, name, altered)).word is not Word.REPRODUCED, (entry["at"], key, value)
                container[key] = value
    assert judge(written(tmp_path, name, altered)).word is Word.REPRODUCED


def test_a_difference_is_told_in_one_line_with_the_number_of_others(tmp_path: Path) -> None:
    altered = document("update-fits")
    altered["steps"][0]["seen"][1]["changed"]["scheduler"]["m"]["2"].update(state="ModelFailed", available=0)
    found = judge(written(tmp_path, "x", altered))
    assert found.line(3) == (
        "x    differs     update: scheduler m 2 available: recorded nothing → 0, "
        "the simulation ends with nothing → 0 → 1 (and 1 more)"
    )


def test_unknown_fields_are_reported_and_do_not_stop_the_comparison(tmp_path: Path) -> None:
    altered = document("update-fits") | {"weather": "fine"}
    found = judge(written(tmp_path, "x", altered))
    assert found.word is Word.REPRODUCED
    assert found.line().endswith("[the file has an unknown field 'weather']")


def test_a_file_that_breaks_the_simulation_is_one_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: object) -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(verdicts, "play_as_recorded", breaks)
    assert judge(written(tmp_path, "x", document("update-fits"))).line() == "x  crashed     ZeroDivisionError: a b"


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ({"scale": "mlserver/2"}, "malformed   update: unknown operation scale"),
        ({"artifact": {"v1": {"sing": 1}}}, "malformed   artifact v1: unknown behaviour sing: 1"),
        ({"delete": "Model/nobody"}, "malformed   update: there is no Model/nobody to delete"),
        ({"patch": "Model/nobody", "merge": {}}, "malformed   update: there is no Model/nobody to patch"),
        ({"kill": "mlserver/7"}, "malformed   update: there is no replica mlserver/7 to kill"),
    ],
)
def test_an_operation_that_cannot_be_played_is_malformed(operation: object, told: str, tmp_path: Path) -> None:
    altered = document("update-fits")
    altered["steps"][0]["do"] = [operation]
    assert judge(written(tmp_path, "x", altered)).line() == f"x  {told}"


def test_a_folder_is_played_file_by_file_with_a_summary_and_an_exit_code(tmp_path: Path) -> None:
    shutil.copy(RECORDED / "update-fits.yaml", tmp_path)
    assert _run(tmp_path) == (0, ["update-fits  reproduced", "1 recordings: 1 reproduced"])
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    written(tmp_path, "other", document("update-fits") | {"answersBefore": {"m": {"404": 40}}})
    code, lines = _run(tmp_path)
    assert code == 1
    assert [line.split()[:2] for line in lines[:3]] == [
        ["broken", "malformed"],
        ["other", "differs"],
        ["update-fits", "reproduced"],
    ]
    assert lines[3:] == ["3 recordings: 1 reproduced, 1 differs, 1 malformed"]


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    assert _run(tmp_path) == (1, [])


def _run(folder: Path) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "tests.recordings", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, [line.rstrip() for line in done.stdout.splitlines()]
