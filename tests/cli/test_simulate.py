"""`reconciler simulate`: a commit played by `kubectl apply` and by us."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reconciler.cli import build, execute
from tests.repository.manifest_texts import model, server
from tests.repository.remotes import Remote

STATE = """\
artifacts:
  models/iris/2: {loadSeconds: 9}
objects:
- kind: Server
  metadata: {name: small}
  spec: {serverConfig: mlserver, replicas: 1, podSpec: {containers: []}}
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests, and no cluster."""
    for name in [name for name in os.environ if name.startswith(("RECONCILER_", "GIT_"))]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "cluster", _no_cluster)


def _no_cluster(*_: object) -> None:
    raise AssertionError("a cluster was asked")


def iris(memory: str, artifact: int = 1) -> str:
    return model("iris", storageUri=f"models/iris/{artifact}", memory=memory)


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """Two commits on `main`: the second updates a model that does not fit beside itself."""
    remote = Remote(tmp_path)
    remote.push({"server.yaml": server("small"), "iris.yaml": iris("800M")}, "the first")
    remote.push({"server.yaml": server("small"), "iris.yaml": iris("801M")}, "the second")
    return remote


def simulate(remote: Remote, *arguments: str) -> int:
    return execute(["simulate", "--repo", str(remote.work), "--runs", "2", *arguments])


def test_a_commit_that_would_be_an_outage_is_told_in_both_ways(
    remote: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(remote, "--from", "HEAD^") == 0
    told = capsys.readouterr().out
    assert "kubectl apply: iris off the air for good" in told
    assert "reconciler: nothing off the air, no request lost" in told
    assert "blocked Model iris" in told


def test_the_detailed_exit_code_says_whether_the_plain_way_loses_something(remote: Remote) -> None:
    assert simulate(remote, "--from", "HEAD^", "--detailed-exitcode") == 2
    assert simulate(remote, "--from", "HEAD^", "--to", "HEAD^", "--detailed-exitcode") == 0


def test_rate_horizon_and_load_time_say_how_it_is_played(remote: Remote, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--rate", "7", "--horizon", "1m30s", "--load-time", "4s", "--seed", "5", "-o", "json"]
    assert simulate(remote, "--from", "HEAD^", *given) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rate"], told["horizon"], told["loadTime"], told["runs"], told["seed"]) == (7, 90, 4, 2, 5)
    assert told["plain"]["requestsLost"] == pytest.approx(7 * 90, abs=7)


def test_a_state_file_says_what_was_before_and_stays_as_it_was(
    remote: Remote, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(STATE)
    remote.push({"server.yaml": server("small"), "iris.yaml": iris("300M", 2)}, "the third")
    assert simulate(remote, "--state", str(file), "-o", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["before"] == "simulated (cluster.yaml), as it is saved"
    (model,) = told["plain"]["models"]
    assert model["firstAnswerAfter"] > 9.0  # as the file says of this artifact
    assert file.read_text() == STATE
    assert sorted(path.name for path in tmp_path.glob("cluster.yaml*")) == ["cluster.yaml"]


def test_markdown_is_for_a_comment_on_a_pull_request(remote: Remote, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(remote, "--from", "HEAD^", "-o", "markdown") == 0
    assert capsys.readouterr().out.startswith("## Commit ")


def test_a_candidate_that_comes_too_late_turns_an_experiment_off_only_where_it_is_applied_blindly(
    remote: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "apiVersion: mlops.seldon.io/v1alpha1\nkind: Experiment\nmetadata: {name: more}\n"
    candidates = "spec: {default: iris, candidates: [{name: iris, weight: 1}, {name: next, weight: 9}]}\n"
    big = model("next", memory="5G")
    remote.push({"more.yaml": head + candidates, "next.yaml": big}, "the third")
    assert simulate(remote, "--from", "HEAD^", "-o", "json") == 0
    told = json.loads(capsys.readouterr().out)
    ours = {each["model"]: each["lack"] for each in told["ours"]["missing"]}
    plain = {each["model"]: each["lack"] for each in told["plain"]["missing"]}
    assert ours["Experiment more"] == "it is not there"
    assert plain["Experiment more"].startswith("it is not ready")


def test_an_experiment_is_applied_in_both_ways(remote: Remote, capsys: pytest.CaptureFixture[str]) -> None:
    text = "apiVersion: mlops.seldon.io/v1alpha1\nkind: Experiment\nmetadata: {name: more}\n"
    remote.push({"more.yaml": text + "spec: {default: iris, candidates: [{name: iris, weight: 1}]}\n"}, "the third")
    assert simulate(remote, "--from", "HEAD^", "-o", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ours"]["missing"] == told["plain"]["missing"] == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "does not know where to begin"),
        (["--to", "HEAD"], "does not know where to begin"),
        (["--from", "HEAD^", "--cluster", "local"], "simulate with --cluster local"),
        (["--from", "HEAD^", "--cluster", "simulated"], "--from with --cluster simulated"),
        (["--from", "HEAD^", "--horizon", "soon"], "--horizon soon: not a time"),
        (["--from", "HEAD^", "--horizon", "0s"], "--horizon 0s: not between"),
        (["--from", "HEAD^", "--load-time", "10m"], "--load-time 10m: not between"),
        (["--from", "HEAD^", "--runs", "0"], "--runs"),
        (["--from", "HEAD^", "--rate", "-1"], "--rate"),
        (["--from", ""], "--from is empty"),
    ],
)
def test_what_cannot_be_played_is_said_in_three_parts(
    remote: Remote, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(remote, *arguments) == 1
    told = capsys.readouterr().err
    assert why in told
    assert "Traceback" not in told


def test_a_first_commit_that_does_not_fit_is_said_to_be_none_that_was_live(
    remote: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    remote.push({"server.yaml": server("small"), "iris.yaml": iris("3G")}, "the third")
    assert simulate(remote, "--from", "HEAD") == 1
    assert "cannot be assumed live: model iris would not be whole" in capsys.readouterr().err
