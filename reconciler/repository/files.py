"""Which files of a tree are manifests, and what is in them: the same rules for a commit and for a folder on disk.

Files end in `.yaml` or `.yml` (in any case); names that begin with a dot are skipped, folders too. Symbolic links are
followed inside the tree only. What would mislead in silence (a chart, a kustomization, a submodule, a link that leads
nowhere) is a problem.
"""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.errors import Problem, RepositoryError
from reconciler.model.quantity import format_bytes
from reconciler.repository.wording import shown

LARGEST_FILE = 2 * 1024 * 1024
"""Bytes of one file."""

LARGEST_TREE = 256 * 1024 * 1024
"""Bytes of all manifests together."""

MOST_FILES = 100_000
"""Files of manifests, each counted as often as links lead to it."""

_MOST_LINKED_FOLDERS = 1000
_MOST_HOPS = 40
_RENDERED = {
    "kustomization.yaml": "kustomize build",
    "kustomization.yml": "kustomize build",
    "kustomization": "kustomize build",
}
_RENDERED |= {"chart.yaml": "helm template"}


class Kind(enum.Enum):
    """What an entry of a tree is."""

    FILE = enum.auto()
    FOLDER = enum.auto()
    LINK = enum.auto()
    SUBMODULE = enum.auto()
    OTHER = enum.auto()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree: its path from the top, `/` between steps; `size` in bytes; `oid` its Git object."""

    path: str
    kind: Kind
    size: int = 0
    oid: str = ""


class Tree(Protocol):
    """A commit's tree, or a folder on disk."""

    def entry(self, path: str) -> Entry | None:
        """Returns the entry at `path` itself (no link is followed), None when there is none. The top is ``."""
        ...

    def below(self, folder: str) -> Sequence[Entry]:
        """Returns all entries below `folder` that are no folders, sorted by path; no link is followed."""
        ...

    def target(self, link: Entry) -> str:
        """Returns what a symbolic link says. Raises LinkError when no system would follow it."""
        ...

    def read(self, entries: Sequence[Entry]) -> Mapping[str, bytes | str]:
        """Returns for the path of each entry its content, or, as text, why it cannot be read."""
        ...


class LinkError(Exception):
    """A path cannot be resolved; the message says why."""


def resolve(tree: Tree, path: str) -> Entry:
    """Returns the entry that `path` leads to, links followed inside the tree.

    Raises:
        LinkError: it leads out of the tree, in a circle, or to nothing.
    """
    steps, done, hops = path.split("/")[::-1], "", 0
    while steps:
        step = steps.pop()
        if step in ("", "."):
            continue
        if step == "..":
            if not done:
                raise LinkError("it leads out of the repository")
            done = posixpath.dirname(done)
            continue
        entry = tree.entry(posixpath.join(done, step))
        if entry is None:
            raise LinkError("it leads to something that does not exist")
        if entry.kind is not Kind.LINK:
            done = entry.path
            continue
        hops += 1
        if hops > _MOST_HOPS:
            raise LinkError("it leads in a circle")
        target = tree.target(entry)
        if target.startswith("/"):
            raise LinkError("it leads out of the repository")
        steps += target.split("/")[::-1]
    found = tree.entry(done)
    if found is None:
        raise LinkError("it leads to something that does not exist")
    return found


@dataclass(slots=True)
class Chosen:
    """The manifests of a tree: the entry of each by its name, sorted, and what is wrong with others."""

    files: dict[str, Entry]
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class Collected:
    """The manifests of a tree: name and content of each file, and what is wrong with others."""

    files: list[tuple[str, bytes]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def choose(tree: Tree, folder: str, shown_as: str) -> Chosen:
    """Returns which files below `folder` are manifests.

    Args:
        tree: where. folder: path in it, a folder. shown_as: what the names of files begin with.

    Raises:
        RepositoryError: they are more than can be read.
    """
    walk = _Walk(tree)
    walk.folder(folder, shown_as, ())
    if sum(entry.size for entry in walk.chosen.values()) > LARGEST_TREE:
        raise _too_much(shown_as)
    return Chosen(dict(sorted(walk.chosen.items())), walk.problems)


def collect(tree: Tree, chosen: Chosen) -> Collected:
    """Returns what is in the files that were chosen."""
    contents = tree.read(list({entry.path: entry for entry in chosen.files.values()}.values()))
    collected = Collected(problems=list(chosen.problems))
    for name, entry in chosen.files.items():
        content = contents[entry.path]
        if isinstance(content, bytes):
            collected.files.append((name, content))
        else:
            collected.problems.append(
                Problem(name, 0, "", "this file cannot be read", content, "correct its rights, or remove it")
            )
    return collected


class _Walk:
    """Chooses the files to read; keeps what is wrong."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._linked = 0
        self.chosen: dict[str, Entry] = {}
        self.problems: list[Problem] = []

    def folder(self, folder: str, shown_as: str, within: tuple[str, ...]) -> None:
        """Adds what is below `folder`. `within` are the folders whose links led here."""
        entries = [
            (entry, below)
            for entry in self._tree.below(folder)
            if not _hidden(below := entry.path[len(folder) :].lstrip("/"))
        ]
        rendered = tuple(self._rendered(entries, shown_as))
        for entry, below in entries:
            if not posixpath.join("/", below).startswith(rendered):
                self._entry(entry, posixpath.join(shown_as, below), (*within, folder))

    def _rendered(self, entries: list[tuple[Entry, str]], shown_as: str) -> Iterator[str]:
        """Yields the folders that hold templates of another tool, and tells them as problems."""
        for _, below in entries:
            command = _RENDERED.get(posixpath.basename(below).lower())
            if command is None:
                continue
            self._problem(
                posixpath.join(shown_as, below),
                "this folder is rendered by another tool before it is applied",
                "what is in it are no manifests yet, and rendering runs code of the repository",
                f"render it (`{command}`), commit the result, and name its folder with --path",
            )
            yield posixpath.join("/", posixpath.dirname(below), "")

    def _entry(self, entry: Entry, name: str, within: tuple[str, ...]) -> None:
        if entry.kind is Kind.SUBMODULE:
            why = "a submodule is another repository, which is not read"
            self._problem(name, "a submodule stands among the manifests", why, "copy its manifests here, or remove it")
        elif entry.kind is Kind.LINK:
            self._link(entry, name, within)
        elif is_manifest(name):
            self._file(entry, name)

    def _link(self, link: Entry, name: str, within: tuple[str, ...]) -> None:
        try:
            entry = resolve(self._tree, link.path)
        except LinkError as error:
            if is_manifest(name):
                fix = "let it lead to a file of this repository, or write the file itself"
                self._problem(name, "this symbolic link cannot be followed", str(error), fix)
            return
        if entry.kind is not Kind.FOLDER:
            if is_manifest(name):
                self._file(entry, name)
            return
        above = posixpath.join(entry.path, "") if entry.path else ""
        self._linked += 1
        if link.path.startswith(above) or entry.path in within or self._linked > _MOST_LINKED_FOLDERS:
            fix = "remove the link"
            self._problem(name, "this symbolic link cannot be followed", "it leads to a folder that holds it", fix)
            return
        self.folder(entry.path, name, within)

    def _file(self, entry: Entry, name: str) -> None:
        if entry.kind is not Kind.FILE:
            self._problem(name, "this is no file", "manifests are plain files", "remove it, or move it elsewhere")
        elif not name.isprintable():
            why = "it holds bytes that are no UTF-8, or a control character"
            self._problem(shown(name), "the name of this file cannot be shown", why, "rename it")
        elif entry.size > LARGEST_FILE:
            what = f"this file is larger than {LARGEST_FILE // 1024 // 1024} MiB"
            self._problem(name, what, "manifests are small", "split it, or move it out of the manifests' folder")
        else:
            self.chosen[name] = entry
            if len(self.chosen) > MOST_FILES:
                raise _too_much(name)

    def _problem(self, name: str, what: str, why: str, fix: str) -> None:
        self.problems.append(Problem(shown(name), 0, "", what, why, fix))


def _too_much(place: str) -> RepositoryError:
    return RepositoryError(
        f"there are too many files to read at `{shown(place or '.')}`",
        why=f"at most {MOST_FILES} files of manifests, and {format_bytes(LARGEST_TREE)} of them, are read",
        fix="name the folder that holds the manifests with --path",
    )


def _hidden(path: str) -> bool:
    return path.startswith(".") or "/." in path


def is_manifest(name: str) -> bool:
    """Returns whether a file of this name is read as manifests."""
    return name.lower().endswith((".yaml", ".yml"))
