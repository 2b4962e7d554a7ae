"""Experiments: carried along in the plan, so that nobody takes them for applied. They change nothing yet."""

from __future__ import annotations

from reconciler.model.experiments import ExperimentSpec
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Decision, Reason, Verb


def experiment_decisions(desired: DesiredState) -> tuple[Decision, ...]:
    """Returns one decision for each Experiment in Git, sorted by name: not applied, and what it says."""
    return tuple(
        Decision("Experiment", e.name, Verb.NOT_APPLIED, Reason.NOT_CARRIED, detail=_says(e.spec), source=e.source)
        for e in desired.experiments
    )


def _says(spec: ExperimentSpec) -> str:
    """Returns such as `iris 90, iris-next 10 by weight, in the place of iris; 5 % copied to iris-shadow`."""
    shares = ", ".join(f"{candidate.name} {candidate.weight}" for candidate in spec.candidates)
    place = f", in the place of {spec.default}" if spec.default else ""
    mirror = f"; {spec.mirror.percent} % copied to {spec.mirror.name}" if spec.mirror else ""
    return f"{shares} by weight{place}{mirror}"
