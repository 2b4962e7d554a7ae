"""What a schema cannot say about names, labels and annotations, of all kinds alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.errors import Problem
from reconciler.model.codec import (
    CARRIED_ANNOTATIONS,
    MODEL_ANNOTATIONS,
    SERVER_ANNOTATIONS,
    carried_policy,
    model_policy,
    server_policy,
)
from reconciler.model.manifests import PREFIX
from reconciler.repository.schemas import schema
from reconciler.repository.subject import Subject
from reconciler.repository.wording import Path, a_kind, listed, nearest, shown
from reconciler.repository.yaml_builder import YamlMap

_KNOWN: dict[str, Mapping[str, Any]] = {
    "Model": MODEL_ANNOTATIONS,
    "Server": SERVER_ANNOTATIONS,
    "Experiment": CARRIED_ANNOTATIONS,
    "Pipeline": CARRIED_ANNOTATIONS,
}
_POLICY: dict[str, Callable[[Mapping[str, str]], tuple[Any, dict[str, str]]]] = {
    "Model": model_policy,
    "Server": server_policy,
    "Experiment": carried_policy,
    "Pipeline": carried_policy,
}
_OURS_ALONE = {
    "labels": {"instance": "says which reconciler owns the object"},
    "annotations": {
        "commit": "says which commit changed the object last",
        "failed": "keeps that a version failed to load",
        "rollout": "keeps how far a rollout is",
    },
}


def metadata_problems(subject: Subject) -> list[Problem]:
    """Returns what is wrong with our labels and annotations on `subject`."""
    return _reserved(subject, "labels") + _reserved(subject, "annotations") + _annotations(subject)


def annotation_texts(subject: Subject) -> dict[str, str]:
    """Returns the annotations of `subject` that are text."""
    annotations: Mapping[str, object] = subject.get(YamlMap, "metadata", "annotations") or {}
    return {name: text for name, text in annotations.items() if isinstance(text, str)}


def _reserved(subject: Subject, where: str) -> list[Problem]:
    problems = []
    for key in subject.get(YamlMap, "metadata", where) or ():
        meaning = _OURS_ALONE[where].get(key.removeprefix(PREFIX)) if key.startswith(PREFIX) else None
        path: Path = ("metadata", where, key)
        if meaning:
            what = f"`{shown(key)}` is written by the reconciler alone"
            problems.append(subject.problem(path, what, f"it {meaning}", "remove it"))
        elif where == "labels" and key.startswith(PREFIX):
            why = f"labels that begin with {PREFIX} are the reconciler's"
            problems.append(subject.problem(path, f"unknown label `{shown(key)}`", why, "rename or remove it"))
    return problems


def _annotations(subject: Subject) -> list[Problem]:
    known = _KNOWN[subject.kind]
    texts = annotation_texts(subject)
    problems = []
    for key in subject.get(YamlMap, "metadata", "annotations") or ():
        name = key.removeprefix(PREFIX)
        if key.startswith(PREFIX) and name not in known and name not in _OURS_ALONE["annotations"]:
            problems.append(_unknown(subject, key, name))
    # Texts that the schema already refuses are told apart by its own words; the codec has the last word.
    for key in _POLICY[subject.kind](texts)[1]:
        rule = schema(subject.kind)["properties"]["metadata"]["properties"]["annotations"]["properties"][key]
        example = (rule.get("examples") or rule["enum"])[0]
        path: Path = ("metadata", "annotations", key)
        fix = f"correct it, for example `{example}`" if "enum" not in rule else f"write {listed(rule['enum'])}"
        problems.append(subject.problem(path, "this cannot be read", rule["description"], fix))
    return problems


def _unknown(subject: Subject, key: str, name: str) -> Problem:
    known = _KNOWN[subject.kind]
    other = next((kind for kind, names in _KNOWN.items() if name in names and kind != subject.kind), None)
    meant = nearest(name, known)
    if other:
        why, fix = f"`{name}` is an annotation of a {other}", f"remove it, or move it to the {other}"
    else:
        why = f"{a_kind(subject.kind)} has these: {', '.join(sorted(known))}"
        fix = f"did you mean `{PREFIX}{meant}`?" if meant else "remove it"
    return subject.problem(("metadata", "annotations", key), f"unknown annotation `{shown(key)}`", why, fix)
