"""Our side of a scenario: a Git repository, and the program in processes of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from reconciler.settings import PREFIX
from tests.kubernetes.scenarios.stage import INSTANCE, Stage
from tests.recordings.scripts import Manifests
from tests.standin.kubectl import API_VERSION

Json = dict[str, Any]

ROOT = Path(__file__).parents[3]
FILE = "manifests.yaml"

WITHIN = 100.0
"""Real seconds until a pass must have ended."""


class Checkout:
    """A Git repository with one file of manifests, made in the new folder `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("config", "user.name", "A user")
        self._git("config", "user.email", "user@example.org")

    @property
    def head(self) -> str:
        """The latest commit."""
        return self._git("rev-parse", "HEAD").strip()

    def commit(self, manifests: Manifests) -> None:
        """Commits what Git is to say from now on."""
        documents = [
            {"apiVersion": API_VERSION, "kind": ref.partition("/")[0], "metadata": {"name": ref.partition("/")[2]}}
            | {"spec": found["spec"]}
            for ref, found in manifests.objects.items()
        ]
        (self.folder / FILE).write_text(yaml.safe_dump_all(documents), encoding="utf-8")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", "What is to be served")

    def _git(self, *arguments: str) -> str:
        options = ("-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null")
        command = ["git", "-C", str(self.folder), *options, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def command(
    stage: Stage, checkout: Checkout, folder: Path, *arguments: str, kubeconfig: Path | None = None
) -> tuple[list[str], dict[str, str]]:
    """Returns the program's command line with `arguments`, and its environment.

    Args:
        folder: takes its cache. kubeconfig: the admin's if there is none.
    """
    settings = {
        "REPO": str(checkout.folder),
        "CACHE": str(folder / "cache"),
        "CLUSTER": "kubernetes",
        "KUBECONFIG": str(kubeconfig or stage.control_plane.kubeconfig),
        "NAMESPACE": stage.namespace,
        "SELDON_SCHEDULER": stage.scheduler,
        "INSTANCE": INSTANCE,
        "REPORTS_BRANCH": "",
        "OUTPUT": "json",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    ours = {f"{PREFIX}{name}": value for name, value in settings.items()}
    environment = {**kept, **ours, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HOME": str(folder)}
    return [sys.executable, "-P", "-m", "reconciler", *arguments], environment


async def started(
    stage: Stage, checkout: Checkout, folder: Path, *arguments: str, kubeconfig: Path | None = None
) -> asyncio.subprocess.Process:
    """Starts the program in a process of its own; see `command`."""
    line, environment = command(stage, checkout, folder, *arguments, kubeconfig=kubeconfig)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*line, stdout=pipe, stderr=pipe, env=environment)


class Daemon:
    """`reconciler run` in a process of its own, while the context lasts.

    Attributes:
        reports: of the passes that were told, as JSON. times: when each was told, in the stage's simulated seconds.
    """

    def __init__(self, stage: Stage, checkout: Checkout, folder: Path, *arguments: str) -> None:
        self.reports: list[Json] = []
        self.times: list[float] = []
        self._stage = stage
        self._start = started(stage, checkout, folder, "run", "--interval", "1s", *arguments)
        self._told = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._process = await self._start
        self._reading = asyncio.create_task(self._read())
        self._complaints = asyncio.create_task(self._process.stderr.read() if self._process.stderr else _nothing())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), WITHIN)
        except TimeoutError:
            self._process.kill()
            raise
        await self._reading
        if said := (await self._complaints).decode():
            print(said, file=sys.stderr)  # pytest shows it where a test fails

    async def _read(self) -> None:
        """Takes in one JSON document after the other."""
        assert self._process.stdout is not None
        text, decoder = "", json.JSONDecoder()
        while part := await self._process.stdout.read(1 << 16):
            text = (text + part.decode()).lstrip()
            while text:
                try:
                    report, end = decoder.raw_decode(text)
                except ValueError:
                    break
                text = text[end:].lstrip()
                async with self._told:
                    self.reports.append(report)
                    self.times.append(self._stage.now)
                    self._told.notify_all()
        async with self._told:
            self._told.notify_all()

    async def reported(self, commit: str) -> None:
        """Waits until a pass on `commit` was told. Raises TimeoutError, or AssertionError when the process ends."""
        async with asyncio.timeout(WITHIN), self._told:
            await self._told.wait_for(lambda: self._reading.done() or self._knows(commit))
        assert not self._reading.done(), (await self._complaints).decode()

    def _knows(self, commit: str) -> bool:
        return any(report["commit"]["hash"] == commit for report in self.reports)


async def _nothing() -> bytes:
    return b""
