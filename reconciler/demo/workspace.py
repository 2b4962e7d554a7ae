"""The throw-away folder in which the demo plays: a bare repository, a user's clone of it, artifacts, state, settings.

Whatever ends the demo, a kill included, a small process of its own cleans up: it waits for the demo's end of a pipe to
close, takes the local cluster down and removes the folder. A normal end takes the same way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from reconciler.demo import artifacts
from reconciler.settings import PREFIX

SETTINGS = """\
repo: {folder}/models.git
state: {folder}/state
cache: {folder}/cache
reportFile: {folder}/report.json
local:
  artifacts: {folder}/artifacts
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder and what is in it: `models.git` is the remote, `work` a user's clone of it.

    `lifeline` is the file descriptor that keeps the cleaner waiting. Commands are given it as well, so that cleaning
    begins only when the demo and all it started have ended.
    """

    folder: Path
    lifeline: int

    @property
    def settings(self) -> Path:
        """The settings file that every command of the demo uses."""
        return self.folder / "reconciler.yaml"

    @property
    def work(self) -> Path:
        """The clone in which manifests are edited."""
        return self.folder / "work"

    @property
    def state(self) -> Path:
        """State folder of the local cluster."""
        return self.folder / "state"

    @property
    def artifacts(self) -> Path:
        """Folder that relative storage URIs are below."""
        return self.folder / "artifacts"

    @property
    def report(self) -> Path:
        """The report of the last pass, as JSON; absent when it had nothing to do."""
        return self.folder / "report.json"

    def git(self, *arguments: str) -> str:
        """Runs git in the clone and returns what it prints."""
        options = ("-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null")
        command = ["git", "-C", str(self.work), *options, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def push(self, message: str) -> None:
        """Commits everything in the clone and pushes it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "--set-upstream", "origin", "HEAD")

    def replace(self, file: str, old: str, new: str) -> None:
        """Replaces the text `old`, which must be there, in a file of the clone."""
        path = self.work / file
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise ValueError(f"{file} does not hold {old!r}")
        path.write_text(text.replace(old, new), encoding="utf-8")


def environment(workspace: Workspace) -> dict[str, str]:
    """Returns the environment for the demo's commands: none of the user's own settings reach them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return kept | {f"{PREFIX}SETTINGS": str(workspace.settings)}


@contextmanager
def opened(*, no_color: bool = False) -> Iterator[Workspace]:
    """Makes the workspace from the example repository; at the end the local cluster is down and the folder gone.

    Args:
        no_color: whether the commands that use its settings print without colours.
    """
    folder = Path(tempfile.mkdtemp(prefix="reconciler-demo-"))
    command = [sys.executable, "-P", "-m", "reconciler.demo.cleaner", str(folder / "state"), str(folder)]
    reading, lifeline = os.pipe()
    # In a session of its own: the terminal's Ctrl-C must not reach it.
    cleaner = subprocess.Popen(command, stdin=reading, start_new_session=True)
    os.close(reading)
    try:
        workspace = Workspace(folder, lifeline)
        _fill(workspace, no_color=no_color)
        yield workspace
    finally:
        os.close(lifeline)
        cleaner.wait()


def _fill(workspace: Workspace, *, no_color: bool) -> None:
    settings = SETTINGS.format(folder=workspace.folder) + ("noColor: true\n" if no_color else "")
    workspace.settings.write_text(settings, encoding="utf-8")
    artifacts.build(workspace.artifacts)
    bare = str(workspace.folder / "models.git")
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare], check=True)
    subprocess.run(["git", "clone", "--quiet", bare, str(workspace.work)], check=True, stderr=subprocess.DEVNULL)
    workspace.git("config", "user.name", "A user")
    workspace.git("config", "user.email", "user@example.org")
    workspace.git("checkout", "--quiet", "-b", "main")
    shutil.copytree(example_repository(), workspace.work, dirs_exist_ok=True)
    workspace.push("Two servers, four models")


def example_repository() -> Path:
    """Returns the folder `examples/repo`: in the package when installed, in the source tree otherwise."""
    package = Path(str(resources.files("reconciler")))
    installed = package / "examples" / "repo"
    return installed if installed.is_dir() else package.parent / "examples" / "repo"
