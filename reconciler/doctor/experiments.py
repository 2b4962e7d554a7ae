"""Experiments whose weights, default or candidates are wrong (docs/seldon.md, "Experiments"). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.doctor import commands
from reconciler.doctor.examined import Examined
from reconciler.doctor.finding import Finding, Fix, Hazard, Severity
from reconciler.doctor.words import some
from reconciler.health import on_the_air
from reconciler.model.carried import LiveExperiment
from reconciler.model.experiments import ExperimentSpec, ResourceType
from reconciler.model.live import LiveState, VersionState


def freezing(live: LiveState) -> list[LiveExperiment]:
    """Returns the experiments whose weights are all 0: while there is one, no route of the cluster changes."""
    there = [experiment for experiment in _there(live) if experiment.spec.candidates]
    return [each for each in there if all(candidate.weight <= 0 for candidate in each.spec.candidates)]


def frozen_routes(examined: Examined) -> Iterator[Finding]:
    """Experiments whose weights are all 0: they freeze every route of the cluster."""
    for experiment in freezing(examined.live):
        candidates = experiment.spec.candidates
        whole = experiment.spec.default or candidates[0].name
        weights = [{"name": c.name, "weight": 100 if c.name == whole else 0} for c in candidates]
        yield _finding(
            experiment,
            Hazard.FROZEN_ROUTES,
            Severity.NEXT_CHANGE,
            "freezes every route of the cluster",
            "its weights are all 0",
            "routes that exist go on; a model that is new or moves gets 404 until this is repaired, whoever owns it",
            Fix(
                f"give a candidate some weight, such as {whole} all of it",
                _patch(examined.live, experiment, {"candidates": weights}),
            ),
        )


def bad_default(examined: Examined) -> Iterator[Finding]:
    """Experiments whose default is none of their candidates, or that of another experiment."""
    taken: dict[str, str] = {}
    for experiment in _there(examined.live):
        default = experiment.spec.default
        if default is None:
            continue
        candidates = [candidate.name for candidate in experiment.spec.candidates]
        if default not in candidates:
            fix = Fix(f"make {default} a candidate, or one of the candidates the default")
            what = f"its default is {default}, its candidates are {some(candidates) or 'none'}"
            yield _rejected(experiment, "has a default that is none of its candidates", what, fix)
        elif default in taken:
            fix = Fix(f"delete one of them, or give it a default other than {default}")
            what = f"{default} is the default of Experiment {taken[default]} as well"
            yield _rejected(experiment, "has the default of another experiment", what, fix)
        else:
            taken[default] = experiment.name


def bad_candidate(examined: Examined) -> Iterator[Finding]:
    """Experiments that name what does not exist, or cannot serve."""
    for experiment in _there(examined.live):
        spec = experiment.spec
        lacking = [name for name in spec.names if name and _lacks(examined.live, name, spec.resource_type)]
        if not lacking and spec.candidates:
            continue
        if not spec.candidates:
            yield _rejected(experiment, "has no candidates", "it names none", Fix("name some, or delete it"))
            continue
        gone = spec.default in lacking
        yield _finding(
            experiment,
            Hazard.BAD_CANDIDATE,
            Severity.RISK,
            "names what cannot serve",
            "; ".join(f"{name} {_lacks(examined.live, name, spec.resource_type)}" for name in lacking),
            f"it is not in effect: {_instead(spec, gone=gone)}",
            Fix(f"bring {some(lacking)} back, take it out of the experiment, or delete the experiment"),
            models=tuple(lacking),
        )


def _instead(spec: ExperimentSpec, *, gone: bool) -> str:
    if spec.default is None:
        return "its own route does not answer"
    if gone:
        return f"every request for {spec.default}, its default, gets 404, whatever the others do"
    return f"{spec.default}, its default, gets all requests for {spec.default}"


def _lacks(live: LiveState, name: str, kind: ResourceType) -> str:
    """Why `name` cannot serve in an experiment, empty if it can. Of pipelines only whether they exist is looked at."""
    if kind is ResourceType.PIPELINE:
        return "" if any(found.name == name for found in getattr(live, "pipelines", ())) else "does not exist"
    model = live.model(name)
    if model is None or model.deleting:
        return "does not exist" if model is None else "is being deleted"
    latest = model.live_version
    if latest is not None and latest.state is VersionState.SCHEDULE_FAILED:
        return "has found no place"
    return "" if on_the_air(model) else "is off the air"


def _there(live: LiveState) -> Sequence[LiveExperiment]:
    return [experiment for experiment in live.experiments if not experiment.deleting]


def _rejected(experiment: LiveExperiment, title: str, what: str, fix: Fix) -> Finding:
    stale = "Seldon rejects it without a word: it is not in effect, though its object may still say Ready"
    return _finding(experiment, Hazard.BAD_DEFAULT, Severity.RISK, title, what, stale, fix)


def _patch(live: LiveState, experiment: LiveExperiment, spec: dict[str, object]) -> str:
    return commands.kubectl(live, "patch", "experiment", experiment.name, experiment.namespace, merge={"spec": spec})


def _finding(
    experiment: LiveExperiment,
    hazard: Hazard,
    severity: Severity,
    title: str,
    what: str,
    consequence: str,
    fix: Fix,
    models: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        hazard,
        severity,
        "Experiment",
        experiment.name,
        title,
        what,
        consequence,
        (fix,),
        models=models,
        namespace=experiment.namespace,
    )
