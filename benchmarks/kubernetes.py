"""What a pass costs on a fleet of 10,000 Models on a real API server, beside what kubectl needs for the same objects.

*No-op*: Git is in sync. A warm `plan` against one raw LIST of the Models by `kubectl get --raw`, and against what
people type, `kubectl get -o json`, which asks for 500 at a time; side by side, so that whatever else the machine does
weighs on all. Its memory, its processor time, and its requests by the API server's audit log, which must be as many for
100 Models as for 10,000. *100 changed*: `apply` of 100 new versions against `kubectl apply` of the whole
set.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import fleet, fleet_cluster
from benchmarks.results import Result, keep, median_and_spread
from reconciler.clusters.kubernetes.resources import MODELS
from tests.controlplane.running import ControlPlane, control_plane

COUNT = 10_000
FEW = 100
CHANGED = 100
PAIRS = 5
LIST_GOAL, MEMORY_GOAL, APPLY_GOAL = 1.5, 400, 0.2
_COMMAND = "python -m benchmarks kubernetes"


@dataclass(frozen=True)
class Ended:
    """A process that ended.

    Attributes:
        seconds: that it took. memory: the most that it had, in MB of 10^6 bytes.
        processor: seconds of processor time, its own and the system's for it.
    """

    seconds: float
    memory: float
    processor: float


@dataclass(frozen=True)
class Place:
    """A fleet in Git and in a namespace, and the address of its scheduler."""

    plane: ControlPlane
    namespace: str
    repository: Path
    scheduler: str

    def reconciler(self, *arguments: str) -> Ended:
        """Runs one of our commands as a user does."""
        where = ["--cluster", "kubernetes", "--kubeconfig", str(self.plane.kubeconfig), "-n", self.namespace]
        git = ["--repo", str(self.repository), "--cache", str(self.plane.folder / "cache")]
        return timed(
            [sys.executable, "-P", "-m", "reconciler", *arguments, *where, *git, "--seldon-scheduler", self.scheduler]
        )

    def raw_list(self) -> Ended:
        """LISTs the Models and does nothing with them."""
        return timed([*_kubectl(self.plane), "get", "--raw", MODELS.path(self.namespace)])

    def get(self) -> Ended:
        """Prints the Models, as people would have them printed."""
        return timed([*_kubectl(self.plane), "get", MODELS.name, "-n", self.namespace, "-o", "json"])

    def requests(self, *arguments: str) -> int:
        """Returns how many requests the API server sees of one of our commands."""
        before = self.plane.audit.stat().st_size
        self.reconciler(*arguments)
        with self.plane.audit.open("rb") as log:
            log.seek(before)
            return sum(_ours(line) for line in log)


def run() -> bool:
    """Measures, prints, keeps the results; returns whether all goals were met."""
    with control_plane() as plane, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        fleet_cluster.install(plane)
        few = _measured_few(plane, Path(folder))
        begun = time.monotonic()
        fleet.write_repository(Path(folder) / "fleet", COUNT)
        fleet_cluster.load(plane, "fleet", COUNT)
        print(f"{COUNT} Models written to Git and to the API server in {time.monotonic() - begun:.0f} s", flush=True)
        with fleet_cluster.scheduler(plane, "fleet", COUNT) as address:
            place = Place(plane, "fleet", Path(folder) / "fleet", address)
            met = [_no_op(place), _requests(place, few), _changed(place)]
    return all(met)


def _measured_few(plane: ControlPlane, folder: Path) -> int:
    """Returns the requests of a plan of a small fleet."""
    fleet.write_repository(folder / "few", FEW)
    fleet_cluster.load(plane, "few", FEW)
    with fleet_cluster.scheduler(plane, "few", FEW) as address:
        return Place(plane, "few", folder / "few", address).requests("plan")


def _no_op(place: Place) -> bool:
    place.reconciler("plan", "--detailed-exitcode")  # a plan that finds something to do would fail here
    place.raw_list()
    plans, ratios, over_get = [], [], []
    for _ in range(PAIRS):
        listed, planned, got = place.raw_list(), place.reconciler("plan"), place.get()
        plans.append(planned)
        ratios.append(planned.seconds / listed.seconds)
        over_get.append(planned.seconds / got.seconds)
        beside = f"LIST {listed.seconds:.2f} s, ratio {ratios[-1]:.2f}   get {got.seconds:.2f} s, {over_get[-1]:.2f}"
        print(f"  plan {planned.seconds:.2f} s ({planned.processor:.2f} s of processor)   {beside}", flush=True)
    median, most = statistics.median(ratios), max(plan.memory for plan in plans)
    processor = statistics.median(plan.processor for plan in plans)
    print(f"no-op plan of {COUNT} Models / one raw LIST of them: {median_and_spread(ratios)}")
    print(f"no-op plan of {COUNT} Models / kubectl get -o json: {median_and_spread(over_get)}")
    print(f"no-op plan of {COUNT} Models: {most:.0f} MB, {processor:.2f} s of processor")
    keep("kubernetes.noop_plan_over_list", Result(round(median, 3), "ratio", f"<= {LIST_GOAL}", _COMMAND))
    ratio = round(statistics.median(over_get), 3)
    keep("kubernetes.noop_plan_over_kubectl_get", Result(ratio, "ratio", "none", _COMMAND))
    keep("kubernetes.noop_plan_processor_seconds", Result(round(processor, 2), "s", "none", _COMMAND))
    keep("kubernetes.noop_plan_memory_mb", Result(round(most), "MB", f"< {MEMORY_GOAL}", _COMMAND))
    return median <= LIST_GOAL and most < MEMORY_GOAL


def _requests(place: Place, few: int) -> bool:
    many = place.requests("plan")
    print(f"requests of a no-op plan: {few} for {FEW} Models, {many} for {COUNT}")
    goal = f"{few}, as with {FEW} Models"
    keep("kubernetes.noop_plan_requests", Result(many, "requests", goal, _COMMAND))
    return many == few


def _changed(place: Place) -> bool:
    fleet.change(place.repository, range(0, COUNT, COUNT // CHANGED))
    # A probe asks a real scheduler for its word, and there is none.
    ours = place.reconciler("apply", "--probe", "never")
    print(f"  apply of {CHANGED} new versions {ours.seconds:.1f} s", flush=True)
    fields = ["--server-side", "--force-conflicts", "--field-manager=kubectl"]
    files = ["-R", "-f", str(place.repository / "models"), "-n", place.namespace]
    theirs = timed([*_kubectl(place.plane), "apply", *fields, *files])
    ratio = ours.seconds / theirs.seconds
    print(f"{CHANGED} changed of {COUNT}: apply / kubectl apply of all ({theirs.seconds:.0f} s): {ratio:.3f}")
    keep("kubernetes.apply_100_over_kubectl_apply", Result(round(ratio, 3), "ratio", f"<= {APPLY_GOAL}", _COMMAND))
    return ratio <= APPLY_GOAL


def timed(command: Sequence[str]) -> Ended:
    """Runs `command` to its end, its output thrown away.

    Raises:
        RuntimeError: it failed; holds what it said.
    """
    nothing = subprocess.DEVNULL
    with tempfile.TemporaryFile() as said:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=said, env=_environment())
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            raise RuntimeError(
                f"{' '.join(command[:6])} … ended with {process.returncode}: {said.read()[-2000:].decode()}"
            )
    return Ended(seconds, usage.ru_maxrss * 1024 / 1e6, usage.ru_utime + usage.ru_stime)


def _environment() -> dict[str, str]:
    """Returns ours, in which Python keeps what it compiled, as of an installed package, wherever this runs."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _kubectl(plane: ControlPlane) -> list[str]:
    return [str(plane.kubectl_path), f"--kubeconfig={plane.kubeconfig}"]


def _ours(line: bytes) -> bool:
    return str(json.loads(line).get("userAgent", "")).startswith("model-reconciler")
