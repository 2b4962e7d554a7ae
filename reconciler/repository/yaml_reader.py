"""Bytes of one file → its YAML documents, or what is wrong with them.

Messages of the YAML library are never passed on: they can hold text of the file. Each is put in our words.
"""

from __future__ import annotations

from typing import Any

import yaml

from reconciler.errors import Problem
from reconciler.repository.yaml_builder import Document, DocumentBuilder, UnreadableError, line_of

# libyaml's parser is in every wheel of PyYAML; a PyYAML built without it reads the same, ten times slower.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_IN_OUR_WORDS = (
    ("found a tab", "a tab is used where YAML wants spaces"),
    ("mapping values are not allowed", "a `key: value` stands where none can be"),
    ("found unexpected end of stream", "a quote or bracket is opened and never closed"),
    ("did not find expected ','", "a list or map in brackets is not closed, or lacks a comma"),
    ("did not find expected key", "a key is expected here; most often the indentation differs from the lines before"),
    ("did not find expected '-'", "a list and a map are mixed on one level of indentation"),
    ("could not find expected ':'", "a key without `:`"),
    ("found unknown escape", "an unknown escape (\\) in double quotes"),
    ("found undefined tag handle", "a tag (!) that the file does not define"),
    ("found character that cannot start", "a character that cannot begin a value (a tab, `@`, a backtick, `%`)"),
    ("block sequence entries are not allowed", "a list entry (-) stands where none can be"),
)


def read_documents(data: bytes, file: str) -> tuple[list[Document], list[Problem]]:
    """Returns the documents of a file and what is wrong with the file as a whole; documents before an error are kept.

    Args:
        data: the file's content. file: its name in problems.
    """
    problem = _undecodable(data, file)
    if problem is not None:
        return [], [problem]
    documents: list[Document] = []
    builder: DocumentBuilder | None = None
    try:
        for event in yaml.parse(data, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = DocumentBuilder(file, line_of(event))
            elif isinstance(event, yaml.DocumentEndEvent) and builder is not None:
                documents.append(builder.finish())
            elif builder is not None:
                builder.take(event)
    except UnreadableError as error:
        return documents, [error.problem]
    except yaml.YAMLError as error:
        return documents, [_syntax_problem(error, data, file)]
    return documents, []


def _undecodable(data: bytes, file: str) -> Problem | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem(
            file,
            data.count(b"\n", 0, error.start) + 1,
            "",
            "the file is not UTF-8 text",
            "manifests are read as UTF-8",
            "save it as UTF-8, or move it out of the manifests' folder",
        )
    nul = text.find("\0")
    if nul < 0:
        return None
    line = text.count("\n", 0, nul) + 1
    return Problem(
        file,
        line,
        "",
        "the file holds a NUL character",
        "YAML is text",
        "remove it, or move the file out of the folder",
    )


def _syntax_problem(error: yaml.YAMLError, data: bytes, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    line = 0 if mark is None else min(mark.line, data.count(b"\n")) + 1
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "")
    what = next((ours for theirs, ours in _IN_OUR_WORDS if said.startswith(theirs)), "this is not YAML")
    if "control characters" in said or "special characters" in said:
        line, what = _control_character_line(data), "a control character"
    if _indented_by_tab(data, line):
        what = "a tab is used where YAML wants spaces"
    return Problem(
        file, line, "", what, "the file cannot be read as YAML from here on", "mend the line, or the one before it"
    )


def _indented_by_tab(data: bytes, line: int) -> bool:
    lines = data.split(b"\n", line)
    return 0 < line <= len(lines) and lines[line - 1].lstrip(b" ").startswith(b"\t")


def _control_character_line(data: bytes) -> int:
    text = data.decode("utf-8")
    place = next((i for i, c in enumerate(text) if not (c.isprintable() or c in "\n\r\t\x85\u2028\u2029\ufeff\xa0")), 0)
    return text.count("\n", 0, place) + 1
