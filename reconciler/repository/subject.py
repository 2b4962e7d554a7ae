"""One object of a kind that is read as it stands in a file: its values, and the line of each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from reconciler.errors import Problem
from reconciler.model.manifests import Source
from reconciler.repository.wording import Path, field_name
from reconciler.repository.yaml_builder import YamlList, YamlMap

_T = TypeVar("_T")


@dataclass(slots=True)
class Subject:
    """An object to be checked.

    Attributes:
        kind: one of `documents.KINDS`. value: the object. file: its file.
        within: where in its document it stands, when that is a List.
        problems: what the reader of the YAML found.
    """

    kind: str
    value: YamlMap
    file: str
    within: Path = ()
    problems: list[Problem] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """Where it stands."""
        return Source(self.file, self.value.line)

    @property
    def name(self) -> str | None:
        """Its `metadata.name`, None when there is none that could be one."""
        return self.get(str, "metadata", "name") or None

    def get(self, kind: type[_T], *path: str | int) -> _T | None:
        """Returns the value at `path` if it is there and of type `kind` (true and false are no int), else None."""
        value: Any = self.value
        for step in path:
            if not _has(value, step):
                return None
            value = value[step]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            return None
        return value

    def line(self, path: Path) -> int:
        """Returns the line of the value at `path`, or of the innermost part of it that is there."""
        value: Any = self.value
        line = self.value.line
        for step in path:
            if not _has(value, step):
                break
            line = value.lines[step]
            value = value[step]
        return line

    def problem(self, path: Path, what: str, why: str, fix: str) -> Problem:
        """Returns a problem with the value at `path`."""
        return Problem(self.file, self.line(path), field_name((*self.within, *path)), what, why, fix)


def _has(value: object, step: str | int) -> bool:
    if isinstance(value, YamlMap):
        return step in value
    return isinstance(value, YamlList) and isinstance(step, int) and step < len(value)
