"""Files of manifests → the desired state, or every problem in them. Reads no file itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import ManifestsInvalid, Problem
from reconciler.model.codec import (
    carried_policy,
    model_policy,
    model_spec_from_json,
    server_policy,
    server_spec_from_json,
)
from reconciler.model.experiments import experiment_spec_from_json
from reconciler.model.manifests import (
    PREFIX,
    DesiredState,
    ExperimentManifest,
    ModelManifest,
    PipelineManifest,
    ServerManifest,
)
from reconciler.model.pipelines import pipeline_spec_from_json
from reconciler.repository.documents import Sorted, sort_document
from reconciler.repository.experiment_checks import experiment_problems
from reconciler.repository.metadata_checks import annotation_texts, metadata_problems
from reconciler.repository.pipeline_checks import pipeline_problems
from reconciler.repository.references import duplicate_problems, reference_problems
from reconciler.repository.schemas import schema_problems
from reconciler.repository.spec_checks import spec_problems
from reconciler.repository.subject import Subject
from reconciler.repository.yaml_builder import YamlMap
from reconciler.repository.yaml_reader import read_documents


@dataclass(slots=True)
class FileRead:
    """What one file says.

    Attributes:
        subjects: the objects in it that are ours to read. skipped: number of documents that are not.
        unreadable: why there may be more in it. problems: what is wrong with the subjects, each seen by itself.
    """

    subjects: list[Subject]
    skipped: int = 0
    unreadable: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def desired_state(
    files: Iterable[tuple[str, bytes]], commit: str = "", problems: Iterable[Problem] = ()
) -> DesiredState:
    """Returns what the manifests in `files` say.

    Args:
        files: name and content of each. commit: where they are from.
        problems: what already went wrong in getting the files.

    Raises:
        ManifestsInvalid: something is wrong; carries all problems.
    """
    return combined([read_file(name, data) for name, data in files], commit, problems)


def read_file(name: str, data: bytes) -> FileRead:
    """Returns what the file of that name and content says, and what is wrong with it whatever other files say."""
    documents, unreadable = read_documents(data, name)
    found = Sorted()
    for document in documents:
        sort_document(document, found)
    problems = [problem for subject in found.subjects for problem in _problems_of(subject)]
    return FileRead(found.subjects, found.skipped, unreadable + found.problems, problems)


def combined(files: Iterable[FileRead], commit: str = "", problems: Iterable[Problem] = ()) -> DesiredState:
    """Returns what `files` say together. Arguments and errors: as `desired_state`."""
    read = list(files)
    subjects = [subject for file in read for subject in file.subjects]
    all_problems = [*problems, *(problem for file in read for problem in file.unreadable)]
    complete = not all_problems
    all_problems += [problem for file in read for problem in file.problems]
    all_problems += duplicate_problems(subjects)
    all_problems += reference_problems(subjects, complete=complete)
    all_problems += experiment_problems(subjects, complete=complete)
    all_problems += pipeline_problems(subjects)
    if all_problems:
        raise ManifestsInvalid(tuple(dict.fromkeys(all_problems)))
    return DesiredState(
        commit,
        tuple(_model(subject) for subject in subjects if subject.kind == "Model"),
        tuple(_server(subject) for subject in subjects if subject.kind == "Server"),
        sum(file.skipped for file in read),
        tuple(_experiment(subject) for subject in subjects if subject.kind == "Experiment"),
        tuple(_pipeline(subject) for subject in subjects if subject.kind == "Pipeline"),
    )


def _problems_of(subject: Subject) -> list[Problem]:
    """Returns the problems of one object; of several at one place those of the first check, which is the nearest."""
    told: list[Problem] = []
    for check in (_yaml_problems, schema_problems, metadata_problems, spec_problems):
        places = {(problem.line, problem.field) for problem in told}
        told += [problem for problem in check(subject) if (problem.line, problem.field) not in places]
    return told


def _yaml_problems(subject: Subject) -> list[Problem]:
    return subject.problems


def _model(subject: Subject) -> ModelManifest:
    return ModelManifest(
        name=subject.value["metadata"]["name"],
        spec=model_spec_from_json(subject.value["spec"]),
        source=subject.source,
        policy=model_policy(annotation_texts(subject))[0],
        **_metadata(subject),
    )


def _server(subject: Subject) -> ServerManifest:
    return ServerManifest(
        name=subject.value["metadata"]["name"],
        spec=server_spec_from_json(subject.value["spec"]),
        source=subject.source,
        policy=server_policy(annotation_texts(subject))[0],
        **_metadata(subject),
    )


def _experiment(subject: Subject) -> ExperimentManifest:
    return ExperimentManifest(
        name=subject.value["metadata"]["name"],
        spec=experiment_spec_from_json(subject.value["spec"]),
        source=subject.source,
        policy=carried_policy(annotation_texts(subject))[0],
        **_metadata(subject),
    )


def _pipeline(subject: Subject) -> PipelineManifest:
    return PipelineManifest(
        name=subject.value["metadata"]["name"],
        spec=pipeline_spec_from_json(subject.value["spec"]),
        source=subject.source,
        policy=carried_policy(annotation_texts(subject))[0],
        **_metadata(subject),
    )


def _metadata(subject: Subject) -> dict[str, Any]:
    return {
        "namespace": subject.get(str, "metadata", "namespace"),
        "labels": _users_own(subject.get(YamlMap, "metadata", "labels") or {}),
        "annotations": _users_own(subject.get(YamlMap, "metadata", "annotations") or {}),
    }


def _users_own(texts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, text) for name, text in texts.items() if not name.startswith(PREFIX)))
