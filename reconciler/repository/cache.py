"""The cache: a bare clone of a remote repository on disk, kept current, and made anew when it is damaged.

One process at a time writes to it (a file lock beside it). It holds nothing that the remote does not: it can be deleted
at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from reconciler.errors import RepositoryError
from reconciler.repository.address import Address
from reconciler.repository.git_command import GitCommand, GitError

HEAD = "refs/reconciler/HEAD"
"""Where the cache keeps what the remote's HEAD names."""

# `HEAD*` instead of `HEAD`: a pattern that matches nothing is no error, so an empty repository can be fetched.
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", f"+HEAD*:{HEAD}*")


class Cache:
    """A bare clone of `address` in a folder of its own below `parent`.

    Args:
        parent: folder of all caches, made when it is missing. address: the remote.
        timeout: seconds that one Git command, and waiting for another process, may take.
        credentials: folder with those of the remote, None for none.
    """

    def __init__(self, parent: Path, address: Address, timeout: float, credentials: Path | None = None) -> None:
        digest = hashlib.sha256(address.location.encode()).hexdigest()[:24]
        self.folder = parent.expanduser().absolute() / digest
        self.git = GitCommand(self.folder, address, timeout, credentials)
        self._address = address
        self._timeout = timeout
        self._credentials = credentials
        self._lock = FileLock(f"{self.folder}.lock", timeout=timeout)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from writing to the cache.

        Raises:
            RepositoryError: another one did so for longer than the time limit, or the folder cannot be written.
        """
        try:
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise RepositoryError(
                f"the cache of {self._address.display} is in use",
                why=f"another process has been fetching into it for more than {self._timeout:g} s",
                fix="wait for it to end, or use another cache folder",
            ) from error
        except OSError as error:
            raise _unwritable(self.folder.parent, error) from error
        try:
            yield
        finally:
            self._lock.release()

    def made(self) -> bool:
        """Returns whether there is a clone."""
        return (self.folder / "HEAD").is_file()

    def fetch(self, refs: tuple[str, ...] = ()) -> None:
        """Brings the cache to what the remote has now; what the remote dropped is dropped.

        Args:
            refs: further refs, beyond branches, tags and HEAD.

        Raises:
            RepositoryError: the remote cannot be read.
        """
        with self.locked():
            if not self.made():
                self._clone(refs)
                return
            try:
                self._fetch_into(self.git, refs)
            except GitError as error:
                if error.timed_out:
                    raise self._unreachable(error) from error
                # Either the remote cannot be read, then this fails as well; or the cache is damaged.
                self._clone(refs)

    def renew(self, refs: tuple[str, ...] = ()) -> None:
        """Clones anew, for a cache that turned out to be damaged. Raises RepositoryError as `fetch` does."""
        with self.locked():
            self._clone(refs)

    def _clone(self, refs: tuple[str, ...]) -> None:
        """Makes a clone beside the old one and puts it into its place when it is complete."""
        fresh = self.folder.with_suffix(".new")
        git = GitCommand(fresh, self._address, self._timeout, self._credentials)
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            git.run("init", "--quiet", "--bare", "--template=")
            self._fetch_into(git, refs)
            old = self.folder.with_suffix(".old")
            shutil.rmtree(old, ignore_errors=True)
            if self.folder.exists():
                self.folder.rename(old)
            fresh.rename(self.folder)
            shutil.rmtree(old, ignore_errors=True)
        except GitError as error:
            raise self._unreachable(error) from error
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _fetch_into(self, git: GitCommand, refs: tuple[str, ...]) -> None:
        # What a killed fetch left behind is never completed.
        for leftover in (git.folder / "objects" / "pack").glob("tmp_*"):
            with contextlib.suppress(OSError):  # it only takes room
                leftover.unlink()
        options = (
            "--quiet",
            "--prune",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--update-shallow",
        )
        wanted = (*_REFS, *(f"+{ref}:{ref}" for ref in refs))
        git.run("fetch", *options, "origin", *wanted)

    def _unreachable(self, error: GitError) -> RepositoryError:
        if error.timed_out:
            return RepositoryError(
                f"{self._address.display} did not answer in time",
                why=f"fetching took more than {self._timeout:g} s and was ended",
                fix="check the network and the remote, or allow more time",
            )
        fix = f"check the address, the network and the credentials: `git ls-remote {self._address.display}` must work"
        return RepositoryError(
            f"{self._address.display} cannot be fetched", why=error.said, fix=f"{fix} without asking"
        )


def check_local(address: Address) -> None:
    """Checks that the folder of a local address is a Git repository.

    Raises:
        RepositoryError: it is not, or is not there.
    """
    folder = address.local
    if folder is None or (folder / ".git").exists() or _is_bare(folder):
        return
    what = f"`{folder}` is not a Git repository"
    if not folder.is_dir():
        raise RepositoryError(what, why="there is no such folder", fix="correct the path")
    above = next((place for place in folder.parents if (place / ".git").exists()), None)
    if above is None:
        fix = f"run `git init` there and commit the manifests, or check them with `reconciler validate {folder}`"
        raise RepositoryError(what, why="it holds no `.git` folder and is not a bare repository", fix=fix)
    fix = f"name the repository `{above}` and the path `{folder.relative_to(above)}` in it"
    raise RepositoryError(what, why=f"it is a folder inside the repository `{above}`", fix=fix)


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _unwritable(folder: Path, error: OSError) -> RepositoryError:
    return RepositoryError(
        f"the cache `{folder}` cannot be written",
        why=error.strerror or os.strerror(error.errno or 0),
        fix="make room, correct its rights, or use another cache folder",
    )
