"""Checks across objects: the same one twice, and references to what is absent or leads in a circle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from reconciler.errors import Problem
from reconciler.repository.subject import Subject
from reconciler.repository.wording import Path, nearest, shown
from reconciler.repository.yaml_builder import YamlMap

_ROLES = ("explainer", "llm")


def duplicate_problems(subjects: Iterable[Subject]) -> list[Problem]:
    """Returns a problem for each object whose kind and name an earlier one has, by file and line."""
    first: dict[tuple[str, str], Subject] = {}
    problems = []
    for subject in sorted(subjects, key=lambda subject: (subject.file, subject.value.line)):
        if subject.name is None:
            continue
        other = first.setdefault((subject.kind, subject.name), subject)
        if other is not subject:
            problems.append(_duplicate(subject, other, subject.name))
    return problems


def reference_problems(subjects: Iterable[Subject], *, complete: bool) -> list[Problem]:
    """Returns what is wrong with the references of explainers and llms.

    Args:
        subjects: all objects. complete: whether all files could be read, so that what is not among them is absent.
    """
    models = {subject.name: subject for subject in subjects if subject.kind == "Model" and subject.name}
    pipelines = {subject.name for subject in subjects if subject.kind == "Pipeline" and subject.name}
    problems = []
    for subject in models.values():
        for role in _ROLES:
            if subject.get(YamlMap, "spec", role) is not None:
                problems += _role_problems(subject, role, models, pipelines, complete=complete)
    return problems


def _duplicate(subject: Subject, other: Subject, name: str) -> Problem:
    path: Path = ("metadata", "name")
    what = f"{subject.kind} `{shown(name)}` is also described at {other.file}:{other.line(path)}"
    if subject.get(str, "metadata", "namespace") != other.get(str, "metadata", "namespace"):
        why = f"their namespaces differ, but a scheduler knows {subject.kind.lower()}s by name alone"
    else:
        why = "one object has one manifest"
    return subject.problem(path, what, why, "remove or rename one of them")


def _role_problems(
    subject: Subject, role: str, models: Mapping[str, Subject], pipelines: Set[str], *, complete: bool
) -> list[Problem]:
    path: Path = ("spec", role)
    fields: Mapping[str, object] = subject.get(YamlMap, *path) or {}
    if ("modelRef" in fields) == ("pipelineRef" in fields):
        what = "both modelRef and pipelineRef" if "modelRef" in fields else "neither modelRef nor pipelineRef"
        why = f"an {role} belongs to exactly one"
        return [subject.problem(path, what, why, "name what it belongs to in one of them, and nothing else")]
    if pipeline := subject.get(str, *path, "pipelineRef"):
        missing = complete and pipeline not in pipelines
        return _absent(subject, (*path, "pipelineRef"), "Pipeline", pipeline, pipelines) if missing else []
    target = subject.get(str, *path, "modelRef")
    if not target:
        return []
    if target not in models:
        return _absent(subject, (*path, "modelRef"), "Model", target, models.keys()) if complete else []
    return _circle(subject, (*path, "modelRef"), models)


def _absent(subject: Subject, path: Path, kind: str, target: str, known: Set[str]) -> list[Problem]:
    word = kind.lower()
    meant = nearest(target, known - {subject.name or ""} if kind == subject.kind else known)
    fix = f"did you mean `{shown(meant)}`?" if meant else f"add the {word}'s manifest, or correct the name"
    why = f"the {word} it belongs to must be in the same repository"
    return [subject.problem(path, f"no manifest describes a {kind} `{shown(target)}`", why, fix)]


def _circle(subject: Subject, path: Path, models: Mapping[str, Subject]) -> list[Problem]:
    """Follows the references from `subject`; a way back to it is a circle, told at each of its members."""
    names = [subject.name or ""]
    current: Subject | None = subject
    while current is not None:
        target = next((ref for role in _ROLES if (ref := current.get(str, "spec", role, "modelRef"))), None)
        if target == names[0]:
            ring = " → ".join(shown(name) for name in [*names, names[0]])
            return [
                subject.problem(path, f"references in a circle: {ring}", "none of them can come first", "remove one")
            ]
        if target is None or target in names:
            return []
        names.append(target)
        current = models.get(target)
    return []
