"""What the manifests of the last valid commit say, kept beside the clone, so that only files that changed are read.

A file is known by its name and its Git object. Only files with nothing wrong are kept, and only when all of them make a
valid desired state; whatever is wrong when kept and new files are put together is looked for again in all of them, with
the lines that are not kept. One set of files is kept for each folder of manifests, the last one that was read.

It is a shortcut and never a source: what cannot be read, does not match its checksum, or was kept by another version of
the checks is as good as absent, and what cannot be written is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from reconciler import __version__
from reconciler.errors import ManifestsInvalid
from reconciler.model.manifests import DesiredState
from reconciler.repository.files import Chosen, Entry, Tree, collect
from reconciler.repository.manifests import FileRead, combined, read_file
from reconciler.repository.schemas import schema_folder
from reconciler.repository.subject import Subject
from reconciler.repository.yaml_builder import YamlList, YamlMap

_MOST_FOLDERS = 8
"""Sets of files that are kept beside one clone; the oldest make way."""


_File = tuple[str, int, list[tuple[str, int, Any]]]
"""A file as it is kept: its Git object, documents skipped in it, and kind, line and value of each object."""


class SoundFiles:
    """The files of one folder of manifests in which nothing was wrong when they were read last.

    Args:
        clone: folder of the clone, in which they are kept. path: folder of manifests in the repository.
    """

    def __init__(self, clone: Path, path: str) -> None:
        self._folder = clone / "reconciler"
        self._file = self._folder / f"{hashlib.sha256(path.encode()).hexdigest()[:24]}.sound"

    def desired_state(self, tree: Tree, chosen: Chosen, commit: str) -> DesiredState:
        """Returns what the files that were chosen from `tree` say; reads those that are not known.

        Raises:
            ManifestsInvalid: something is wrong with them; carries every problem.
        """
        kept = self._load()
        known = {name: file for name, file in kept.items() if _same(file, chosen.files.get(name))}
        if known:
            with contextlib.suppress(ManifestsInvalid):
                return self._put_together(tree, chosen, commit, known, complete=len(known) == len(kept))
        return self._put_together(tree, chosen, commit, {}, complete=False)

    def _put_together(
        self, tree: Tree, chosen: Chosen, commit: str, known: Mapping[str, _File], *, complete: bool
    ) -> DesiredState:
        """Keeps what it read, unless all of it was known; `complete`: nothing else is kept."""
        unknown = {name: entry for name, entry in chosen.files.items() if name not in known}
        collected = collect(tree, Chosen(unknown, chosen.problems))
        read = {name: read_file(name, data) for name, data in collected.files}
        files = {name: _read_back(name, file) for name, file in known.items()} | read
        state = combined(files.values(), commit, collected.problems)
        if read or not complete:
            self._save(dict(known) | {name: _as_kept(chosen.files[name], file) for name, file in read.items()})
        return state

    def _load(self) -> dict[str, _File]:
        with contextlib.suppress(OSError, ValueError):
            header, _, content = self._file.read_bytes().partition(b"\n")
            if header == _header(content):
                return dict(orjson.loads(content))
        return {}

    def _save(self, files: Mapping[str, _File]) -> None:
        """Written beside and put into place, so that nobody ever reads half of it."""
        with contextlib.suppress(OSError, TypeError):  # a shortcut the less: no room, or a value that JSON cannot say
            content = orjson.dumps(files)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            number, name = tempfile.mkstemp(prefix=f"{self._file.name}.", dir=self._folder)
            with os.fdopen(number, "wb") as file:
                file.write(_header(content) + b"\n" + content)
            Path(name).replace(self._file)
            newest = sorted(self._folder.iterdir(), key=lambda place: place.stat().st_mtime, reverse=True)
            for old in newest[_MOST_FOLDERS:]:
                old.unlink(missing_ok=True)


def _same(file: _File, entry: Entry | None) -> bool:
    return entry is not None and file[0] == entry.oid


def _as_kept(entry: Entry, file: FileRead) -> _File:
    return entry.oid, file.skipped, [(s.kind, s.value.line, s.value) for s in file.subjects]


def _read_back(name: str, file: _File) -> FileRead:
    _, skipped, objects = file
    return FileRead([Subject(kind, _with_line(value, line), name) for kind, line, value in objects], skipped)


_NESTED = (dict, list)


def _with_line(value: Any, line: int) -> Any:
    """Returns `value` as the reader of YAML would, but for its lines: all of them are that of the whole."""
    if isinstance(value, dict):
        made = YamlMap(line)
        made.update(value)
        for key, item in value.items():
            if type(item) in _NESTED:
                made[key] = _with_line(item, line)
        made.lines = dict.fromkeys(value, line)
        return made
    items = YamlList(line)
    items += [_with_line(item, line) if type(item) in _NESTED else item for item in value]
    items.lines = [line] * len(value)
    return items


def _header(content: bytes) -> bytes:
    """Says which checks were passed, and what the content must be."""
    return f"{_checks()} {hashlib.blake2b(content, digest_size=16).hexdigest()}".encode()


@cache
def _checks() -> str:
    """Identifies everything that says what is wrong with a file: this package's readers, checks and schemas."""
    package = Path(__file__).parents[1]
    sources = [*package.glob("repository/*.py"), *package.glob("model/*.py"), *schema_folder().iterdir()]
    digest = hashlib.blake2b(__version__.encode(), digest_size=16)
    for source in sorted(sources):
        digest.update(source.read_bytes())
    return digest.hexdigest()
