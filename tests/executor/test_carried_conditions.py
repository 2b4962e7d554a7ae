"""When an Experiment or a Pipeline may be written or removed, and when that is done, told from what is live alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.carried import LiveExperiment, LivePipeline
from reconciler.model.experiments import Candidate, ExperimentSpec, ResourceType
from reconciler.model.live import SELDON_TRAITS, LiveModel, LiveState, LiveVersion, ReplicaState, Traits, VersionState
from reconciler.model.manifests import (
    INSTANCE_LABEL,
    PREFIX,
    CarriedManifest,
    ExperimentManifest,
    Explainer,
    ModelSpec,
    PipelineManifest,
    Source,
)
from reconciler.model.pipelines import pipeline_spec_from_json
from reconciler.model.plan import Action, ActionKind, Reason
from reconciler.planner.conditions import Patience, Stage, obstacle, precondition, progress
from tests.executor.plans import action, model

SOURCE = Source("x.yaml", 1)
SPEC = ExperimentSpec((Candidate("red", 90), Candidate("blue", 10)), "red")
OTHER = ExperimentSpec((Candidate("red", 1), Candidate("blue", 1)), "red")
OURS = ((INSTANCE_LABEL, "default"),)
SPLIT = ExperimentManifest("split", SPEC, SOURCE, labels=OURS)
CHAIN = PipelineManifest("chain", pipeline_spec_from_json({"steps": [{"name": "red"}]}), SOURCE, labels=OURS)
LIVE = LiveExperiment("split", SPEC, "default", labels=OURS, ready=True)


def served(name: str, *, on: bool = True) -> LiveModel:
    version = LiveVersion(1, "d", 1, "s", VersionState.AVAILABLE, ((0, ReplicaState.AVAILABLE),), 1)
    return LiveModel(name, ModelSpec("uri"), "default", versions=(version,), route=((1, 100),) if on else ())


def state(
    *experiments: LiveExperiment,
    pipelines: tuple[LivePipeline, ...] = (),
    models: tuple[LiveModel, ...] = (served("red"), served("blue")),
    traits: Traits = SELDON_TRAITS,
) -> LiveState:
    return LiveState(0.0, models, traits=traits, experiments=experiments, pipelines=pipelines)


def apply(manifest: CarriedManifest = SPLIT) -> Action:
    return Action(f"apply {manifest.ref}", ActionKind.APPLY, manifest.ref, Reason.NEW, 60.0, carried=manifest)


def remove(manifest: CarriedManifest = SPLIT) -> Action:
    return Action(f"remove {manifest.ref}", ActionKind.REMOVE, manifest.ref, Reason.REMOVED, 60.0, carried=manifest)


def test_an_experiment_is_applied_when_everything_that_it_names_is_on_the_air() -> None:
    assert precondition(apply(), state()) is None


@pytest.mark.parametrize("models", [(served("red"),), (served("red"), served("blue", on=False)), ()])
def test_an_experiment_waits_a_little_for_a_candidate_that_does_not_serve(models: tuple[LiveModel, ...]) -> None:
    found = obstacle(apply(), state(models=models))
    assert found is not None
    assert "Model blue" in found.why
    assert found.patience is Patience.BRIEF


def test_labels_alone_are_written_whatever_serves() -> None:
    assert precondition(apply(), state(LIVE, models=())) is None
    assert precondition(apply(replace(SPLIT, spec=OTHER)), state(LIVE, models=())) is not None


def test_a_second_experiment_of_the_same_default_is_not_written() -> None:
    assert "same default" in (precondition(apply(), state(replace(LIVE, name="old"))) or "")


def test_what_is_being_deleted_is_waited_for_and_what_is_foreign_is_left_alone() -> None:
    found = obstacle(apply(), state(replace(LIVE, deleting=True)))
    assert found is not None
    assert found.patience is Patience.TIME_LIMIT
    assert "instance other" in (precondition(apply(), state(replace(LIVE, instance="other"))) or "")
    assert "instance other" in (
        precondition(remove(), state(replace(LIVE, instance="other")), instance="default") or ""
    )


def test_nothing_is_written_to_a_cluster_that_has_no_such_kind() -> None:
    assert precondition(apply(), state(traits=Traits(commands_traffic=True, reuses_versions=True))) is not None


def test_an_experiment_of_pipelines_needs_these() -> None:
    of_pipelines = apply(replace(SPLIT, spec=replace(SPEC, resource_type=ResourceType.PIPELINE)))
    live = LivePipeline("red", CHAIN.spec, "default")
    both = (live, replace(live, name="blue"))
    assert "Pipeline blue" in (precondition(of_pipelines, state(pipelines=both[:1])) or "")
    assert precondition(of_pipelines, state(pipelines=both)) is None


@pytest.mark.parametrize(
    ("live", "stage"),
    [
        (None, Stage.PENDING),
        (replace(LIVE, spec=OTHER), Stage.PENDING),
        (replace(LIVE, ready=None), Stage.PENDING),
        (replace(LIVE, ready=False, message="Candidates not ready"), Stage.PENDING),
        (replace(LIVE, labels=()), Stage.PENDING),
        (replace(LIVE, deleting=True), Stage.PENDING),
        (LIVE, Stage.DONE),
        (replace(LIVE, spec=replace(SPEC, candidates=SPEC.candidates[::-1])), Stage.DONE),
    ],
)
def test_it_is_done_when_the_cluster_has_that_spec_and_says_that_it_is_ready(
    live: LiveExperiment | None, stage: Stage
) -> None:
    found = progress(apply(), state(*([live] if live else [])))
    assert found.state is stage
    assert found.detail


def test_a_removal_is_done_when_the_object_is_gone() -> None:
    assert precondition(remove(), state(LIVE)) is None
    assert progress(remove(), state(replace(LIVE, deleting=True))).state is Stage.PENDING
    assert progress(remove(), state()).state is Stage.DONE
    assert precondition(remove(), state()) is None


def test_what_is_protected_or_owned_by_nobody_any_more_is_not_removed() -> None:
    assert precondition(remove(), state(replace(LIVE, instance=None))) is not None
    protected = replace(LIVE, annotations=((PREFIX + "prune", "disabled"),))
    assert "protected" in (precondition(remove(), state(protected)) or "")


def test_a_pipeline_is_not_removed_while_something_takes_its_output_or_explains_it() -> None:
    chain = LivePipeline("chain", CHAIN.spec, "default")
    taker = LivePipeline("taker", pipeline_spec_from_json({"input": {"externalInputs": ["chain.outputs"]}}))
    explained = replace(served("why"), spec=ModelSpec("uri", explainer=Explainer("a", pipeline_ref="chain")))
    assert precondition(remove(CHAIN), state(pipelines=(chain,))) is None
    assert "Pipeline taker" in (precondition(remove(CHAIN), state(pipelines=(chain, taker))) or "")
    assert "Model why" in (precondition(remove(CHAIN), state(pipelines=(chain,), models=(explained,))) or "")


def test_a_model_is_not_decommissioned_while_something_names_it() -> None:
    gone = action(ActionKind.DECOMMISSION, model("blue"))
    explained = replace(served("why"), spec=ModelSpec("uri", explainer=Explainer("a", model_ref="blue")))
    assert precondition(gone, state()) is None
    assert "Experiment split" in (precondition(gone, state(LIVE)) or "")
    found = obstacle(gone, state(models=(served("blue"), explained)))
    assert found is not None
    assert "Model why" in found.why
    assert found.patience is Patience.BRIEF
