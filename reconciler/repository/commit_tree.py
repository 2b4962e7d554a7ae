"""The tree of one commit, read from Git's objects; nothing is checked out."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from functools import cached_property

from reconciler.repository.files import Entry, Kind, LinkError
from reconciler.repository.git_command import GitCommand

_LONGEST_TARGET = 4096
_KINDS = {"120000": Kind.LINK, "160000": Kind.SUBMODULE}


class MissingObjectError(Exception):
    """An object that must be in the cache is not, or is damaged."""


class CommitTree:
    """The tree of `commit`; see `Tree`.

    Args:
        git: the repository. commit: full hash.
    """

    def __init__(self, git: GitCommand, commit: str) -> None:
        self._git = git
        self._entries = dict(sorted(_listed(git.run("ls-tree", "-r", "-z", "--long", "--full-tree", commit)).items()))
        self._paths = list(self._entries)

    def entry(self, path: str) -> Entry | None:
        """Returns the entry at `path`, folders included."""
        if path in self._entries:
            return self._entries[path]
        return Entry(path, Kind.FOLDER) if not path or self.below(path) else None

    def below(self, folder: str) -> Sequence[Entry]:
        """Returns the entries below `folder`."""
        if not folder:
            return list(self._entries.values())
        # `0` follows `/` in the order of characters, so these two enclose what begins with `folder/`.
        first, last = bisect.bisect_left(self._paths, f"{folder}/"), bisect.bisect_left(self._paths, f"{folder}0")
        return [self._entries[path] for path in self._paths[first:last]]

    def target(self, link: Entry) -> str:
        """Returns what a symbolic link says. Raises LinkError when no system would follow it."""
        if link.size > _LONGEST_TARGET:
            raise LinkError("it is longer than a path can be")
        return self._targets[link.oid].decode("utf-8", "surrogateescape")

    @cached_property
    def _targets(self) -> dict[str, bytes]:
        """What all links say, read at once."""
        links = [entry for entry in self._entries.values() if entry.kind is Kind.LINK and entry.size <= _LONGEST_TARGET]
        return self._blobs(list(dict.fromkeys(link.oid for link in links)))

    def read(self, entries: Sequence[Entry]) -> Mapping[str, bytes | str]:
        """Returns the content of each entry.

        Raises:
            MissingObjectError: the repository is damaged.
        """
        blobs = self._blobs(list(dict.fromkeys(entry.oid for entry in entries)))
        return {entry.path: blobs[entry.oid] for entry in entries}

    def _blobs(self, oids: Sequence[str]) -> dict[str, bytes]:
        if not oids:
            return {}
        output = self._git.run("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in oids).encode())
        blobs: dict[str, bytes] = {}
        at = 0
        for oid in oids:
            end = output.find(b"\n", at)
            header = output[at:end].split()
            if len(header) != 3 or header[1] != b"blob":
                raise MissingObjectError(oid)
            size = int(header[2])
            blobs[oid] = output[end + 1 : end + 1 + size]
            at = end + 2 + size
        return blobs


def _listed(output: bytes) -> dict[str, Entry]:
    entries = {}
    for line in output.split(b"\0")[:-1]:
        attributes, _, name = line.partition(b"\t")
        mode, _, oid, size = attributes.decode("ascii").split()
        path = name.decode("utf-8", "surrogateescape")
        if size != "-" and not size.isdigit():
            raise MissingObjectError(oid)  # what Git writes for an object it cannot find
        entries[path] = Entry(path, _KINDS.get(mode, Kind.FILE), 0 if size == "-" else int(size), oid)
    return entries
