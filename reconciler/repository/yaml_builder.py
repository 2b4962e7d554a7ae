"""Builds plain values out of YAML events, with the line of every field, in one pass and within bounds.

Working on events keeps hostile input harmless: nothing is expanded (an alias shares the value it names), nothing
recurses, and duplicate keys, tags and ambiguous scalars are seen before they are lost. It knows YAML only; what a
document means is decided elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from reconciler.errors import Problem
from reconciler.repository.scalars import Reading, Value, kind_of, readings
from reconciler.repository.wording import Path, field_name, shown

DEEPEST = 50
"""Levels of maps and lists a document may have."""

MOST_ALIASED = 10_000
"""Values that aliases may add to one document."""

LONGEST_SCALAR = 256 * 1024
"""Characters of one scalar; Kubernetes itself takes no more than that in all annotations of an object."""

_MERGE = "<<"
_DROPPED = "\0"  # no key of a YAML file can be that
_TAG = "tag:yaml.org,2002:"
_READ_AS_PLAIN = {_TAG + name for name in ("int", "float", "bool", "null")}


def line_of(event: yaml.Event) -> int:
    """Returns the 1-based line on which `event` begins."""
    return 1 if event.start_mark is None else event.start_mark.line + 1


class YamlMap(dict[str, Any]):
    """A map that knows the line it begins on and the line of each key."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class YamlList(list[Any]):
    """A list that knows the line it begins on and the line of each entry."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


@dataclass(slots=True)
class Document:
    """One YAML document.

    Attributes:
        file: its file. value: what it holds; `None` for an empty one. line: 1-based line where it begins.
        problems: what is wrong with its content as YAML, and at which path; the syntax is right.
    """

    file: str
    value: Any
    line: int
    problems: list[tuple[Path, Problem]] = field(default_factory=list)


class UnreadableError(Exception):
    """The rest of the file cannot be read; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


@dataclass(slots=True)
class _Frame:
    """A map or list that is being built. `size` and `height` reckon its values and levels with aliases expanded."""

    container: YamlMap | YamlList
    anchor: str | None
    is_key: bool
    key: str | None = None
    key_line: int = 0
    size: int = 1
    height: int = 1
    merges: list[tuple[Any, int]] = field(default_factory=list)

    @property
    def wants_key(self) -> bool:
        return isinstance(self.container, YamlMap) and self.key is None


class DocumentBuilder:
    """Takes the events of one document and returns it when it is complete."""

    def __init__(self, file: str, line: int) -> None:
        self._file = file
        self._document = Document(file, None, line)
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._aliased = 0

    def take(self, event: yaml.Event) -> None:
        """Takes the next event. Raises UnreadableError when a bound is passed."""
        line = line_of(event)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin(YamlMap(line), event, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin(YamlList(line), event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, line)

    def finish(self) -> Document:
        """Returns the document."""
        return self._document

    # -- values ---------------------------------------------------------------------------------------------------

    def _begin(self, container: YamlMap | YamlList, event: yaml.CollectionStartEvent, line: int) -> None:
        if len(self._stack) >= DEEPEST:
            self._too_deep(line)
        kind = "map" if isinstance(container, YamlMap) else "seq"
        if event.tag not in (None, "!", _TAG + kind):
            self._unknown_tag(line)
        self._stack.append(_Frame(container, event.anchor, bool(self._stack) and self._stack[-1].wants_key))

    def _end(self) -> None:
        frame = self._stack.pop()
        container = frame.container
        if isinstance(container, YamlMap):
            self._merge(frame, container)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (container, frame.size, frame.height)
        if frame.is_key:
            self._key_is_no_text(kind_of(container), container.line)
        else:
            self._add(container, container.line, frame.size, frame.height)

    def _alias(self, event: yaml.AliasEvent, line: int) -> None:
        if event.anchor not in self._anchors:
            self._stop(
                line,
                "an alias (*) names an anchor (&) that is not complete before it",
                "an alias stands for a value written earlier in the same document, and never for a part of itself",
                "write the anchor first, or write the value out",
            )
        value, size, height = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MOST_ALIASED:
            self._stop(
                line,
                f"aliases add more than {MOST_ALIASED} values to this document",
                "aliases of aliases can make a small file stand for a huge one, so their use is bounded",
                "write the values out, or split the document",
            )
        if len(self._stack) + height > DEEPEST:
            self._too_deep(line)
        if self._stack and self._stack[-1].wants_key:
            self._key(value, line)
        else:
            self._add(value, line, size, height)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        is_key = bool(self._stack) and self._stack[-1].wants_key
        if is_key and event.value == _MERGE and event.implicit[0] and event.tag is None:
            self._stack[-1].key, self._stack[-1].key_line = _MERGE, line
            return
        value = self._scalar_value(event, line, is_key)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1, 0)
        if is_key:
            self._key(value, line)
        else:
            self._add(value, line, 1, 0)

    def _scalar_value(self, event: yaml.ScalarEvent, line: int, is_key: bool) -> Value:
        text: str = event.value
        if len(text) > LONGEST_SCALAR:
            self._note(
                line,
                f"this text has more than {LONGEST_SCALAR} characters",
                "no field of a manifest is that long, and Kubernetes would refuse the object",
                "keep large content in the artifact and refer to it",
            )
            return ""
        plain = event.tag is None and event.implicit[0]
        if not plain and event.tag not in _READ_AS_PLAIN:
            if event.tag not in (None, "!", _TAG + "str"):
                self._unknown_tag(line)
            return text
        old, new = readings(text)
        if plain and not old.same(new):
            self._ambiguous(old, new, text if is_key else None, line)
            return text if is_key else new.value
        if isinstance(new.value, float) and not math.isfinite(new.value):
            self._note(
                line, "this number is not finite", "JSON, which clusters speak, has no such number", "write a number"
            )
            return 0
        return new.value

    # -- putting values where they belong -------------------------------------------------------------------------

    def _add(self, value: Any, line: int, size: int, height: int) -> None:
        if not self._stack:
            self._document.value = value
            self._document.line = line
            return
        frame = self._stack[-1]
        frame.size += size
        frame.height = max(frame.height, height + 1)
        container = frame.container
        if isinstance(container, YamlList):
            container.append(value)
            container.lines.append(line)
            return
        key, frame.key = frame.key, None
        if key == _MERGE:
            frame.merges.append((value, frame.key_line))
        elif key is not None and key != _DROPPED:
            container[key] = value
            container.lines[key] = frame.key_line

    def _key(self, value: object, line: int) -> None:
        if not isinstance(value, str):
            self._key_is_no_text(kind_of(value), line)
            return
        frame = self._stack[-1]
        if isinstance(frame.container, YamlMap) and value in frame.container:
            first = frame.container.lines[value]
            self._note(
                line,
                f"`{shown(value)}` is written twice in one map",
                f"the first is on line {first}; readers disagree about which of the two counts",
                "keep one of them",
                (value,),
            )
        frame.key, frame.key_line = value, line

    def _merge(self, frame: _Frame, container: YamlMap) -> None:
        if len(frame.merges) > 1:
            self._note(
                frame.merges[1][1],
                "`<<` is written twice in one map",
                "a map has one merge key",
                "give it a list of maps",
            )
        for value, line in frame.merges:
            sources = value if isinstance(value, YamlList) else [value]
            if not all(isinstance(source, YamlMap) for source in sources):
                self._note(
                    line, "`<<` merges something that is no map", "only maps can be merged", "name a map's anchor"
                )
                continue
            for source in sources:
                for key in source.keys() - container.keys():
                    container[key] = source[key]
                    container.lines[key] = source.lines[key]

    # -- problems -------------------------------------------------------------------------------------------------

    def _key_is_no_text(self, kind: str, line: int) -> None:
        self._note(
            line, f"a key of this map is {kind}", "keys are text", "write a name, in quotes if it looks like a number"
        )
        self._stack[-1].key, self._stack[-1].key_line = _DROPPED, line

    def _ambiguous(self, old: Reading, new: Reading, key: str | None, line: int) -> None:
        subject = "this value" if key is None else f"the key `{shown(key)}`"
        # The value itself may be a secret (a parameter), so only quantities and counts are shown as read.
        named = key is not None or self._here()[-1:] in _SHOWN_FIELDS
        first, second = (old.shown, new.shown) if named else (old.kind, new.kind)
        if first == second:
            first, second = "one number", "another number"
        self._note(
            line,
            f"{subject} is not the same in all versions of YAML",
            f"YAML 1.1 reads {first}, YAML 1.2 reads {second}; which one holds depends on the tool",
            "put it in quotes if text is meant, else write it so that both agree (true, false, 8, 1000)",
            () if key is None else (key,),
        )

    def _unknown_tag(self, line: int) -> None:
        self._note(line, "a tag (!) that manifests do not have", "only plain YAML values are read", "remove the tag")

    def _too_deep(self, line: int) -> NoReturn:
        self._stop(
            line,
            f"more than {DEEPEST} levels of maps and lists",
            "no manifest is that deep, and deep nesting is a way to exhaust a reader",
            "flatten it, or move the file out of the manifests' folder",
        )

    def _stop(self, line: int, what: str, why: str, fix: str) -> NoReturn:
        raise UnreadableError(Problem(self._file, line, field_name(self._here()), what, why, fix))

    def _note(self, line: int, what: str, why: str, fix: str, below: Path = ()) -> None:
        path = (*self._here(), *below)
        self._document.problems.append((path, Problem(self._file, line, field_name(path), what, why, fix)))

    def _here(self) -> Path:
        steps: list[str | int] = []
        for frame in self._stack:
            if isinstance(frame.container, YamlList):
                steps.append(len(frame.container))
            elif frame.key is not None:
                steps.append(frame.key)
        return tuple(steps)


_SHOWN_FIELDS = {
    (name,)
    for name in (
        "memory",
        "replicas",
        "minReplicas",
        "maxReplicas",
        "artifactVersion",
        "percent",
        "name",
        "server",
        "kind",
    )
}
