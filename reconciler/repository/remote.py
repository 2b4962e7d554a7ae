"""A Git repository of manifests: fetched into a cache, read commit by commit, and written to by branch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from reconciler.errors import RepositoryError
from reconciler.model.manifests import DesiredState
from reconciler.repository.address import check_folder, check_ref, parse_address
from reconciler.repository.cache import HEAD, Cache, check_local
from reconciler.repository.commit_tree import CommitTree, MissingObjectError
from reconciler.repository.files import Entry, Kind, LinkError, choose, is_manifest, resolve
from reconciler.repository.git_command import GitCommand, GitError
from reconciler.repository.publishing import Publisher
from reconciler.repository.sound_files import SoundFiles
from reconciler.repository.wording import nearest, shown

_T = TypeVar("_T")

_OF_REMOTES = "refs/remotes/"
"""Where a clone keeps what its remotes had when it last fetched."""


class Repository:
    """A repository at a URL or a path.

    Args:
        url: https, http, ssh, git or file URL, `user@host:path`, or a path (a bare repository or a work tree, of which
            what is committed is read). Credentials in it are used and never shown.
        ref: branch, tag or commit; the branch that the remote's HEAD names unless given.
        also: others that will be asked for by name.
        path: folder in the repository that holds the manifests; all of it unless given.
        cache: folder for clones. timeout: seconds that one Git command may take.
        credentials: folder with files that let in, see `reconciler.repository.credentials`; None for none.

    Raises:
        RepositoryError: `url`, `ref`, `also` or `path` cannot be given to Git safely.
    """

    def __init__(
        self,
        url: str,
        *,
        ref: str | None = None,
        also: Sequence[str] = (),
        path: str = "",
        cache: Path,
        timeout: float = 120,
        credentials: Path | None = None,
    ) -> None:
        self._address = parse_address(url)
        self._ref = None if ref is None else check_ref(ref)
        self._also = tuple(check_ref(rev) for rev in also)
        self._path = check_folder(path)
        self._cache = Cache(cache, self._address, timeout, credentials)

    def __repr__(self) -> str:
        return f"Repository({self.display_url!r}, ref={self._ref!r}, path={self._path!r})"

    @property
    def display_url(self) -> str:
        """The address as it may be shown: without credentials."""
        return self._address.display

    def uncommitted(self) -> tuple[str, ...]:
        """Returns the manifests in the work tree that are not as committed, sorted; none if it has no work tree here.

        A hint for people, so that whatever keeps Git from answering counts as none.
        """
        folder = self._address.local
        if folder is None or not (folder / ".git").exists():
            return ()
        git = GitCommand(folder / ".git", self._address, timeout=10)
        options = ("--no-optional-locks", f"--work-tree={folder}", "status", "--porcelain", "-z")
        try:
            said = git.run(*options, "--no-renames", "--untracked-files=all", "--", self._path or ".")
        except GitError:
            return ()
        names = (entry[3:] for entry in said.decode("utf-8", "replace").split("\0") if entry)
        return tuple(sorted(name for name in names if is_manifest(name)))

    def fetch(self) -> None:
        """Brings the cache to what the remote has now. One process at a time; a damaged cache is made anew.

        Raises:
            RepositoryError: the remote cannot be read, or not within the time limit.
        """
        check_local(self._address)
        self._cache.fetch(self._further_refs())

    def commit(self, rev: str | None = None) -> str:
        """Returns the full hash of `rev` (the repository's ref unless given), as of the last fetch.

        Raises:
            RepositoryError: there is no such branch, tag or commit.
        """
        wanted = self._ref if rev is None else check_ref(rev)
        return self._reading(lambda: self._resolved(wanted))

    def desired_state(self, rev: str | None = None) -> DesiredState:
        """Returns what the manifests of `rev` (the repository's ref unless given) say, as of the last fetch.

        Raises:
            ManifestsInvalid: something is wrong with them; carries every problem.
            RepositoryError: there is no such commit, or no such folder in it.
        """
        wanted = self._ref if rev is None else check_ref(rev)
        return self._reading(lambda: self._desired_state(self._resolved(wanted)))

    def subject(self, rev: str | None = None) -> str:
        """Returns the subject line of `rev`. Raises as `commit` does."""
        commit = self.commit(rev)
        return shown(self._reading(lambda: self._git("show", "--no-patch", "--no-notes", "--format=%s", commit)))

    def read(self, branch: str, file: str) -> bytes | None:
        """Returns the content of `file` on `branch`, None when there is none, as of the last fetch or publish.

        Raises:
            RepositoryError: the repository cannot be read, or a name is not safe.
        """
        tree = self._branch_tree(branch)
        entry = tree.entry(check_folder(file)) if tree is not None else None
        if tree is None or entry is None or entry.kind is not Kind.FILE:
            return None
        content = tree.read([entry])[entry.path]
        return content if isinstance(content, bytes) else None

    def list(self, branch: str, folder: str) -> tuple[str, ...]:
        """Returns the paths of all files below `folder` on `branch`, sorted, as of the last fetch or publish.

        Raises:
            RepositoryError: the repository cannot be read, or a name is not safe.
        """
        tree = self._branch_tree(branch)
        return () if tree is None else tuple(entry.path for entry in tree.below(check_folder(folder)))

    def publish(self, branch: str, files: Mapping[str, bytes | None], message: str, *, retries: int = 5) -> str:
        """Commits `files` to `branch` of the remote and pushes it; other files on the branch stay.

        Args:
            branch: made without history when it does not exist. files: content by path; None deletes.
            message: of the commit. retries: how often to start over when the branch moved meanwhile.

        Returns:
            The hash of the branch's head; nothing is pushed when it already holds these contents.

        Raises:
            ReportError: it cannot be written or pushed.
        """
        return Publisher(self._cache, self._address, self._further_refs()).publish(branch, files, message, retries)

    def _resolved(self, wanted: str | None) -> str:
        for name in _names(wanted):
            try:
                return self._git("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
            except GitError:
                continue
        raise self._no_such_commit(wanted)

    def _desired_state(self, commit: str) -> DesiredState:
        tree = CommitTree(self._cache.git, commit)
        try:
            entry: Entry | None = resolve(tree, self._path)
        except LinkError:
            entry = None
        if entry is None or entry.kind is not Kind.FOLDER:
            raise self._no_such_folder(commit, is_file=entry is not None)
        return SoundFiles(self._cache.folder, self._path).desired_state(
            tree, choose(tree, entry.path, self._path), commit
        )

    def _branch_tree(self, branch: str) -> CommitTree | None:
        name = f"refs/heads/{check_ref(branch)}"
        heads = self._reading(lambda: self._git("for-each-ref", "--format=%(objectname)", name)).split()
        return self._reading(lambda: CommitTree(self._cache.git, heads[0])) if heads else None

    def _reading(self, read: Callable[[], _T]) -> _T:
        """Returns what `read` returns; when the cache turns out to be damaged, makes it anew and reads again."""
        if not self._cache.made():
            self.fetch()
        try:
            return read()
        except (GitError, MissingObjectError):
            self._cache.renew(self._further_refs())
        try:
            return read()
        except (GitError, MissingObjectError) as error:
            raise RepositoryError(
                f"{self.display_url} is damaged",
                why="objects that its commits name are missing, in a new clone as well",
                fix="run `git fsck` in the repository, and push again from a sound clone",
            ) from error

    def _git(self, *arguments: str) -> str:
        return self._cache.git.text(*arguments)

    def _further_refs(self) -> tuple[str, ...]:
        # Such as refs/pull/7/head: not among branches and tags, so it is asked for by name.
        named = tuple(dict.fromkeys(filter(None, (self._ref, *self._also))))
        fetched = ("refs/heads/", "refs/tags/", _OF_REMOTES)
        refs = tuple(ref for ref in named if ref.startswith("refs/") and not ref.startswith(fetched))
        # In a clone on this machine `origin/main` is what people say, and often all that CI has. Always the pattern, so
        # that the cache never answers with what such a name meant at an earlier fetch.
        return (*refs, f"{_OF_REMOTES}*") if named and self._address.local else refs

    def _no_such_commit(self, wanted: str | None) -> RepositoryError:
        refs = self._git("for-each-ref", "--format=%(refname)").split()
        if any(name in refs for name in _names(wanted)):
            raise MissingObjectError(wanted)
        branches = [ref.removeprefix("refs/heads/") for ref in refs if ref.startswith("refs/heads/")]
        branches += [ref.removeprefix(_OF_REMOTES) for ref in refs if ref.startswith(_OF_REMOTES)]
        if not branches and HEAD not in refs:
            fix = "commit the manifests and push them"
            return RepositoryError(
                f"{self.display_url} has no commits", why="no branch has been pushed to it yet", fix=fix
            )
        if wanted is None:
            why = "its HEAD names a branch that does not exist"
            fix = f"name the branch with --ref; there are {', '.join(branches[:5])}"
            return RepositoryError(f"{self.display_url} has no default branch", why=why, fix=fix)
        meant = next((name for name in branches if name.endswith(f"/{wanted}")), None) or nearest(wanted, branches)
        what = f"there is no branch, tag or commit `{wanted}` in {self.display_url}"
        if self._git("rev-parse", "--is-shallow-repository") == "true":
            why = "the repository is a shallow clone, which lacks most of its history"
            return RepositoryError(
                what, why=why, fix="make the clone complete: `git fetch --unshallow` (fetch-depth: 0 in CI)"
            )
        why = "it was deleted, renamed or rewritten, or never pushed"
        fix = (
            f"did you mean `{meant}`?" if meant else f"there are {', '.join(branches[:5]) or 'no branches, only HEAD'}"
        )
        return RepositoryError(what, why=why, fix=fix)

    def _no_such_folder(self, commit: str, *, is_file: bool) -> RepositoryError:
        if is_file:
            what, why = f"`{self._path}` is a file", "manifests are read from a folder"
            return RepositoryError(what, why=why, fix="name the folder that holds it")
        why = f"commit {commit[:12]} of {self.display_url} has no such folder inside it"
        return RepositoryError(
            f"there is no folder `{self._path}`", why=why, fix="correct the path, or push the folder"
        )


def _names(ref: str | None) -> list[str]:
    """Returns what Git may know `ref` as, the likeliest first: a branch before a tag of the same name."""
    if ref is None:
        return [HEAD]
    if ref == "HEAD" or ref.startswith(("HEAD~", "HEAD^")):
        return [HEAD + ref.removeprefix("HEAD")]
    return [ref] if ref.startswith("refs/") else [f"refs/heads/{ref}", f"refs/tags/{ref}", ref]
