"""`reconciler plan --from REV --to REV`: from one commit to another, without any cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli import build, execute
from tests.repository.manifest_texts import model, server
from tests.repository.remotes import Remote, git

SERVER = server("small")
EXPERIMENT = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Experiment
metadata: {name: more}
spec: {default: iris, candidates: [{name: iris, weight: 1}]}
"""
BOTH = {"server.yaml": SERVER, "iris.yaml": model("iris", memory="300M")}


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


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """A remote with one commit on `main`: one server, and `iris` on it."""
    remote = Remote(tmp_path)
    remote.push(BOTH, "the first")
    return remote


Planned = Callable[..., int]


@pytest.fixture
def plan(remote: Remote) -> Planned:
    """Runs the command on the remote's work tree."""
    return lambda *arguments: execute(["plan", "--repo", str(remote.work), *arguments])


def change(remote: Remote, message: str = "a change", **files: str) -> str:
    """Commits to the branch `change` in the work tree alone, and returns the hash."""
    git(remote.work, "checkout", "--quiet", "-B", "change")
    remote.write({f"{name}.yaml": text for name, text in files.items()})
    git(remote.work, "add", "--all")
    git(remote.work, "commit", "--quiet", "-m", message)
    return git(remote.work, "rev-parse", "HEAD")


def iris_2() -> str:
    return model("iris", memory="300M", artifactVersion=2)


def test_the_plan_of_a_change_is_told_with_what_is_assumed(
    remote: Remote, plan: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    change(remote, "iris 2", iris=iris_2())
    assert plan("--from", "main") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Plan: 1 to roll out, 1 in sync" in told
    assert "(iris 2)" in told
    first = git(remote.work, "rev-parse", "main")[:8]
    assert f"Seldon Core 2 assumed, commit {first} live and whole" in told
    assert "load iris" in told


def test_the_exit_codes_are_those_of_plan(remote: Remote, plan: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan("--from", "main", "--detailed-exitcode") == 0
    assert "Nothing to do" in capsys.readouterr().out
    change(remote, iris=iris_2())
    assert plan("--from", "main", "--detailed-exitcode") == 2
    change(remote, iris=model("iris", memory="900M"))
    assert plan("--from", "main", "--detailed-exitcode") == 4


def test_to_names_the_second_commit_and_is_else_what_ref_says(
    remote: Remote, plan: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    second = change(remote, iris=iris_2())
    git(remote.work, "checkout", "--quiet", "main")
    for arguments in (["--to", "change"], ["--ref", "change"], ["--to", second, "--ref", "main"]):
        assert plan("--from", "main", "-o", "json", *arguments) == 0
        assert json.loads(capsys.readouterr().out)["commit"] == second
    assert plan("--from", "change", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["commit"] == git(remote.work, "rev-parse", "main")


@pytest.mark.parametrize("first", ["origin/main", "HEAD^", "HEAD~1", "refs/remotes/origin/main", "v1"])
def test_a_detached_clone_as_ci_makes_it_needs_no_network_and_no_branch(
    remote: Remote, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    git(remote.work, "tag", "v1")
    change(remote, iris=iris_2())
    git(remote.work, "push", "--quiet", "origin", "change", "v1")
    clone = remote.work.parent / "clone"
    git(remote.work, "clone", "--quiet", str(remote.bare), str(clone))
    git(clone, "checkout", "--quiet", "--detach", "origin/change")
    git(clone, "branch", "--quiet", "-D", "main")
    git(clone, "remote", "set-url", "origin", "https://nowhere.invalid/x.git")
    assert execute(["plan", "--repo", str(clone), "--from", first]) == 0
    assert "1 to roll out" in capsys.readouterr().out


def test_a_branch_that_only_the_remote_has_is_suggested_by_its_name_here(
    remote: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    clone = remote.work.parent / "clone"
    git(remote.work, "clone", "--quiet", str(remote.bare), str(clone))
    git(clone, "checkout", "--quiet", "--detach")
    git(clone, "branch", "--quiet", "-D", "main")
    assert execute(["plan", "--repo", str(clone), "--from", "main"]) == 1
    assert "did you mean `origin/main`?" in capsys.readouterr().err


def test_an_experiment_is_told_as_not_applied_where_the_cluster_has_none_and_the_exit_code_is_what_it_was(
    remote: Remote, plan: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    local = ("--from", "main", "--cluster", "local")
    change(remote, more=EXPERIMENT)
    assert plan(*local, "--detailed-exitcode") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Nothing to do: 2 in sync, 1 not applied" in told
    assert "not applied Experiment more more.yaml:1 this cluster has neither experiments nor pipelines" in told
    assert plan(*local, "-o", "markdown") == 0
    assert "**not applied** Experiment more" in capsys.readouterr().out


def test_an_experiment_is_carried_along_between_two_commits(
    remote: Remote, plan: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    change(remote, more=EXPERIMENT)
    assert plan("--from", "main", "--detailed-exitcode") == 2
    assert "apply Experiment/more" in capsys.readouterr().out
    remote.push({"more.yaml": EXPERIMENT, "iris.yaml": model("iris", memory="300M")}, "main has it")
    assert plan("--from", "HEAD", "--detailed-exitcode") == 0


def test_what_a_clone_forgot_of_its_remotes_is_not_remembered(remote: Remote, plan: Planned) -> None:
    assert plan("--from", "origin/main") == 0
    git(remote.work, "update-ref", "-d", "refs/remotes/origin/main")
    assert plan("--from", "origin/main") == 1


def test_markdown_tells_of_guesses_in_the_report_and_json_on_the_error_stream(
    remote: Remote, plan: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    remote.push({"other.yaml": server("other")})
    change(remote, iris=iris_2())
    assert plan("--from", "main", "-o", "markdown") == 0
    shown = capsys.readouterr()
    assert "warning: several servers could have iris" in shown.out
    assert "1 to roll out" in shown.out
    assert plan("--from", "main", "-o", "json") == 0
    shown = capsys.readouterr()
    assert "load" in [action["kind"] for action in json.loads(shown.out)["actions"]]
    assert "several servers could have iris" in shown.err


def test_a_plan_is_the_same_bytes_each_time(remote: Remote, plan: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    change(remote, iris=iris_2(), more=model("more", memory="100M"))
    told = set()
    for _ in range(2):
        assert plan("--from", "main", "-o", "json") == 0
        told.add(capsys.readouterr().out)
    assert len(told) == 1


def test_the_rules_are_seldons_unless_the_local_cluster_is_named(
    remote: Remote, plan: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    change(remote, iris=iris_2())
    assert plan("--from", "main", "--cluster", "local") == 0
    assert "a local cluster assumed" in " ".join(capsys.readouterr().out.split())
    Path("reconciler.yaml").write_text("cluster: local\n")
    assert plan("--from", "main") == 0
    assert "a local cluster assumed" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("output", ["text", "markdown", "json"])
def test_of_two_commits_the_invalid_one_is_named(
    remote: Remote, plan: Planned, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = change(remote, iris=model("iris", memory="lots"))
    assert plan("--from", "main", "--to", "change", "-o", output) == 3
    shown = capsys.readouterr()
    assert f"of commit {bad[:8]} (--to change)" in shown.err
    assert "iris.yaml:7: spec.memory" in shown.err
    assert output == "text" or f"commit {bad[:8]} " in shown.out
    assert plan("--from", "change", "--to", "main", "-o", output) == 3
    shown = capsys.readouterr()
    assert f"of commit {bad[:8]} (--from change)" in shown.err
    assert "begin at a valid commit" in shown.err
    assert plan("--from", "main", "-o", output) == 3
    assert f"of commit {bad[:8]} (what HEAD names)" in capsys.readouterr().err


def test_a_server_that_git_does_not_have_is_told_with_what_to_do(
    remote: Remote, plan: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    remote.push({"iris.yaml": model("iris", memory="300M", server="elsewhere")})
    assert plan("--from", "main") == 1
    told = capsys.readouterr().err
    assert "cannot be assumed live: no place for iris" in told
    assert "iris (iris.yaml:1): no manifest describes Server elsewhere" in told
    assert "add the Server's manifest" in told


def test_uncommitted_changes_are_warned_of_unless_both_commits_are_named(
    remote: Remote, plan: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    remote.write({"iris.yaml": iris_2()})
    assert plan("--from", "main") == 0
    assert "uncommitted" in capsys.readouterr().err
    assert plan("--from", "main", "--to", "main") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "main"], "--to without --from"),
        (["--from", ""], "--from is empty"),
        (["--from", "main", "--to", ""], "--to is empty"),
        (["--from", "main", "--out", "plan.json"], "--out with --from"),
        (["--from", "-x"], "not the name of a branch, tag or commit"),
        (["--from", "nowhere"], "no branch, tag or commit `nowhere`"),
        (["--from", "main", "--to", "nowhere"], "no branch, tag or commit `nowhere`"),
    ],
)
def test_what_makes_no_sense_is_exit_code_1(
    plan: Planned, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(*arguments) == 1
    shown = capsys.readouterr()
    assert told in shown.err
    assert "fix: " in shown.err
    assert not Path("plan.json").exists()
