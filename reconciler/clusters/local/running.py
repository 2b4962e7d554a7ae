"""The file in the state folder that says which gateway process runs, and how."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reconciler.clusters.local.process import Identity
from reconciler.clusters.local.store import write_whole

FILE = "gateway.json"
"""Name of the file in the state folder. It stays when the gateway ends: the next one takes the same port."""


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway process and what it was started with."""

    identity: Identity
    port: int
    artifacts: Path


def read_running(state: Path) -> Running | None:
    """Returns what the file says, None when there is none that can be read. Whether the process lives is not said."""
    try:
        data = json.loads((state / FILE).read_text(encoding="utf-8"))
        return Running(Identity(data["pid"], data["started"]), data["port"], Path(data["artifacts"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_running(state: Path, running: Running) -> None:
    """Keeps `running` in the state folder. Raises OSError."""
    data = {
        "pid": running.identity.pid,
        "started": running.identity.started,
        "port": running.port,
        "artifacts": str(running.artifacts),
    }
    write_whole(state / FILE, json.dumps(data))
