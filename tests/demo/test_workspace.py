"""The demo's workspace is a real remote with a real clone, and nothing of it is left, whatever ends the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.demo.artifacts import EXAMPLES, build, write_broken
from reconciler.demo.steps import STEPS
from reconciler.demo.workspace import Workspace, environment, example_repository, opened


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_artifacts_are_the_same_bytes_whenever_they_are_built(tmp_path: Path) -> None:
    build(tmp_path / "here")
    command = [sys.executable, "examples/make_artifacts.py", str(tmp_path / "elsewhere")]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], env=with_project(), stdout=subprocess.DEVNULL)
    assert contents(tmp_path / "here") == contents(tmp_path / "elsewhere")
    assert len(contents(tmp_path / "here")) == 2 * len(EXAMPLES)


def test_making_artifacts_without_the_project_installed_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "examples/make_artifacts.py", str(tmp_path)]
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, check=False, cwd=Path(__file__).parents[2], env=bare, capture_output=True, text=True)
    assert done.returncode == 1
    assert "fix: make setup" in done.stderr


def test_a_broken_artifact_differs_from_the_good_one_only_in_being_cut_off(tmp_path: Path) -> None:
    build(tmp_path / "good", EXAMPLES[:1])
    write_broken(tmp_path / "broken", EXAMPLES[0])
    good, broken = contents(tmp_path / "good"), contents(tmp_path / "broken")
    assert good.keys() == broken.keys()
    assert all(good[name].startswith(broken[name]) for name in good)
    assert good != broken


def test_every_step_edits_the_example_repository_and_pushes_a_commit() -> None:
    with opened() as workspace:
        head = workspace.git("rev-parse", "HEAD")
        for step in STEPS:
            step.edit(workspace)
            for command in step.git:
                workspace.git(*command)
            assert not workspace.git("status", "--porcelain"), step.name
            assert (workspace.git("rev-parse", "HEAD") != head) == (step.target is not None), step.name
            head = workspace.git("rev-parse", "HEAD")
            assert workspace.git("rev-parse", "origin/main") == head
        assert not (workspace.work / "models" / "spam.yaml").exists()
    assert not workspace.folder.exists()


def test_none_of_the_users_settings_reach_the_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECONCILER_REPO", "https://example.org/real.git")
    settings = {name: value for name, value in environment(Workspace(tmp_path, 0)).items() if "RECONCILER_" in name}
    assert settings == {"RECONCILER_SETTINGS": str(tmp_path / "reconciler.yaml")}


def test_a_demo_that_is_killed_leaves_no_folder() -> None:
    code = (
        "import time\nfrom reconciler.demo.workspace import opened\n"
        "with opened() as workspace:\n    print(workspace.folder, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=with_project()
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert folder.is_dir()
        process.send_signal(signal.SIGKILL)
    assert gone_within(folder, seconds=30)


def test_the_example_repository_is_found() -> None:
    assert (example_repository() / "servers.yaml").is_file()


def gone_within(folder: Path, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not folder.exists()


def with_project() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
