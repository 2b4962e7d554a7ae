"""The stand-in reproduces every recording of the real Seldon, played with kubectl on a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.controlplane.running import ControlPlane
from tests.recordings.verdict import Word, judge
from tests.standin.recordings import player_on

RECORDED = Path(__file__).parent.parent / "recorded"


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recording_is_reproduced_on_a_real_api_server(path: Path, seldon_kinds: ControlPlane) -> None:
    found = judge(path, player_on(seldon_kinds))
    assert not found.why, "\n".join([found.why, *map(str, found.differences)])


def test_a_recording_that_says_something_else_is_told(seldon_kinds: ControlPlane, tmp_path: Path) -> None:
    text = (RECORDED / "update-fits.yaml").read_text(encoding="utf-8")
    altered = tmp_path / "altered.yaml"
    for true, false in (("free: 400000", "free: 400001"), ("['False', ModelProgressing", "['True', ModelProgressing")):
        assert true in text
        altered.write_text(text.replace(true, false), encoding="utf-8")
        assert judge(altered, player_on(seldon_kinds)).word is Word.DIFFERS
