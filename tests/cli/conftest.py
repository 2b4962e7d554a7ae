"""A small repository and a real local cluster of one server replica, shared by the tests that need them."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import joblib
import pytest

from reconciler.cli import execute
from reconciler.clusters.local import lifecycle
from reconciler.demo.artifacts import Artifact, build
from reconciler.demo.workspace import Workspace, environment, opened

SERVER = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Server
metadata: {name: small}
spec:
  serverConfig: mlserver
  podSpec:
    containers:
      - {name: mlserver, resources: {requests: {memory: 300M}}}
      - {name: agent, env: [{name: SELDON_OVERCOMMIT_PERCENTAGE, value: "0"}]}
"""

MODEL = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Model
metadata: {{name: {name}}}
spec: {{storageUri: {uri}, requirements: [sklearn], memory: {memory}}}
"""


class Sleeper:
    """Takes its time to be unpickled, in the server that loads it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __reduce__(self) -> tuple[Callable[[float], None], tuple[float]]:
        return time.sleep, (self.seconds,)


class Slowly:
    """Unpickles as `model`, after a while."""

    def __init__(self, model: object, seconds: float) -> None:
        self.pair = (Sleeper(seconds), model)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, int]]:
        return operator.getitem, (self.pair, 1)


@dataclass
class Play:
    """The workspace, and commands run in it."""

    workspace: Workspace
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, uri: str, memory: str = "100M") -> None:
        (self.workspace.work / f"{name}.yaml").write_text(MODEL.format(name=name, uri=uri, memory=memory))

    def push(self, message: str = "a change") -> None:
        self.workspace.git("add", "--all")
        if self.workspace.git("status", "--porcelain"):
            self.workspace.push(message)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command in a process of its own, for what ends one."""
        command = [sys.executable, "-P", "-m", "reconciler", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.workspace.folder,
            env=self.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def reports(self) -> list[str]:
        """Subjects of the commits on the branch of reports, the newest first."""
        self.workspace.git("fetch", "--quiet", "--prune", "origin")
        if "origin/reconciler-reports" not in self.workspace.git("branch", "--remotes"):
            return []
        return self.workspace.git("log", "--format=%s", "origin/reconciler-reports").splitlines()

    def report(self, file: str = "latest.md") -> str:
        self.workspace.git("fetch", "--quiet", "origin")
        return self.workspace.git("show", f"origin/reconciler-reports:default/{file}")

    def data_plane(self) -> str:
        address = lifecycle.status(self.workspace.state).address
        assert address is not None
        return address.url


@pytest.fixture(scope="session")
def shared() -> Iterator[Play]:
    """A cluster that is up, serving `churn` v1 on the server `small`."""
    with opened() as workspace:
        play = Play(workspace, environment(workspace) | {"PYTHONPATH": str(Path(__file__).parents[2])})
        versions = (Artifact("churn", "v1", 4), Artifact("churn", "v2", 4), Artifact("churn", "slow", 4))
        build(workspace.artifacts, versions)
        slow = workspace.artifacts / "churn" / "slow" / "model.joblib"
        joblib.dump(Slowly(joblib.load(slow), 1.5), slow)
        lifecycle.up(workspace.state, artifacts=workspace.artifacts)
        yield play


@pytest.fixture
def play(shared: Play, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Play:
    """`shared`, brought back to its first state, for one test; commands in this process use its settings."""
    for name in [name for name in os.environ if name.startswith("RECONCILER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RECONCILER_SETTINGS", str(shared.workspace.settings))
    work = shared.workspace.work
    shared.workspace.git("rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".")
    (work / "server.yaml").write_text(SERVER)
    shared.write("churn", "churn/v1")
    shared.push("as at first")
    assert execute(["apply", "--max-deletions", "100%"]) == 0
    shared.workspace.git("push", "--quiet", "origin", "--delete", "reconciler-reports") if shared.reports() else None
    shared.workspace.report.unlink(missing_ok=True)
    capsys.readouterr()
    return shared
