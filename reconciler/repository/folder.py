"""Manifests that are not committed: a folder or file on disk, or text from a stream."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.errors import Problem, RepositoryError
from reconciler.model.manifests import DesiredState
from reconciler.repository.files import LARGEST_FILE, Entry, Kind, LinkError, choose, collect, resolve
from reconciler.repository.manifests import desired_state

_LARGEST_STREAM = 32 * 1024 * 1024


class FolderTree:
    """A folder on disk as a tree. Its top is the top of the Git repository around it, so links are bounded likewise."""

    def __init__(self, top: Path) -> None:
        self._top = top

    def entry(self, path: str) -> Entry | None:
        """Returns the entry at `path`; see `Tree`."""
        place = self._top / path
        try:
            status = place.lstat()
        except OSError:
            return None
        return Entry(path, self._kind(place, status), status.st_size)

    def below(self, folder: str) -> Sequence[Entry]:
        """Returns the entries below `folder`; hidden folders are not entered. See `Tree`."""
        entries = []
        for place, folders, files in os.walk(self._top / folder):
            inside = Path(place).relative_to(self._top).as_posix()
            inside = "" if inside == "." else inside
            for name in (*files, *folders):
                entry = self.entry(posixpath.join(inside, name))
                if entry is not None and entry.kind is not Kind.FOLDER:
                    entries.append(entry)
            folders[:] = [
                name for name in folders if not name.startswith(".") and not self._is_repository(Path(place, name))
            ]
        return sorted(entries, key=lambda entry: entry.path)

    def target(self, link: Entry) -> str:
        """Returns what a symbolic link says."""
        return str((self._top / link.path).readlink())

    def read(self, entries: Sequence[Entry]) -> Mapping[str, bytes | str]:
        """Returns the content of each entry, or why it cannot be read; see `Tree`."""
        return {entry.path: self._content(entry) for entry in entries}

    def _content(self, entry: Entry) -> bytes | str:
        try:
            with (self._top / entry.path).open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
        except OSError as error:
            return error.strerror or "the system does not say why"
        return content if len(content) <= LARGEST_FILE else f"it is larger than {LARGEST_FILE // 1024 // 1024} MiB"

    def _kind(self, place: Path, status: os.stat_result) -> Kind:
        if stat.S_ISLNK(status.st_mode):
            return Kind.LINK
        if stat.S_ISDIR(status.st_mode):
            return Kind.SUBMODULE if place != self._top and self._is_repository(place) else Kind.FOLDER
        return Kind.FILE if stat.S_ISREG(status.st_mode) else Kind.OTHER

    def _is_repository(self, place: Path) -> bool:
        return (place / ".git").exists()


def load_folder(folder: Path) -> DesiredState:
    """Returns what the manifests in `folder` (or in the one file it names) say, committed or not.

    Raises:
        ManifestsInvalid: something is wrong with them. RepositoryError: there is no such folder.
    """
    place = Path(os.path.normpath(folder.absolute()))
    if not place.exists():
        raise RepositoryError(f"there is no folder `{folder}`", why="the path does not exist", fix="correct the path")
    if place.is_file():
        return _load_file(place, str(folder))
    top = next((above for above in (place, *place.parents) if (above / ".git").exists()), place)
    tree = FolderTree(top)
    inside = place.relative_to(top).as_posix()
    try:
        entry = resolve(tree, inside)
    except LinkError as error:
        raise RepositoryError(f"`{folder}` cannot be read", why=str(error), fix="name the folder itself") from error
    inside, shown_as = "" if entry.path == "." else entry.path, "" if str(folder) == "." else folder.as_posix()
    collected = collect(tree, choose(tree, inside, shown_as))
    return desired_state(collected.files, problems=collected.problems)


def load_stream(text: bytes, name: str = "-") -> DesiredState:
    """Returns what the manifests in `text` say.

    Args:
        text: YAML documents. name: what problems call it.

    Raises:
        ManifestsInvalid: something is wrong with them.
    """
    if len(text) > _LARGEST_STREAM:
        what = f"the input is larger than {_LARGEST_STREAM // 1024 // 1024} MiB"
        problem = Problem(name, 0, "", what, "manifests are small", "pass fewer of them at a time")
        return desired_state((), problems=(problem,))
    return desired_state(((name, text),))


def _load_file(file: Path, name: str) -> DesiredState:
    tree = FolderTree(file.parent)
    content = tree.read([Entry(file.name, Kind.FILE)])[file.name]
    if isinstance(content, bytes):
        return desired_state(((name, content),))
    problem = Problem(name, 0, "", "this file cannot be read", content, "correct it, or name another file")
    return desired_state((), problems=(problem,))
