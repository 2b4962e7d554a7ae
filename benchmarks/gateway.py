"""How much of MLServer's own throughput is left through the local cluster's gateway, as a ratio of one run.

Pairs of (direct, through the gateway) alternate, so that whatever else the machine does weighs on both. Everything is
real: a gateway process, one MLServer process, an sklearn model, this process as the client.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import uvloop
from sklearn.linear_model import LogisticRegression

from benchmarks.load import throughput
from benchmarks.results import Result, keep, median_and_spread
from reconciler.clusters.local import lifecycle, store
from reconciler.clusters.local.client import LocalCluster
from reconciler.model.live import LiveState, LiveVersion, VersionState
from reconciler.model.manifests import ModelManifest, ModelSpec, ServerManifest, ServerSpec, Source
from reconciler.model.plan import Action, ActionKind, Reason

GOAL = 0.85
PAIRS = 7
CONCURRENCY = 8
SECONDS = 2.0
WARM_UP = 1.0


def run() -> bool:
    """Measures, prints, keeps the result; returns whether the goal was met."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        base = Path(folder)
        (base / "iris").mkdir()
        features = [[float(i % 7), float(i % 5), float(i % 3), float(i % 2)] for i in range(40)]
        joblib.dump(LogisticRegression().fit(features, [i % 2 for i in range(40)]), base / "iris" / "model.joblib")
        state = base / "state"
        address = lifecycle.up(state, artifacts=base)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                ratios, gateway_cpu = runner.run(_measure(state, address))
        finally:
            lifecycle.down(state)
    median = statistics.median(ratios)
    print(f"throughput through the gateway / direct, concurrency {CONCURRENCY}: {median_and_spread(ratios)}")
    print(f"CPU time of the gateway: {gateway_cpu * 1e6:.0f} µs per request")
    keep(
        "local.gateway_throughput_ratio",
        Result(round(median, 3), "ratio", f">= {GOAL}", "python -m benchmarks gateway"),
    )
    return median >= GOAL


async def _measure(state: Path, address: lifecycle.Address) -> tuple[list[float], float]:
    number = await _serve(LocalCluster(state))
    process = store.read(state / "state.json").servers["main"].replicas[0].process
    if process is None:
        raise RuntimeError("the server has no process")
    port = int(address.url.rpartition(":")[2])
    direct, through = (process.port, f"iris_{number}"), (port, "iris")
    for target in (direct, through):
        await throughput(*target, WARM_UP, CONCURRENCY)
    ratios, spent, answered = [], 0.0, 0.0
    for _ in range(PAIRS):
        alone = await throughput(*direct, SECONDS, CONCURRENCY)
        before = _cpu_seconds(address.pid)
        both = await throughput(*through, SECONDS, CONCURRENCY)
        spent, answered = spent + _cpu_seconds(address.pid) - before, answered + both * SECONDS
        print(f"  direct {alone:5.0f}/s   through the gateway {both:5.0f}/s   ratio {both / alone:.3f}", flush=True)
        ratios.append(both / alone)
    return ratios, spent / answered


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _serve(cluster: LocalCluster) -> int:
    source = Source("benchmark", 1)
    server = ServerManifest("main", ServerSpec("mlserver", replicas=1), source)
    model = ModelManifest("iris", ModelSpec("iris", requirements=("sklearn",), memory=1000), source)
    await cluster.perform(_action(ActionKind.CREATE_SERVER, "main", server=server))
    await _until(cluster, lambda live: all(r.ready for s in live.servers for r in s.replicas))
    await cluster.perform(_action(ActionKind.LOAD, "iris", model=model))
    live = await _until(cluster, lambda live: _version(live).state is not VersionState.PROGRESSING)
    number = _version(live).number
    await cluster.perform(_action(ActionKind.SHIFT, "iris", model=model, number=number))
    return number


def _action(kind: ActionKind, subject: str, **fields: Any) -> Action:
    return Action(id=f"{kind} {subject}", kind=kind, subject=subject, reason=Reason.NEW, time_limit=60, **fields)


def _version(live: LiveState) -> LiveVersion:
    model = live.model("iris")
    if model is None or model.live_version is None:
        raise RuntimeError("the model is gone")
    return model.live_version


async def _until(cluster: LocalCluster, holds: Callable[[LiveState], bool]) -> LiveState:
    live = await cluster.observe()
    async with asyncio.timeout(120):
        while not holds(live):
            live = await cluster.observe(live)
    return live
