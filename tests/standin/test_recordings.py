"""The stand-in reproduces every recording of the real Seldon, played with kubectl on a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.controlplane.running import ControlPlane
from tests.recordings.verdict import judge
from tests.standin.recordings import player_on

RECORDED = Path(__file__).parent.parent / "recorded"


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recording_is_reproduced_on_a_real_api_server(path: Path, seldon_kinds: ControlPlane) -> None:
    found = judge(path, player_on(seldon_kinds))
    assert not found.why, "\n".join([found.why, *map(str, found.differences)])
