"""What a schema cannot say about the spec of one object: quantities, counts that belong together, URIs."""

from __future__ import annotations

import posixpath
import re

from reconciler.errors import Problem
from reconciler.model.codec import OVERCOMMIT_VARIABLE
from reconciler.model.quantity import parse_quantity
from reconciler.repository.experiment_checks import traffic_problems
from reconciler.repository.pipeline_checks import step_problems
from reconciler.repository.subject import Subject
from reconciler.repository.wording import Path, shown
from reconciler.repository.yaml_builder import YamlList, YamlMap

_MOST_MEMORY = 10**18
_LONGEST_QUANTITY = 40
_MOST_OVERCOMMIT = 1000

_WITH_PASSWORD = re.compile(r"[a-zA-Z][\w+.-]*://[^/?#]*:[^/?#]*@|https?://[^/?#]*@")
_NAMES_A_SECRET = re.compile(
    r"(?:secret|passw|token|signature|credential|api[_-]?key|access[_-]?key|(?<![a-z])(?:sig|pass))[\w-]*=",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[a-zA-Z][\w+.-]*:")


def spec_problems(subject: Subject) -> list[Problem]:
    """Returns what is wrong with the spec of `subject`, beyond what its schema finds."""
    if subject.kind == "Experiment":
        return _repeated(subject, ("spec", "candidates"), "name") + traffic_problems(subject)
    if subject.kind == "Pipeline":
        return _repeated(subject, ("spec", "steps"), "name") + step_problems(subject)
    problems = _count_problems(subject)
    if subject.kind == "Model":
        return problems + _model_problems(subject)
    return problems + _server_problems(subject)


def _model_problems(subject: Subject) -> list[Problem]:
    problems = _quantity_problems(subject, ("spec", "memory"))
    problems += _uri_problems(subject, "storageUri") + _uri_problems(subject, "schemaUri")
    problems += _repeated(subject, ("spec", "requirements"), None) + _repeated(subject, ("spec", "parameters"), "name")
    if subject.get(YamlMap, "spec", "explainer") is not None and subject.get(YamlMap, "spec", "llm") is not None:
        what, why = "explainer and llm together", "a model is one or the other"
        problems.append(subject.problem(("spec", "llm"), what, why, "remove one of them"))
    return problems


def _server_problems(subject: Subject) -> list[Problem]:
    problems = _repeated(subject, ("spec", "capabilities"), None)
    problems += _repeated(subject, ("spec", "extraCapabilities"), None)
    containers: Path = ("spec", "podSpec", "containers")
    problems += _repeated(subject, containers, "name")
    for index in range(len(subject.get(YamlList, *containers) or ())):
        name = subject.get(str, *containers, index, "name")
        if name is not None and name == subject.get(str, "spec", "serverConfig"):
            problems += _quantity_problems(subject, (*containers, index, "resources", "requests", "memory"))
        if name == "agent":
            problems += _overcommit_problems(subject, (*containers, index, "env"))
    return problems


def _quantity_problems(subject: Subject, path: Path) -> list[Problem]:
    value = subject.get(str, *path) or subject.get(int, *path)
    if value is None:
        return []
    rule = "memory is a Kubernetes quantity of more than 0 and at most 1E bytes"
    try:
        if len(str(value)) > _LONGEST_QUANTITY:
            raise ValueError("too long")
        count = parse_quantity(value)
    except ValueError:
        return [subject.problem(path, "this is not a quantity", rule, "write for example `300M` or `1.5Gi`")]
    if 0 < count <= _MOST_MEMORY:
        return []
    what = f"{value} is not more than 0" if count <= 0 else f"{value} is more than any machine has"
    return [subject.problem(path, what, rule, "write the memory it takes, for example `300M`")]


def _count_problems(subject: Subject) -> list[Problem]:
    least, most = subject.get(int, "spec", "minReplicas"), subject.get(int, "spec", "maxReplicas")
    if least is not None and most is not None and least > most:
        what = f"minReplicas {least} is more than maxReplicas {most}"
        return [
            subject.problem(("spec", "minReplicas"), what, "no number of replicas fits both", "swap or correct them")
        ]
    replicas = subject.get(int, "spec", "replicas")
    unset = "replicas" not in (subject.get(YamlMap, "spec") or {})
    if replicas is None and not unset:
        return []
    wanted = 1 if replicas is None else replicas
    said = "replicas is not set, which means 1, and" if unset else f"replicas {wanted}"
    path: Path = ("spec", "minReplicas") if unset else ("spec", "replicas")
    if least is not None and wanted < least:
        fix = f"write `replicas: {least}` or more, or lower minReplicas"
        return [subject.problem(path, f"{said} is less than minReplicas {least}", "replicas lies between the two", fix)]
    if most is not None and wanted > most >= 1:
        fix = f"write `replicas: {most}` or less, or raise maxReplicas"
        return [subject.problem(path, f"{said} is more than maxReplicas {most}", "replicas lies between the two", fix)]
    return []


def _uri_problems(subject: Subject, field: str) -> list[Problem]:
    uri = subject.get(str, "spec", field)
    if not uri:
        return []
    path: Path = ("spec", field)
    if _WITH_PASSWORD.match(uri) or _NAMES_A_SECRET.search(uri):
        why = "whoever reads the repository, the object or a report would read it"
        fix = "put it in a Secret and name that in `secretName`; change the password, it has been in Git"
        return [subject.problem(path, "this URL holds credentials", why, fix)]
    if any(not char.isprintable() or char.isspace() for char in uri):
        return [subject.problem(path, "this holds a space or a control character", "no URL or path does", "remove it")]
    if not _SCHEME.match(uri) and not uri.startswith("/") and posixpath.normpath(uri).split("/")[0] == "..":
        why = "a relative path is below the artifact folder and may not lead out of it"
        return [
            subject.problem(path, "this path leads out of the artifact folder", why, "remove the `..` that leads out")
        ]
    return []


def _repeated(subject: Subject, path: Path, by: str | None) -> list[Problem]:
    """Returns a problem for each entry of the list at `path` that repeats an earlier one (or its field `by`)."""
    seen: dict[str, Path] = {}
    problems = []
    for index in range(len(subject.get(YamlList, *path) or ())):
        at: Path = (*path, index) if by is None else (*path, index, by)
        word = subject.get(str, *at)
        if word is None:
            continue
        first = seen.setdefault(word, at)
        if first != at:
            why = f"the first is on line {subject.line(first)}; a repeated one is a slip"
            problems.append(subject.problem(at, f"`{shown(word)}` is here twice", why, "remove one of them"))
    return problems


def _overcommit_problems(subject: Subject, path: Path) -> list[Problem]:
    for index in range(len(subject.get(YamlList, *path) or ())):
        if subject.get(str, *path, index, "name") != OVERCOMMIT_VARIABLE:
            continue
        text = subject.get(str, *path, index, "value")
        at: Path = (*path, index, "value")
        if text is None:
            why = "plans reckon with it, so it stands in the manifest"
            return [
                subject.problem(at, f"{OVERCOMMIT_VARIABLE} has no `value`", why, 'write for example `value: "10"`')
            ]
        if re.fullmatch(r"\d{1,4}", text) is None or int(text) > _MOST_OVERCOMMIT:
            why = f"it is a percentage from 0 to {_MOST_OVERCOMMIT}"
            return [
                subject.problem(at, f"{OVERCOMMIT_VARIABLE} cannot be read", why, 'write for example `value: "10"`')
            ]
    return []
