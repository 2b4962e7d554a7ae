"""Experiments in Git: what is read of them, and what removing a model that they name means."""

from __future__ import annotations

import dataclasses

import pytest

from reconciler.errors import ManifestsInvalid
from reconciler.model.experiments import Candidate, ExperimentSpec, Mirror, ResourceType
from reconciler.model.manifests import DesiredState
from reconciler.repository import load_stream
from reconciler.repository.manifests import desired_state
from tests.repository.manifest_texts import model, server

EXPERIMENT = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Experiment
metadata:
  name: iris-next
  namespace: serving
  labels: {team: flowers}
  annotations: {example.com/ticket: "7"}
spec:
  default: iris
  candidates:
  - {name: iris, weight: 90}
  - {name: iris-next, weight: 0}
  mirror: {name: iris-shadow, percent: 5}
"""
MODELS = {name: model(name) for name in ("iris", "iris-next", "iris-shadow")}


def state(*documents: str) -> DesiredState:
    return load_stream("---\n".join(documents).encode())


def test_an_experiment_is_read_whole() -> None:
    (found,) = state(EXPERIMENT, *MODELS.values()).experiments
    assert (found.name, found.namespace, str(found.source)) == ("iris-next", "serving", "-:1")
    assert found.labels == (("team", "flowers"),)
    assert found.annotations == (("example.com/ticket", "7"),)
    candidates = (Candidate("iris", 90), Candidate("iris-next", 0))
    assert found.spec == ExperimentSpec(candidates, "iris", Mirror("iris-shadow", 5), ResourceType.MODEL)
    assert found.spec.names == ("iris", "iris-next", "iris-shadow")


def test_an_experiment_needs_no_default_and_no_mirror() -> None:
    text = EXPERIMENT.replace("  default: iris\n", "").replace("  mirror: {name: iris-shadow, percent: 5}\n", "")
    (found,) = state(text, *MODELS.values()).experiments
    assert (found.spec.default, found.spec.mirror) == (None, None)
    assert found.spec.names == ("iris", "iris-next")


def test_what_an_experiment_says_of_pipelines_is_not_looked_for() -> None:
    (found,) = state(EXPERIMENT + "  resourceType: pipeline\n").experiments
    assert found.spec.resource_type is ResourceType.PIPELINE


def test_an_experiment_of_pipelines_and_one_of_models_may_have_defaults_of_the_same_name() -> None:
    other = EXPERIMENT.replace("  name: iris-next\n", "  name: other\n", 1) + "  resourceType: pipeline\n"
    assert len(state(EXPERIMENT, other, *MODELS.values()).experiments) == 2


def test_experiments_are_sorted_and_part_of_the_digest() -> None:
    other = EXPERIMENT.replace("  name: iris-next\n", "  name: a\n", 1).replace("  default: iris\n", "")
    both = state(EXPERIMENT, other, *MODELS.values())
    assert [experiment.name for experiment in both.experiments] == ["a", "iris-next"]
    assert both.digest == state(*MODELS.values(), other, EXPERIMENT).digest
    digests = {state(*MODELS.values()).digest, state(EXPERIMENT, *MODELS.values()).digest, both.digest}
    assert len(digests | {state(EXPERIMENT.replace("90", "91"), *MODELS.values()).digest}) == 4
    assert dataclasses.replace(both, experiments=()).digest in digests


@pytest.mark.parametrize("removed", MODELS)
def test_a_model_that_an_experiment_names_cannot_be_removed_alone(removed: str) -> None:
    with pytest.raises(ManifestsInvalid) as raised:
        state(EXPERIMENT, server("mlserver"), *(text for name, text in MODELS.items() if name != removed))
    (problem,) = raised.value.problems
    assert f"no manifest describes a Model `{removed}`" in problem.what
    assert "turns the experiment off" in problem.why


def test_a_model_in_a_file_that_cannot_be_read_is_not_told_as_missing() -> None:
    with pytest.raises(ManifestsInvalid) as raised:
        desired_state((("experiment.yaml", EXPERIMENT.encode()), ("models.yaml", b"a: [")))
    assert {problem.file for problem in raised.value.problems} == {"models.yaml"}
