"""Experiments and Pipelines: what becomes of each, seen alone.

The rules: docs/planning-decisions.md, "Experiments and Pipelines". Whether the models that they name serve by then is
asked in `carried_order`, what still needs what would go in `references`.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass

from reconciler.model.carried import LiveCarried, LiveExperiment
from reconciler.model.codec import CARRIED_ANNOTATIONS, carried_policy_annotations
from reconciler.model.experiments import ExperimentSpec
from reconciler.model.live import LiveState
from reconciler.model.manifests import (
    CarriedManifest,
    DesiredState,
    ExperimentManifest,
    PipelineManifest,
    Source,
)
from reconciler.model.pipelines import PipelineSpec
from reconciler.model.plan import Action, ActionKind, Decision, Guards, Reason, Verb
from reconciler.planner.actions import DELETION_TIME
from reconciler.planner.ownership import marked, metadata_differs
from reconciler.planner.unit import action_id

APPLY_TIME = 120.0
"""Seconds until the cluster must say that it is ready; weights settle in one (docs/seldon.md, "Experiments")."""

_NOWHERE = Source("", 0)


@dataclass(frozen=True, slots=True)
class CarriedVerdict:
    """What becomes of one Experiment or Pipeline; `action` has no edges yet, None where there is nothing to do."""

    decision: Decision
    action: Action | None = None

    @property
    def ref(self) -> str:
        """Kind and name."""
        return f"{self.decision.kind}/{self.decision.name}"

    @property
    def going(self) -> bool:
        """Whether it is taken away."""
        return self.action is not None and self.action.kind is ActionKind.REMOVE


def decide_carried(desired: DesiredState, live: LiveState, guards: Guards) -> list[CarriedVerdict]:
    """Returns what becomes of every Experiment and Pipeline in Git or on the cluster, each kind by name.

    A cluster that has neither (`Traits.carries`) leaves those in Git unapplied; traffic is what it would be without.
    """
    manifests = {manifest.ref: manifest for manifest in desired.carried}
    if not live.traits.carries:
        return [
            CarriedVerdict(_say(manifest, Verb.NOT_APPLIED, Reason.NOT_CARRIED, says(manifest.spec)))
            for manifest in manifests.values()
        ]
    objects = {item.ref: item for item in live.carried}
    refs = sorted(manifests.keys() | objects.keys(), key=lambda ref: (ref.startswith("Experiment"), ref))
    return [_decide(manifests.get(ref), objects.get(ref), guards, desired.commit) for ref in refs]


def says(spec: ExperimentSpec | PipelineSpec) -> str:
    """Returns such as `iris 90, iris-next 10 by weight, in the place of iris; 5 % copied to iris-shadow`."""
    if isinstance(spec, PipelineSpec):
        return f"models {', '.join(spec.models)}"
    shares = ", ".join(f"{candidate.name} {candidate.weight}" for candidate in spec.candidates)
    place = f", in the place of {spec.default}" if spec.default else ""
    mirror = f"; {spec.mirror.percent} % copied to {spec.mirror.name}" if spec.mirror else ""
    return f"{shares} by weight{place}{mirror}"


def _say(manifest: CarriedManifest, verb: Verb, reason: Reason, detail: str = "", fix: str = "") -> Decision:
    fixes = (fix,) if fix else ()
    return Decision(manifest.kind, manifest.name, verb, reason, 0, detail, fixes, source=manifest.source)


def _decide(manifest: CarriedManifest | None, live: LiveCarried | None, guards: Guards, commit: str) -> CarriedVerdict:
    if manifest is None:
        assert live is not None
        return _not_in_git(live, guards)
    say = functools.partial(_say, manifest)
    if live is not None and live.instance not in (None, guards.instance):
        word = live.kind.lower()
        fix = f"remove the manifest, or take the {word} out of instance {live.instance}"
        return CarriedVerdict(say(Verb.REFUSED, Reason.OTHER_INSTANCE, f"the owner is instance {live.instance}", fix))
    if manifest.policy.suspend:
        return CarriedVerdict(say(Verb.HOLD, Reason.SUSPENDED))
    written = marked(manifest, guards.instance, commit)
    if live is None:
        return _applied(written, say(Verb.CREATE, Reason.NEW, says(manifest.spec)))
    if live.deleting:
        return _applied(written, say(Verb.CREATE, Reason.BEING_DELETED, "created once the old object is gone"))
    return _existing(manifest, written, live)


def _existing(manifest: CarriedManifest, written: CarriedManifest, live: LiveCarried) -> CarriedVerdict:
    say = functools.partial(_say, manifest)
    adopted = "; adopted, nobody owned it" if live.instance is None else ""
    if live.spec.meaning != manifest.spec.meaning:
        detail = f"{says(live.spec)} → {says(manifest.spec)}" if isinstance(live, LiveExperiment) else "its spec"
        return _applied(written, say(Verb.CHANGE, Reason.CARRIED_SPEC, detail + adopted))
    if live.instance is None:
        return _applied(written, say(Verb.ADOPT, Reason.NOT_OURS_YET, "it gets our label, nothing else changes"))
    policy = carried_policy_annotations(manifest.policy)
    if metadata_differs(manifest, policy, CARRIED_ANNOTATIONS, live):
        return _applied(written, say(Verb.CHANGE, Reason.CARRIED_SPEC, "labels and annotations"))
    if live.ready is False:
        return CarriedVerdict(say(Verb.WAIT, Reason.NOT_READY, live.message))
    return CarriedVerdict(say(Verb.IN_SYNC, Reason.SAME))


def _not_in_git(live: LiveCarried, guards: Guards) -> CarriedVerdict:
    if live.instance != guards.instance:
        detail = f"owned by instance {live.instance}" if live.instance else ""
        return CarriedVerdict(Decision(live.kind, live.name, Verb.UNMANAGED, Reason.NOT_IN_GIT, 0, detail))
    verb, reason = (Verb.WAIT, Reason.BEING_DELETED) if live.deleting else (Verb.DELETE, Reason.REMOVED)
    decision = Decision(live.kind, live.name, verb, reason)
    return CarriedVerdict(decision, _action(ActionKind.REMOVE, as_manifest(live), decision, DELETION_TIME))


def as_manifest(live: LiveCarried) -> CarriedManifest:
    """Returns what is live as a manifest that stands nowhere."""
    if isinstance(live, LiveExperiment):
        return ExperimentManifest(live.name, live.spec, _NOWHERE, live.namespace, live.labels, live.annotations)
    return PipelineManifest(live.name, live.spec, _NOWHERE, live.namespace, live.labels, live.annotations)


def _applied(written: CarriedManifest, decision: Decision) -> CarriedVerdict:
    return CarriedVerdict(decision, _action(ActionKind.APPLY, written, decision, APPLY_TIME))


def _action(kind: ActionKind, manifest: CarriedManifest, decision: Decision, limit: float) -> Action:
    return Action(
        id=action_id(kind, manifest.ref),
        kind=kind,
        subject=manifest.ref,
        reason=decision.reason,
        detail=decision.detail,
        time_limit=limit,
        carried=manifest,
        source=manifest.source if manifest.source.file else None,
    )


def without_action(verdict: CarriedVerdict, verb: Verb, reason: Reason, detail: str, fix: str = "") -> CarriedVerdict:
    """Returns `verdict` with nothing to do, and why."""
    fixes = (fix,) if fix else ()
    return CarriedVerdict(dataclasses.replace(verdict.decision, verb=verb, reason=reason, detail=detail, fixes=fixes))
