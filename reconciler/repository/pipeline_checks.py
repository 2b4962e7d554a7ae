"""What a schema cannot say about Pipelines: that the parts they name are there, and that they come one after the other.

The models of the steps may be live without being in Git: what a plan needs and does not find is blocked there. Source
of how parts are named: docs/seldon.md, "Pipeline".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.errors import Problem
from reconciler.model.pipelines import pipeline_spec_from_json
from reconciler.repository.subject import Subject
from reconciler.repository.wording import Path, nearest, shown
from reconciler.repository.yaml_builder import YamlList, YamlMap

_STEPS: Path = ("spec", "steps")


def step_problems(subject: Subject) -> list[Problem]:
    """Returns what is wrong with the references between the steps of one Pipeline."""
    names = [subject.get(str, *_STEPS, index, "name") for index in range(_length(subject, _STEPS))]
    if not names or None in names:
        return []
    known = {name for name in names if name} | ({subject.name} if subject.name else set())
    problems = [p for path in _references(subject) for p in _absent(subject, path, known)]
    round_again = subject.get(bool, "spec", "allowCycles")
    if problems or round_again:
        return problems
    inputs = {name: _steps_before(subject, index) for index, name in enumerate(names) if name}
    return _circle(subject, _STEPS, inputs, "set `allowCycles: true` if it is meant, or remove one of these inputs")


def pipeline_problems(subjects: Iterable[Subject]) -> list[Problem]:
    """Returns what is wrong with Pipelines as seen beside each other: each takes its input from the next."""
    found = {s.name: s for s in subjects if s.kind == "Pipeline" and s.name}
    inputs = {name: _pipelines_before(subject) for name, subject in found.items()}
    problems: list[Problem] = []
    for name, subject in sorted(found.items()):
        if name in _reached(name, inputs):
            by_way = "" if name in inputs[name] else ", by way of other pipelines"
            what = f"it takes its input from itself{by_way}"
            problems.append(subject.problem(("spec", "input"), what, "none of them can come first", "remove one"))
    return problems


def _pipelines_before(subject: Subject) -> set[str]:
    spec = subject.get(YamlMap, "spec")
    return set() if spec is None else set(pipeline_spec_from_json(spec).pipelines)


def _length(subject: Subject, path: Path) -> int:
    return len(subject.get(YamlList, *path) or ())


def _references(subject: Subject) -> Iterator[Path]:
    """Where steps, or the pipeline itself, are named."""
    lists: list[Path] = [("spec", "output", "steps")]
    for index in range(_length(subject, _STEPS)):
        lists += [(*_STEPS, index, "inputs"), (*_STEPS, index, "triggers")]
    for path in lists:
        yield from ((*path, index) for index in range(_length(subject, path)))


def _absent(subject: Subject, path: Path, known: set[str]) -> list[Problem]:
    reference = subject.get(str, *path)
    if not reference or reference.partition(".")[0] in known:
        return []
    meant = nearest(reference.partition(".")[0], known)
    fix = f"did you mean `{shown(meant)}`?" if meant else "add the step, or name one of those"
    why = "a pipeline hands on what its own steps make"
    return [subject.problem(path, f"there is no step `{shown(reference.partition('.')[0])}`", why, fix)]


def _steps_before(subject: Subject, index: int) -> set[str]:
    paths: list[Path] = [(*_STEPS, index, "inputs"), (*_STEPS, index, "triggers")]
    given = (subject.get(str, *path, number) for path in paths for number in range(_length(subject, path)))
    return {reference.partition(".")[0] for reference in given if reference}


def _circle(subject: Subject, path: Path, inputs: Mapping[str, set[str]], fix: str) -> list[Problem]:
    round_ = sorted(name for name in inputs if name in _reached(name, inputs))
    if not round_:
        return []
    what = f"steps take their input from each other in a circle: {', '.join(map(shown, round_))}"
    return [subject.problem(path, what, "a request would go round in it, and none of them can come first", fix)]


def _reached(name: str, inputs: Mapping[str, set[str]]) -> set[str]:
    """Returns everything that `name` takes its input from, directly or not."""
    found: set[str] = set()
    ahead = list(inputs.get(name, ()))
    while ahead:
        current = ahead.pop()
        if current not in found:
            found.add(current)
            ahead += inputs.get(current, ())
    return found
