"""`reconciler doctor` on a real API server: what it says there, and that kubectl takes its commands."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import execute
from reconciler.clusters.simulated import Artifact, Rules
from tests.controlplane.running import ControlPlane
from tests.standin.background import Seldon
from tests.standin.background import seldon as begun

SPEED = 5.0
WITHIN = 30.0

Doctor = Callable[..., tuple[int, dict[str, Any]]]


def server(replicas: int) -> dict[str, Any]:
    return {"kind": "Server", "name": "mlserver", "spec": {"serverConfig": "mlserver", "replicas": replicas}}


def model(name: str, uri: str, memory: str) -> dict[str, Any]:
    spec = {"storageUri": uri, "requirements": ["sklearn"], "memory": memory, "replicas": 1}
    return {"kind": "Model", "name": name, "spec": spec}


@pytest.fixture
def running(seldon_kinds: ControlPlane, namespace: str) -> Iterator[Seldon]:
    """Seldon with Servers of 1M without overcommit."""
    rules = Rules(1_000_000, overcommit_percentage=0, server_autoscaling=False)
    artifacts = {"gs://broken": Artifact(fails=True), "gs://slow": Artifact(load_seconds=1000)}
    with begun(seldon_kinds, namespace, rules, artifacts, speed=SPEED) as found:
        yield found


@pytest.fixture
def doctor(running: Seldon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Runs the command; returns its exit code and its JSON."""
    for name in [name for name in os.environ if name.startswith("RECONCILER_")]:
        monkeypatch.delenv(name)
    kubeconfig = Path(running.control_plane.kubeconfig)

    def run(*arguments: str, scheduler: str = running.scheduler) -> tuple[int, dict[str, Any]]:
        where = ["--kubeconfig", str(kubeconfig), "--namespace", running.namespace]
        code = execute(
            [
                "doctor",
                "--cluster",
                "kubernetes",
                *where,
                "--seldon-scheduler",
                scheduler,
                "-o",
                "json",
                *arguments,
            ]
        )
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, told

    return run


def state(running: Seldon, name: str) -> str:
    """Returns what the object says of the model's state."""
    conditions = running.get(f"Model/{name}").get("status", {}).get("conditions", [])
    found = [str(each.get("message", "")) for each in conditions if each["type"] == "ModelReady"]
    return found[0] if found else ""


def until(running: Seldon, name: str, wanted: str) -> None:
    end = time.monotonic() + WITHIN
    while (found := state(running, name)) != wanted:
        assert time.monotonic() < end, f"{name} is {found}, not {wanted}"
        time.sleep(0.1)


def ready(running: Seldon) -> None:
    end = time.monotonic() + WITHIN
    while not running.snapshot()["servers"].get("mlserver", {}).get("replicas"):
        assert time.monotonic() < end, "no replica connected"
        time.sleep(0.1)


def hazards(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["hazard"], finding["object"]["name"]) for finding in told["findings"]]


def test_an_update_that_does_not_fit_is_named_before_and_after_and_kubectl_mends_it(
    running: Seldon, doctor: Doctor
) -> None:
    running.apply(server(1))
    ready(running)
    running.apply(model("m", "gs://m/1", "600k"))
    until(running, "m", "ModelAvailable")
    code, told = doctor()
    assert (code, hazards(told)[0]) == (4, ("no-room-for-a-second-version", "m"))
    running.apply(model("m", "gs://m/2", "600k"))
    until(running, "m", "ScheduleFailed")
    code, told = doctor()
    worst = told["findings"][0]
    assert (code, worst["hazard"], worst["severity"]) == (4, "loaded-but-off-the-air", "outage now")
    assert worst["object"] == {"kind": "Model", "name": "m", "namespace": running.namespace}
    assert "200k" in worst["consequence"]
    grow = shlex.split(worst["fixes"][0]["command"])
    assert grow[:4] == ["kubectl", "patch", "server", "mlserver"]
    running.kubectl(*grow[1:])
    until(running, "m", "ModelAvailable")
    assert all(finding["severity"] != "outage now" for finding in doctor()[1]["findings"])


def test_what_waits_although_there_is_room_is_named_and_kubectl_has_it_tried_again(
    running: Seldon, doctor: Doctor
) -> None:
    running.apply(server(1))
    ready(running)
    running.apply(model("first", "gs://first/1", "600k"))
    until(running, "first", "ModelAvailable")
    running.apply(model("late", "gs://late/1", "600k"))
    until(running, "late", "ScheduleFailed")
    running.kubectl("delete", "model", "first")
    code, told = doctor()
    assert (code, hazards(told)[0]) == (4, ("not-placed", "late"))
    again = shlex.split(told["findings"][0]["fixes"][0]["command"])
    running.kubectl(*again[1:])
    until(running, "late", "ModelAvailable")


def test_a_healthy_cluster_has_no_hazard_and_probes_leave_nothing(running: Seldon, doctor: Doctor) -> None:
    healthy = server(2)
    healthy["spec"]["minReplicas"] = 2
    running.apply(healthy)
    ready(running)
    running.apply(model("m", "gs://m/1", "300k"))
    until(running, "m", "ModelAvailable")
    end = time.monotonic() + WITHIN
    while (found := doctor("--probe", "--lock-timeout", "10s"))[0] != 0:
        assert time.monotonic() < end, found
    assert found[1]["summary"] == "No hazard found: 1 server and 1 model looked at."
    assert running.kubectl("get", "models.mlops.seldon.io", "-o", "name").split() == ["model.mlops.seldon.io/m"]


def blind(doctor: Doctor) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Asks without the scheduler; returns hazard and severity of what is said of the model `m`, and all of it."""
    _, told = doctor(scheduler="none")
    assert told["unverified"] == "Seldon's scheduler was not asked: the settings say that it is not asked"
    found = [each for each in told["findings"] if each["object"]["name"] == "m"]
    return [(each["hazard"], each["severity"]) for each in found], told


def test_without_the_scheduler_no_outage_is_claimed_of_what_an_older_version_may_answer(
    running: Seldon, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.apply(server(1))
    ready(running)
    running.apply(model("m", "gs://m/1", "100k"))
    until(running, "m", "ModelAvailable")
    assert blind(doctor)[0] == []
    running.apply(model("m", "gs://broken", "100k"))
    assert blind(doctor)[0] == [("cannot-tell", "risk")]  # it was written a moment ago
    until(running, "m", "ModelFailed")
    monkeypatch.setattr("reconciler.clusters.kubernetes.beliefs.SETTLE", 0.0)
    assert blind(doctor)[0] == [("load-failed", "risk")]
    running.apply(model("m", "gs://slow", "100k"))
    until(running, "m", "ModelProgressing")
    found, told = blind(doctor)
    assert found == [("cannot-tell", "risk")]
    assert told["summary"].endswith("looked at, unverified.")
