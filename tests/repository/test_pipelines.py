"""Pipelines in Git: what is read of them, and what is kept."""

from __future__ import annotations

import json

import pytest

from reconciler.errors import ManifestsInvalid
from reconciler.model.manifests import CarriedPolicy, DesiredState
from reconciler.model.pipelines import pipeline_spec_from_json, pipeline_spec_to_json
from reconciler.repository import load_stream
from tests.repository.manifest_texts import model

PIPELINE = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Pipeline
metadata:
  name: income
  namespace: serving
  labels: {team: money}
  annotations:
    example.com/ticket: "7"
    model-reconciler.io/prune: disabled
spec:
  steps:
  - name: preprocess
  - name: classify
    inputs: [preprocess.outputs]
    tensorMap: {preprocess.outputs.OUT: IN}
    batch: {size: 10, windowMs: 500}
  input: {externalInputs: [orders.outputs, people.step.clean.outputs.OUT]}
  output: {steps: [classify]}
  dataflow: {cleanTopicsOnDelete: true}
"""


def state(*documents: str) -> DesiredState:
    return load_stream("---\n".join(documents).encode())


def test_a_pipeline_is_read_whole_and_nothing_of_it_is_lost() -> None:
    (found,) = state(PIPELINE).pipelines
    assert (found.ref, found.namespace, str(found.source)) == ("Pipeline/income", "serving", "-:1")
    assert found.labels == (("team", "money"),)
    assert found.annotations == (("example.com/ticket", "7"),)
    assert found.policy == CarriedPolicy(prune=False)
    assert found.spec.models == ("classify", "preprocess")
    assert found.spec.pipelines == ("orders", "people")
    spec = pipeline_spec_to_json(found.spec)
    assert spec["steps"][1]["batch"] == {"size": 10, "windowMs": 500}
    assert pipeline_spec_from_json(spec) == found.spec


def test_the_models_of_a_pipeline_need_no_manifest() -> None:
    assert state(PIPELINE, model("preprocess")).pipelines[0].spec.models == ("classify", "preprocess")


def test_an_explainer_may_belong_to_a_pipeline_of_the_repository() -> None:
    explainer = model("why") + "  explainer: {type: anchor_tabular, pipelineRef: income}\n"
    assert state(PIPELINE, explainer).models[0].spec.explainer is not None
    with pytest.raises(ManifestsInvalid):
        state(explainer)


def test_a_pipeline_may_go_round_in_a_circle_if_it_says_so() -> None:
    circle = PIPELINE.replace("- name: preprocess\n", "- {name: preprocess, inputs: [classify]}\n")
    with pytest.raises(ManifestsInvalid):
        state(circle)
    assert state(circle + "  allowCycles: true\n").pipelines


def test_pipelines_are_part_of_the_digest() -> None:
    with_, without = state(PIPELINE, model("a")), state(model("a"))
    other = state(PIPELINE.replace("500", "501"), model("a"))
    assert len({with_.digest, without.digest, other.digest}) == 3


@pytest.mark.parametrize(
    ("live", "same"),
    [
        ({"steps": [{"name": "a", "inputsJoinType": "inner", "inputs": []}], "allowCycles": False}, True),
        ({"steps": [{"name": "a", "inputsJoinType": "outer"}]}, False),
        ({"steps": [{"name": "a"}], "output": {"steps": ["a"]}}, False),
        ({"steps": [{"name": "a", "tensorMap": {"x": "inner"}}]}, False),
    ],
)
def test_what_a_cluster_fills_in_by_default_is_no_difference(live: dict[str, object], same: bool) -> None:
    wanted = pipeline_spec_from_json({"steps": [{"name": "a"}]})
    assert (pipeline_spec_from_json(live).meaning == wanted.meaning) is same


def test_what_cannot_be_read_of_a_live_pipeline_names_nothing() -> None:
    odd = {"steps": ["a", {"name": 5}], "input": {"externalInputs": "x", "externalTriggers": [1]}}
    assert pipeline_spec_from_json(odd).models == pipeline_spec_from_json({"input": []}).pipelines == ()
    assert json.loads(pipeline_spec_from_json(odd).text) == odd
