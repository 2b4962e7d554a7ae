"""The commands on a simulated cluster: the same repository, reports and exit codes, and a file instead of a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reconciler.cli import execute
from reconciler.clusters.simulated.state import StateFile
from tests.repository.remotes import Remote, git

ROOT = Path(__file__).parents[2]
RULES = """\
rules: {serverAutoscaling: true}
artifacts:
  gs://iris/slow: {loadSeconds: 30}
  gs://iris/broken: {fails: true}
"""
SERVER = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Server
metadata: {name: main}
spec: {serverConfig: mlserver, replicas: 2, minReplicas: 2}
"""
MODEL = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Model
metadata: {{name: iris}}
spec: {{storageUri: "gs://iris/{version}", requirements: [sklearn], memory: 600M, replicas: 2}}
"""

KILLED = """\
import os, sys
from reconciler.cli import execute
from reconciler.clusters.simulated.client import SimulatedCluster
left, perform = int(sys.argv[1]), SimulatedCluster.perform
async def mortal(self, action):
    global left
    if not left:
        os._exit(137)
    left -= 1
    await perform(self, action)
SimulatedCluster.perform = mortal
sys.exit(execute(sys.argv[2:]))
"""

Run = Callable[..., int]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith(("RECONCILER_", "GIT_"))]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name, value in {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ann@example.com")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """A remote whose first commit is one server, and `iris` v1 on both its replicas."""
    remote = Remote(tmp_path)
    remote.push({"server.yaml": SERVER, "iris.yaml": MODEL.format(version="v1")}, "the first")
    return remote


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state file of a cluster that is empty yet."""
    path = tmp_path / "cluster.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def run(remote: Remote, state: Path) -> Run:
    return lambda command, *arguments: execute([command, "--repo", str(remote.bare), "--state", str(state), *arguments])


def push(remote: Remote, version: str) -> None:
    remote.push({"iris.yaml": MODEL.format(version=version)}, f"iris {version}")


def serving(state: Path) -> list[str]:
    answers = StateFile(state).read().simulation.answers("iris")
    return sorted(who[0] if isinstance(who, tuple) else str(who) for who in answers)


def test_apply_fills_an_empty_cluster_and_the_next_plan_has_nothing_to_do(run: Run, state: Path) -> None:
    assert run("plan", "--detailed-exitcode") == 2
    assert state.read_text() == RULES
    assert run("apply") == 0
    assert serving(state) == ["gs://iris/v1"] * 2
    before = state.read_bytes()
    assert run("plan", "--detailed-exitcode") == 0
    assert state.read_bytes() == before


def test_an_update_without_room_beside_is_done_stepped_and_reported_to_git(
    run: Run, remote: Remote, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("apply") == 0
    push(remote, "slow")
    capsys.readouterr()
    assert run("plan", "-o", "json") == 0
    kinds = [action["kind"] for action in json.loads(capsys.readouterr().out)["actions"]]
    assert kinds.count("change") == 2
    began = StateFile(state).read().simulation.now
    assert run("sync") == 0
    assert serving(state) == ["gs://iris/slow"] * 2
    assert StateFile(state).read().simulation.now > began + 60
    report = git(remote.bare, "show", "reconciler-reports:default/latest.md")
    assert "simulated (cluster.yaml)" in report


def test_a_version_that_fails_to_load_leaves_the_old_one_whole(run: Run, remote: Remote, state: Path) -> None:
    assert run("apply") == 0
    push(remote, "broken")
    assert run("apply") == 5
    assert run("apply") == 5
    assert set(serving(state)) == {"gs://iris/v1"}


def test_a_process_killed_before_any_write_is_continued_by_the_next_command(
    run: Run, remote: Remote, state: Path
) -> None:
    assert run("apply") == 0
    push(remote, "slow")
    first = state.read_bytes()
    writes = 0
    while True:
        state.write_bytes(first)
        if _killed(writes, "apply", "--repo", str(remote.bare), "--state", str(state)) != 137:
            break
        assert serving(state), f"killed before write {writes}"
        assert "404" not in serving(state), f"killed before write {writes}"
        assert run("apply") == 0
        assert serving(state) == ["gs://iris/slow"] * 2, f"killed before write {writes}"
        writes += 1
    assert writes >= 4


def _killed(writes: int, *arguments: str) -> int:
    command: Sequence[str] = [sys.executable, "-c", KILLED, str(writes), *arguments]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environ, capture_output=True, check=False, timeout=60).returncode


def test_status_shows_it_and_json_is_json(run: Run, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("apply") == 0
    capsys.readouterr()
    assert execute(["status", "--state", str(state), "-o", "json"]) == 0
    assert [model["name"] for model in json.loads(capsys.readouterr().out)["models"]] == ["iris"]


def test_the_cluster_is_named_by_flag_variable_or_by_a_state_that_is_a_file(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECONCILER_STATE", str(state))
    assert execute(["status"]) == 0
    assert execute(["status", "--cluster", "simulated"]) == 0
    assert execute(["status", "--cluster", "local"]) == 1
    assert "the local cluster" in capsys.readouterr().err


def test_a_state_file_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["status", "--cluster", "simulated", "--state", "nowhere.yaml"]) == 1
    assert "nowhere.yaml cannot be read" in capsys.readouterr().err


def test_a_plan_between_commits_asks_no_simulated_cluster(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "--from", "main") == 1
    assert "--from with --state" in capsys.readouterr().err


def test_a_state_file_with_mistakes_is_told_with_the_way_out(
    run: Run, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state.write_text("rules: {colour: red}\n")
    assert run("plan") == 1
    told = capsys.readouterr().err
    assert "colour" in told
    assert "simulated-state.schema.json" in told


def test_a_plan_tells_of_invalid_manifests_though_the_cluster_does_not_answer_either(
    run: Run, remote: Remote, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remote.push({"iris.yaml": "kind: ["}, "broken")
    state.write_text("nothing: of the kind")
    assert run("plan") == 3
    told = capsys.readouterr().err
    assert "1 problem in the manifests" in told
    assert "never retrieved" not in told
