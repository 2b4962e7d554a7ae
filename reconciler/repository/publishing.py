"""Writes files to a branch of the remote, without a work tree, and again when somebody else was faster."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

from reconciler.errors import ReportError, RepositoryError
from reconciler.repository.address import Address, check_folder, check_ref
from reconciler.repository.cache import Cache, check_local
from reconciler.repository.git_command import GitError

_SCRATCH = "refs/reconciler/publish"
_NOBODY = "model-reconciler"


class Publisher:
    """Publishes to `address` by way of `cache`.

    Args:
        cache: clone of the remote. address: the remote.
        refs: further refs that the cache keeps. sleep: waits between tries, seconds.
    """

    def __init__(
        self, cache: Cache, address: Address, refs: tuple[str, ...], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._cache = cache
        self._git = cache.git
        self._address = address
        self._refs = refs
        self._sleep = sleep

    def publish(self, branch: str, files: Mapping[str, bytes | None], message: str, retries: int) -> str:
        """See `Repository.publish`."""
        try:
            ref = f"refs/heads/{check_ref(branch)}"
            contents = {_file_path(path): content for path, content in files.items()}
            check_local(self._address)
            if not self._cache.made():
                self._cache.fetch(self._refs)
            return self._try_until_pushed(ref, contents, message, retries)
        except RepositoryError as error:
            raise ReportError(
                f"branch `{branch}` of {self._address.display} cannot be written",
                why=f"{error}: {error.why}",
                fix=error.fix,
            ) from error

    def _try_until_pushed(self, ref: str, files: Mapping[str, bytes | None], message: str, retries: int) -> str:
        heads: list[str | None] = []
        for attempt in range(retries + 1):
            if attempt:
                # Others that were refused at the same moment must not come back at the same moment.
                self._sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 (no secret depends on it)
                self._cache.fetch(self._refs)
            try:
                return self._push_or_leave(ref, files, message)
            except GitError as error:
                refused = error
                heads.append(self._hash(ref))
                if error.timed_out or heads[-3:] == [heads[-1]] * 3:
                    break  # the branch stands still, so nobody was faster: it is something else
        raise ReportError(
            f"branch `{ref.removeprefix('refs/heads/')}` of {self._address.display} cannot be pushed",
            why=refused.said,
            fix="check the right to push, branch protection and hooks of the remote",
        ) from refused

    def _push_or_leave(self, ref: str, files: Mapping[str, bytes | None], message: str) -> str:
        with self._cache.locked():
            commit = self._push(ref, files, message)
        if commit is not None:
            return commit
        # What the cache knows may be old: only the remote can say that there is nothing to do.
        self._cache.fetch(self._refs)
        with self._cache.locked():
            return self._push(ref, files, message) or self._hash(ref) or ""

    def _push(self, ref: str, files: Mapping[str, bytes | None], message: str) -> str | None:
        """Returns the hash of what was pushed, None when the branch, as far as the cache knows, holds it already."""
        parent = self._hash(ref)
        commit = self._commit(parent, files, message)
        tree = self._hash(f"{commit}^{{tree}}")
        nothing = (
            tree == self._hash(f"{parent}^{{tree}}") if parent else all(content is None for content in files.values())
        )
        if nothing:
            return None
        # The lease holds only while the remote's head is the commit that this one follows.
        lease = f"--force-with-lease={ref}:{parent or ''}"
        self._git.run("push", "--quiet", "--no-verify", lease, "origin", f"{commit}:{ref}")
        self._git.run("update-ref", ref, commit)
        return commit

    def _commit(self, parent: str | None, files: Mapping[str, bytes | None], message: str) -> str:
        """Writes the commit into the cache and returns its hash."""
        who = f"{self._configured('name') or _NOBODY} <{self._configured('email') or f'{_NOBODY}@localhost'}>"
        text = message.encode()
        stream = [
            f"commit {_SCRATCH}\nmark :1\nauthor {who} now\ncommitter {who} now\ndata {len(text)}\n".encode(),
            text,
            b"\n",
        ]
        if parent:
            stream.append(f"from {parent}\n".encode())
        for path, content in sorted(files.items()):
            if content is None:
                stream.append(f"D {path}\n".encode())
            else:
                stream += [f"M 100644 inline {path}\ndata {len(content)}\n".encode(), content, b"\n"]
        stream.append(b"get-mark :1\ndone\n")
        return self._git.text(
            "fast-import", "--quiet", "--force", "--done", "--date-format=now", stdin=b"".join(stream)
        )

    def _hash(self, name: str) -> str | None:
        try:
            return self._git.text("rev-parse", "--quiet", "--verify", name)
        except GitError:
            return None

    def _configured(self, key: str) -> str:
        try:
            value = self._git.text("config", "--get", f"user.{key}")
        except GitError:
            return ""
        return "".join(char for char in value if char.isprintable() and char not in "<>").strip()


def _file_path(path: str) -> str:
    clean = check_folder(path)
    if not clean or clean != path or clean.startswith('"') or any(step.lower() == ".git" for step in clean.split("/")):
        raise RepositoryError(f"`{path}` cannot be the path of a file", why="Git would not take it", fix="rename it")
    return clean
