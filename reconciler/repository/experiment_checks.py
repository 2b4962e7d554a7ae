"""What a schema cannot say about Experiments: weights, the default, and the models that they name.

Why each rule: docs/seldon.md, "Experiments".
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.errors import Problem
from reconciler.model.experiments import ResourceType
from reconciler.repository.subject import Subject
from reconciler.repository.wording import Path, nearest, shown
from reconciler.repository.yaml_builder import YamlList

_CANDIDATES: Path = ("spec", "candidates")


def traffic_problems(subject: Subject) -> list[Problem]:
    """Returns what is wrong with the weights and the default of one Experiment."""
    problems = []
    count = len(subject.get(YamlList, *_CANDIDATES) or ())
    weights = [subject.get(int, *_CANDIDATES, index, "weight") for index in range(count)]
    if weights and not any(weight is None or weight > 0 for weight in weights):
        why = "that would freeze every route of the cluster: whatever is loaded next gets 404 until it is repaired"
        fix = "give one candidate a weight of more than 0, or remove the experiment"
        problems.append(subject.problem(_CANDIDATES, "all weights are 0", why, fix))
    default, names = subject.get(str, "spec", "default"), _candidates(subject)
    if default and names and None not in names and default not in names:
        meant = nearest(default, filter(None, names))
        what = f"the default `{shown(default)}` is not among the candidates"
        why = "the cluster refuses that without a word, and says that all is well"
        fix = f"did you mean `{shown(meant)}`?" if meant else "add it to `candidates`, or name one of those"
        problems.append(subject.problem(("spec", "default"), what, why, fix))
    return problems


def experiment_problems(subjects: Iterable[Subject], *, complete: bool) -> list[Problem]:
    """Returns what is wrong with Experiments as seen beside the other objects.

    Args:
        subjects: all objects. complete: whether all files could be read, so that what is not among them is absent.
    """
    found = sorted((s for s in subjects if s.kind == "Experiment"), key=lambda subject: subject.source)
    models = {subject.name for subject in subjects if subject.kind == "Model" and subject.name}
    problems = _shared_defaults(found)
    for subject in found if complete else ():
        if _resource_type(subject) == ResourceType.MODEL:
            problems += [p for path in _references(subject) for p in _absent(subject, path, models)]
    return problems


def _shared_defaults(subjects: list[Subject]) -> list[Problem]:
    """Two experiments would both take over the route of their common default."""
    first: dict[tuple[str, str], Subject] = {}
    problems = []
    for subject in subjects:
        default = subject.get(str, "spec", "default")
        if not default:
            continue
        other = first.setdefault((_resource_type(subject), default), subject)
        if other is not subject:
            path: Path = ("spec", "default")
            what = f"`{shown(default)}` is the default of an Experiment at {other.file}:{other.line(path)} as well"
            why = "an experiment takes over the route of its default, and a route has one owner"
            problems.append(subject.problem(path, what, why, "put all candidates into one of them, or remove one"))
    return problems


def _absent(subject: Subject, path: Path, models: set[str]) -> list[Problem]:
    target = subject.get(str, *path)
    if not target or target in models:
        return []
    meant = nearest(target, models)
    fix = f"did you mean `{shown(meant)}`?" if meant else "add the model's manifest, or take it out of the experiment"
    why = "a model that is missing turns the experiment off, so its manifest must be in the same repository"
    return [subject.problem(path, f"no manifest describes a Model `{shown(target)}`", why, fix)]


def _references(subject: Subject) -> list[Path]:
    """Where it names models; its default is one of the candidates, and is not told of twice."""
    count = len(subject.get(YamlList, *_CANDIDATES) or ())
    return [*((*_CANDIDATES, index, "name") for index in range(count)), ("spec", "mirror", "name")]


def _candidates(subject: Subject) -> list[str | None]:
    count = len(subject.get(YamlList, *_CANDIDATES) or ())
    return [subject.get(str, *_CANDIDATES, index, "name") for index in range(count)]


def _resource_type(subject: Subject) -> str:
    return subject.get(str, "spec", "resourceType") or ResourceType.MODEL
