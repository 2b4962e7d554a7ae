"""`python -m tests.kubernetes.scenarios [NAME …]`: what users lose plainly and by us, on a real API server.

One row a scenario. Exit code 1 when we lose a request or take anything off the air.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.controlplane import crds
from tests.controlplane.running import control_plane
from tests.kubernetes.scenarios.audience import EVERY
from tests.kubernetes.scenarios.listed import SCENARIOS, Row
from tests.recordings.losses import lines

FOOTNOTE = f"""
A real kube-apiserver, and a stand-in for Seldon that follows the recorded rules. {1 / EVERY:.0f} requests per second
and model, until nothing changes any more. Seconds: from the last commit until a pass of `run` (one every second) found
nothing more to do."""


async def _rows(names: set[str], speed: float) -> list[Row]:
    rows = []
    with control_plane() as running:
        crds.install(running)
        for scenario in SCENARIOS:
            if not names or scenario.recording in names:
                print(f"{scenario.title} ...", file=sys.stderr)
                row = Row(scenario, await scenario.plainly(running, speed), await scenario.ours(running, speed))
                rows.append(row)
    return rows


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes.scenarios", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="recordings; default: all that are listed")
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds per second")
    options = parser.parse_args()
    known = {scenario.recording for scenario in SCENARIOS}
    if unknown := sorted(set(options.names) - known):
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    rows = asyncio.run(_rows(set(options.names), options.speed))
    print("\n".join(lines(row.cells for row in rows)))
    print(FOOTNOTE)
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
