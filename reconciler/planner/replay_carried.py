"""Experiments and Pipelines in the replay checker's world: who names whom, and what may not be written or taken away.

Written from docs/seldon.md ("Experiments"), as `replay_world` is; nothing is shared with the code that plans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reconciler.model.experiments import ExperimentSpec
from reconciler.model.live import LiveState
from reconciler.model.manifests import ModelSpec
from reconciler.model.pipelines import PipelineSpec
from reconciler.model.plan import Action, ActionKind
from reconciler.planner.replay_servers import Violation

_Spec = ExperimentSpec | PipelineSpec


@dataclass(slots=True)
class Carried:
    """What there is, by kind and name, and what the models that explain others name."""

    specs: dict[str, _Spec] = field(default_factory=dict)
    explainers: dict[str, set[str]] = field(default_factory=dict)

    def apply(self, action: Action, answers: Callable[[str], bool]) -> None:
        """Takes `action` in. Raises Violation when what it writes would not take effect, or do harm."""
        assert action.carried is not None
        spec = action.carried.spec
        if action.subject in self.specs and self.specs[action.subject].meaning == spec.meaning:
            return
        silent = [name for name in spec.models if not answers(name)]
        silent += [name for name in spec.pipelines if f"Pipeline/{name}" not in self.specs]
        if silent:
            raise Violation(f"{action.id} names {', '.join(silent)}, which does not answer")
        if isinstance(spec, ExperimentSpec):
            self._check_traffic(action, spec)

    def applied(self, action: Action) -> None:
        """Has what `action` wrote."""
        assert action.carried is not None
        self.specs[action.subject] = action.carried.spec

    def remove(self, subject: str) -> None:
        """Has `subject` no more. Raises Violation when something still names it."""
        self.check_not_needed(subject)
        self.specs.pop(subject, None)

    def check_not_needed(self, ref: str) -> None:
        """Raises Violation when something names `ref` (kind and name)."""
        users = [name for name, spec in self.specs.items() if ref in _named(spec) and ref != name]
        users += [f"Model/{name}" for name, named in self.explainers.items() if ref in named and ref != f"Model/{name}"]
        if users:
            raise Violation(f"{ref} goes while {', '.join(sorted(users))} names it")

    def loaded(self, model: str, spec: ModelSpec) -> None:
        """A version of `model` was written: what it names may be another than before."""
        self.explainers[model] = _explained(spec)

    def gone(self, model: str) -> None:
        """A model is there no more."""
        self.explainers.pop(model, None)

    def _check_traffic(self, action: Action, spec: ExperimentSpec) -> None:
        if not any(candidate.weight for candidate in spec.candidates):
            raise Violation(f"{action.id} would freeze every route: all weights are 0")
        if spec.default is None:
            return
        if spec.default not in {candidate.name for candidate in spec.candidates}:
            raise Violation(f"{action.id} has a default that is no candidate")
        route = (spec.resource_type, spec.default)
        for ref, other in self.specs.items():
            same = isinstance(other, ExperimentSpec) and (other.resource_type, other.default) == route
            if same and ref != action.subject:
                raise Violation(f"{action.id} has the same default as {ref}")


def carried(live: LiveState) -> Carried:
    """Returns what there is as `live` has it."""
    found = Carried({item.ref: item.spec for item in live.carried})
    for model in live.models:
        if named := _explained(model.spec):
            found.explainers[model.name] = named
    return found


def justified(action: Action, other: Action) -> bool:
    """Returns whether `action` has a reference to wait for `other`."""
    if action.kind is ActionKind.DECOMMISSION:
        return other.carried is not None and f"Model/{action.subject}" in _named(other.carried.spec)
    if action.carried is None:
        return False
    if other.carried is None:
        return other.model is not None and other.subject in action.carried.spec.models
    if action.kind is ActionKind.REMOVE:
        return action.subject in _named(other.carried.spec)
    return other.subject in _named(action.carried.spec) or other.carried.kind == action.carried.kind == "Experiment"


def _named(spec: _Spec) -> set[str]:
    return {f"Model/{name}" for name in spec.models} | {f"Pipeline/{name}" for name in spec.pipelines}


def _explained(spec: ModelSpec) -> set[str]:
    roles: Iterable[tuple[str | None, str | None]] = [
        (role.model_ref, role.pipeline_ref) for role in (spec.explainer, spec.llm) if role is not None
    ]
    named = {f"Model/{model}" for model, _ in roles if model}
    return named | {f"Pipeline/{pipeline}" for _, pipeline in roles if pipeline}
