"""What a recording does, as commits that the reconciler takes to the stand-in, while requests go on.

The same changes that `scenes` makes with kubectl come by Git instead: a commit for all that is done without a pause,
then `reconciler sync`, as a CronJob would run it. It takes over the fields that kubectl wrote before. What is no
manifest (a kill, an artifact) happens as it did.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.recordings.operations import Apply, Delete, Operation, Patch, Wait
from tests.recordings.stories import MANAGED, Manifests
from tests.repository.remotes import Remote
from tests.standin.kubectl import API_VERSION
from tests.standin.scenes import Scene

ROOT = Path(__file__).parents[2]
PASS_WITHIN = 110.0
"""Real seconds."""


@dataclass(frozen=True)
class Pass:
    """One `reconciler sync`: its exit code and what it printed."""

    code: int
    output: str


class Ours:
    """A repository with the manifests of a scene, and the reconciler on them. Files go into `folder`."""

    def __init__(self, scene: Scene, folder: Path, after_steps: int = 0) -> None:
        self._scene, self._folder = scene, folder
        self._remote = Remote(folder)
        self._manifests = Manifests()
        self._files: set[str] = set()
        for _, operations in scene.recording.stages[: after_steps + 1]:
            for operation in operations:
                self._manifests.take(operation)

    def keeps(self, model: str) -> bool:
        """Returns whether Git has the model still."""
        return f"Model/{model}" in self._manifests.objects

    def adopt(self) -> Pass:
        """Commits the state before, and has it adopted."""
        return self._commit_and_sync()

    def play(self, step: int) -> list[Pass]:
        """Does by commits what the recording did in a step (1 is the first)."""
        passes: list[Pass] = []
        waiting = False
        for operation in self._scene.recording.steps[step - 1].operations:
            if isinstance(operation, Wait):
                if waiting:
                    passes.append(self._commit_and_sync())
                waiting = False
                time.sleep(operation.seconds / self._scene.speed)
            elif _by_git(operation):
                self._manifests.take(operation)
                waiting = True
            else:
                self._scene.do(operation)
        return [*passes, self._commit_and_sync()] if waiting or not passes else passes

    def sync(self) -> Pass:
        """Runs one pass on what is in Git."""
        found = self._scene.seldon
        arguments = {
            "--repo": self._remote.bare,
            "--cache": self._folder / "cache",
            "--cluster": "kubernetes",
            "--kubeconfig": found.control_plane.kubeconfig,
            "--namespace": found.namespace,
            "--seldon-scheduler": found.scheduler,
        }
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "reconciler",
                "sync",
                "--force-conflicts",
                *(str(part) for pair in arguments.items() for part in pair),
            ],
            cwd=ROOT,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=PASS_WITHIN,
        )
        return Pass(done.returncode, done.stdout + done.stderr)

    def _commit_and_sync(self) -> Pass:
        files: dict[str, str | bytes | None] = {}
        for ref, content in self._manifests.objects.items():
            kind, _, name = ref.partition("/")
            metadata = {**content["metadata"], "name": name}
            document = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": content["spec"]}
            files[f"{kind.lower()}-{name}.yaml"] = json.dumps(document, indent=2)
        self._remote.push({**dict.fromkeys(self._files - set(files)), **files})
        self._files = set(files)
        return self.sync()


def _by_git(operation: Operation) -> bool:
    match operation:
        case Apply(objects):
            return all(one["kind"] in MANAGED for one in objects)
        case Delete(ref) | Patch(ref, _):
            return ref.partition("/")[0] in MANAGED
    return False
