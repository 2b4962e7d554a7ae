"""Random Experiments, Pipelines and explainers around the worlds of `states`: some in Git, some live, some in both."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from reconciler.model.carried import LiveExperiment, LivePipeline
from reconciler.model.experiments import Candidate, ExperimentSpec, Mirror, ResourceType
from reconciler.model.live import LiveModel, LiveState
from reconciler.model.manifests import CarriedPolicy, DesiredState, ExperimentManifest, Explainer, PipelineManifest
from reconciler.model.pipelines import PipelineSpec, pipeline_spec_from_json
from tests.planner.case import TRAITS
from tests.planner.states import MODELS, NOWHERE, worlds

EXPERIMENTS = ("m0", "e1", "e2")
PIPELINES = ("m0", "p1", "p2")


@st.composite
def experiment_specs(draw: st.DrawFn) -> ExperimentSpec:
    """Weights of two or three, by whatever name; not all of them 0."""
    kind = draw(st.sampled_from([ResourceType.MODEL] * 3 + [ResourceType.PIPELINE]))
    known = MODELS if kind is ResourceType.MODEL else PIPELINES
    names = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
    weights = [draw(st.sampled_from([0, 1, 9])) for _ in names]
    mirror = Mirror(draw(st.sampled_from(known)), 5) if draw(st.sampled_from([False] * 4 + [True])) else None
    candidates = tuple(map(Candidate, names, [*weights[:-1], weights[-1] or 1]))
    return ExperimentSpec(candidates, draw(st.sampled_from([None, names[0]])), mirror, kind)


@st.composite
def pipeline_specs(draw: st.DrawFn, before: tuple[str, ...] = ()) -> PipelineSpec:
    """Steps of some models, perhaps with the output of another pipeline as their input."""
    steps = [{"name": name} for name in draw(st.lists(st.sampled_from(MODELS), min_size=1, max_size=2, unique=True))]
    spec: dict[str, Any] = {"steps": steps}
    chained: bool = draw(st.booleans())
    if before and chained:
        spec["input"] = {"externalInputs": [f"{draw(st.sampled_from(before))}.outputs"]}
    return pipeline_spec_from_json(spec)


def _policies() -> st.SearchStrategy[CarriedPolicy]:
    return st.builds(CarriedPolicy, suspend=st.sampled_from([False] * 7 + [True]))


def _live(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "instance": draw(st.sampled_from(["default"] * 5 + [None, "team-b"])),
        "deleting": draw(st.sampled_from([False] * 7 + [True])),
        "ready": draw(st.sampled_from([True, True, False, None])),
        "annotations": draw(st.sampled_from([(), (), (), (("model-reconciler.io/prune", "disabled"),)])),
    }


@st.composite
def carried_worlds(draw: st.DrawFn) -> tuple[DesiredState, LiveState]:
    """A commit and a cluster as `worlds`, with what is carried along; Git is valid, what is live may be odd."""
    desired, live = draw(worlds())
    some = st.sampled_from([True, True, False])
    experiments, taken = [], set()
    for name in EXPERIMENTS:
        spec = draw(experiment_specs())
        if draw(some) and (spec.default is None or (spec.resource_type, spec.default) not in taken):
            taken.add((spec.resource_type, spec.default))
            experiments.append(ExperimentManifest(name, spec, NOWHERE, policy=draw(_policies())))
    pipelines = [
        PipelineManifest(name, draw(pipeline_specs(PIPELINES[:number])), NOWHERE, policy=draw(_policies()))
        for number, name in enumerate(PIPELINES)
        if draw(some)
    ]
    split = {manifest.name: manifest.spec for manifest in experiments}
    chained = {manifest.name: manifest.spec for manifest in pipelines}
    same = st.booleans()
    live_experiments, live_pipelines = [], []
    for name in (name for name in EXPERIMENTS if draw(some)):
        traffic = (split.get(name) if draw(same) else None) or draw(experiment_specs())
        live_experiments.append(LiveExperiment(name, traffic, **_live(draw)))
    for name in (name for name in PIPELINES if draw(some)):
        steps = (chained.get(name) if draw(same) else None) or draw(pipeline_specs(PIPELINES))
        live_pipelines.append(LivePipeline(name, steps, **_live(draw)))
    models = tuple(_explaining(draw, model) for model in live.models)
    traits = TRAITS["seldon"] if not live.traits.commands_traffic or draw(same) else live.traits
    if not traits.carries:
        live_experiments, live_pipelines = [], []
    live = dataclasses.replace(
        live, traits=traits, models=models, experiments=tuple(live_experiments), pipelines=tuple(live_pipelines)
    )
    return dataclasses.replace(desired, experiments=tuple(experiments), pipelines=tuple(pipelines)), live


def _explaining(draw: st.DrawFn, model: LiveModel) -> LiveModel:
    """Some models explain another model or a pipeline; their live version is of that spec."""
    if draw(st.sampled_from([True] * 4 + [False])):
        return model
    explainer = draw(
        st.sampled_from(
            [*(Explainer("a", model_ref=name) for name in MODELS), *(Explainer("a", pipeline_ref=p) for p in PIPELINES)]
        )
    )
    spec = dataclasses.replace(model.spec, explainer=explainer)
    newest = tuple(
        dataclasses.replace(v, digest=spec.digest if v.digest == model.spec.digest else v.digest)
        for v in model.versions[-1:]
    )
    return dataclasses.replace(model, spec=spec, versions=(*model.versions[:-1], *newest))
