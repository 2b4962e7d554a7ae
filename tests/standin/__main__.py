"""`python -m tests.standin`: a stand-in for Seldon in one namespace of a cluster, until it is interrupted.

Prints one line of JSON when it is ready: {"scheduler": port, "inference": port}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reconciler.clusters.simulated import beginning
from tests.standin.background import with_nowhere
from tests.standin.standin import Ports, stand_in


def main() -> None:
    """Runs until SIGINT or SIGTERM."""
    asyncio.run(_run(_options()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--scheduler-port", type=int, default=0, help="of the scheduler's gRPC; 0 takes a free one")
    parser.add_argument("--inference-port", type=int, default=0, help="of inference requests; 0 takes a free one")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than the real Seldon it is")
    parser.add_argument(
        "--settings",
        type=Path,
        help="YAML with `rules`, `artifacts` and `seed` as in schemas/simulated-state.schema.json",
    )
    parser.add_argument("--memory", help="of a server replica whose podSpec requests none, as a quantity")
    parser.add_argument("--overcommit-percentage", type=int)
    parser.add_argument("--no-autoscaling", action="store_true", help="the scheduler leaves the size of Servers alone")
    parser.add_argument("--unload-grace", type=float, help="seconds")
    parser.add_argument("--seed", type=int, help="of what the real Seldon leaves to chance")
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> Mapping[str, Any]:
    """Returns the settings of the file, with what the command line says instead."""
    said: dict[str, Any] = yaml.safe_load(options.settings.read_text(encoding="utf-8")) if options.settings else {}
    rules = {
        "memory": options.memory,
        "overcommitPercentage": options.overcommit_percentage,
        "serverAutoscaling": False if options.no_autoscaling else None,
        "unloadGraceSeconds": options.unload_grace,
    }
    said["rules"] = {**(said.get("rules") or {}), **{name: value for name, value in rules.items() if value is not None}}
    if options.seed is not None:
        said["seed"] = options.seed
    return said


async def _run(options: argparse.Namespace) -> None:
    said, over = _settings(options), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with stand_in(
        options.kubeconfig,
        options.namespace,
        beginning.rules(said),
        with_nowhere(beginning.artifacts(said)),
        beginning.choices(said),
        speed=options.speed,
        ports=Ports(options.scheduler_port, options.inference_port),
    ) as found:
        print(json.dumps({"scheduler": found.ports.scheduler, "inference": found.ports.inference}), flush=True)
        await over.wait()


if __name__ == "__main__":
    main()
