"""Real Git repositories on disk, for tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from reconciler.repository import Repository

WHO = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.com",
}


def git(folder: Path, *arguments: str) -> str:
    """Returns the output of `git <arguments>` run in `folder`."""
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *arguments],
        check=True,
        capture_output=True,
        env=os.environ | WHO,
        timeout=30,
    )
    return done.stdout.decode("utf-8", "replace").strip()


class Remote:
    """A bare repository with a work tree to push from."""

    def __init__(self, folder: Path) -> None:
        self.bare = folder / "remote.git"
        self.work = folder / "work"
        self._folder = folder
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(folder, "init", "--quiet", "--initial-branch=main", str(self.work))
        git(self.work, "remote", "add", "origin", str(self.bare))

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Writes files into the work tree; None deletes."""
        for name, content in files.items():
            place = self.work / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                place.unlink()
            else:
                place.write_bytes(content.encode() if isinstance(content, str) else content)

    def push(self, files: Mapping[str, str | bytes | None], message: str = "a change") -> str:
        """Commits `files` and what else is in the work tree, pushes, and returns the hash."""
        self.write(files)
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "--allow-empty", "-m", message)
        git(self.work, "push", "--quiet", "--force", "origin", "HEAD")
        return git(self.work, "rev-parse", "HEAD")

    def repository(self, cache: str = "cache", *, url: str = "", ref: str | None = None, path: str = "") -> Repository:
        """Returns the repository under test, for this remote."""
        return Repository(url or str(self.bare), ref=ref, path=path, cache=self._folder / cache, timeout=20)

    def cached(self, cache: str = "cache") -> Path:
        """Returns the folder of the only clone in `cache`."""
        return next(place for place in (self._folder / cache).iterdir() if place.is_dir())
