"""YAML documents → the objects in them that are ours to read; the rest is counted or refused.

Documents of other API groups are skipped and counted. In Seldon Core's group everything that is not of a kind and a
version we know is refused: skipping it in silence could delete what it describes.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import Problem
from reconciler.repository.scalars import kind_of
from reconciler.repository.subject import Subject
from reconciler.repository.wording import Path, a_kind, listed, nearest, shown
from reconciler.repository.yaml_builder import Document, YamlList, YamlMap
from reconciler.settings import FILE_NAME

GROUP = "mlops.seldon.io"
"""API group of Seldon Core 2."""

API_VERSION = f"{GROUP}/v1alpha1"
"""The version of it that manifests are written for."""

KINDS = ("Model", "Server", "Experiment", "Pipeline")
"""Kinds that are read."""

_ELSEWHERE = "move it to a folder that is not read as manifests"
_NO_MANIFEST = "name the folder that holds nothing but manifests with --path"


@dataclass(slots=True)
class Sorted:
    """What the documents of one or more files hold: objects to check, problems, and how many were skipped."""

    subjects: list[Subject] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: int = 0


def sort_document(document: Document, into: Sorted) -> None:
    """Adds what `document` holds to `into`."""
    if document.value is not None:
        _sort_object(document.value, (), document.line, document, into)


def _sort_object(value: Any, path: Path, line: int, document: Document, into: Sorted) -> None:
    if not isinstance(value, YamlMap):
        what = f"this is {kind_of(value)}, and must be a manifest"
        why = "a manifest is a map with apiVersion, kind, metadata and spec"
        into.problems.append(
            Problem(document.file, line, "", what, why, "write one document (---) per manifest, or use `kind: List`")
        )
        return
    api, kind = value.get("apiVersion"), value.get("kind")
    if api is None and kind is None and posixpath.basename(document.file) == FILE_NAME:
        return  # the settings, in the folder from which commands are run
    if not isinstance(api, str) or not isinstance(kind, str) or not api or not kind:
        missing = "apiVersion" if not isinstance(api, str) or not api else "kind"
        what, why = f"no `{missing}` that is text", "without apiVersion and kind nobody knows what this is"
        into.problems.append(
            Problem(document.file, value.lines.get(missing, line), missing, what, why, f"add it, or {_NO_MANIFEST}")
        )
    elif (api, kind) == ("v1", "List"):
        _unroll(value, path, document, into)
    elif refusal := _refusal(api, kind):
        field_, what, why, fix = refusal
        into.problems.append(Problem(document.file, value.lines[field_], field_, what, why, fix))
    elif api != API_VERSION:
        into.skipped += 1
    else:
        found = [problem for at, problem in document.problems if at[: len(path)] == path]
        into.subjects.append(Subject(kind, value, document.file, path, found))


def _unroll(value: YamlMap, path: Path, document: Document, into: Sorted) -> None:
    items = value.get("items")
    if path:
        what, why = "a List inside a List", "manifests are looked for one level deep"
        into.problems.append(Problem(document.file, value.line, "kind", what, why, "move its items to the outer List"))
        return
    if not isinstance(items, YamlList):
        line = value.lines.get("items", value.line)
        what, why = "`items` is no list", "a List holds its manifests in `items`"
        into.problems.append(Problem(document.file, line, "items", what, why, "write the manifests below `items`"))
        return
    into.problems += [problem for at, problem in document.problems if len(at) < 2 or at[0] != "items"]
    for index, item in enumerate(items):
        _sort_object(item, ("items", index), items.lines[index], document, into)


def _refusal(api: str, kind: str) -> tuple[str, str, str, str] | None:
    """Returns field, what, why and fix when an object of this API version and kind must not be skipped or read."""
    group = api.partition("/")[0]
    if group != GROUP:
        # A mistyped group would be skipped in silence, and what is live would be taken for removed.
        if kind in KINDS and nearest(group, [GROUP]):
            fix = f"write `apiVersion: {API_VERSION}`, or {_ELSEWHERE}"
            return "apiVersion", f"`{shown(group)}` is not the group of {a_kind(kind)}", f"that is {GROUP}", fix
        return None
    if kind not in KINDS:
        meant = nearest(kind, KINDS)
        fix = f"did you mean `{meant}`?" if meant else _ELSEWHERE
        return "kind", f"unknown kind `{shown(kind)}`", f"in {GROUP} only {listed(KINDS, 'and')} are read", fix
    if api != API_VERSION:
        fix = f"write `apiVersion: {API_VERSION}`"
        return "apiVersion", f"`{shown(api)}` is a version that is not known", "manifests are read as v1alpha1", fix
    return None
