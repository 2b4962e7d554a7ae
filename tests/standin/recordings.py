"""`python -m tests.standin.recordings [DIR]`: plays every recording in a folder on the stand-in and a real API server;
one line a file, and a summary. Exit code 0 when all are reproduced, else 1.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from tests.controlplane.crds import install
from tests.controlplane.running import ControlPlane, control_plane
from tests.recordings.__main__ import main
from tests.recordings.compare import Difference, differences
from tests.recordings.orders import way_of
from tests.recordings.played import Played
from tests.recordings.recording import Recording
from tests.recordings.verdict import Play
from tests.standin.player import play


def player_on(running: ControlPlane) -> Play:
    """Returns what plays recordings on a control plane that has the CRDs.

    Which order and pace agree with a recording is looked for in the simulated cluster alone, which takes no time.
    """

    def play_it(recording: Recording) -> tuple[Played, Sequence[Difference]]:
        played = asyncio.run(play(recording, way_of(recording), running))
        return played, differences(recording, played)

    return play_it


if __name__ == "__main__":
    with control_plane() as running:
        install(running)
        sys.exit(main(player_on(running), "python -m tests.standin.recordings"))
