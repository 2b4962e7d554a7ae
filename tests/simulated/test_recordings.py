"""The simulated cluster reproduces what the real Seldon Core 2 did, one test per recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recordings.verdict import Word, judge

RECORDED = Path(__file__).parent.parent / "recorded"


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_simulation_reproduces_the_recording(path: Path) -> None:
    verdict = judge(path)
    assert verdict.word is Word.REPRODUCED, "\n".join([verdict.line(), *map(str, verdict.differences)])
