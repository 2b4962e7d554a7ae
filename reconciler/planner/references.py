"""What still needs what this plan would take away: Experiments, Pipelines and explainers that name it (row 16).

Something that goes in the same plan goes first where that can be had without a circle: Experiments before Pipelines,
both before the models that they name. Where it cannot (an explainer and its model, an experiment that changes its
candidates), one pass takes the first step, and the one that follows at once the next::

    experiment removed, candidate removed      remove Experiment/x ──reference──▶ decommission iris-next
    candidate replaced, the old one removed    apply Experiment/x; iris-next waits for the next pass
    explainer removed with its model           decommission the explainer; the model waits for the next pass
    experiment of somebody else                iris-next is refused
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.model.carried import LiveCarried
from reconciler.model.live import LiveState
from reconciler.model.manifests import CarriedManifest, DesiredState, ModelSpec
from reconciler.model.plan import ActionKind, Decision, Edge, EdgeKind, Reason, Verb
from reconciler.planner.carried import CarriedVerdict
from reconciler.planner.guards import with_model
from reconciler.planner.unit import action_id
from reconciler.planner.verdicts import Verdict

_SHOWN = 3
"""How many of those that need something are named."""


class _Fate(enum.IntEnum):
    """What becomes of something that was to go; the greatest of its reasons counts."""

    GOES = 0
    WAITS = 1
    STAYS = 2


@dataclass(frozen=True, slots=True)
class Needed:
    """The verdicts with every deletion withheld that something still needs.

    Attributes:
        edges: by action id, the removals that come before it.
        awaited: by kind and name of what waits for the next pass, those (likewise) whose end it waits for.
    """

    models: list[Verdict]
    carried: list[CarriedVerdict]
    edges: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    awaited: Mapping[str, frozenset[str]] = field(default_factory=dict)


def named_by(spec: ModelSpec) -> tuple[str, ...]:
    """Returns what an explainer or an llm names, by kind and name: its model or its pipeline."""
    roles = [role for role in (spec.explainer, spec.llm) if role is not None]
    models = [f"Model/{role.model_ref}" for role in roles if role.model_ref]
    return (*models, *(f"Pipeline/{role.pipeline_ref}" for role in roles if role.pipeline_ref))


def names(item: LiveCarried | CarriedManifest) -> tuple[str, ...]:
    """Returns what an Experiment or a Pipeline names, by kind and name."""
    return (*(f"Model/{name}" for name in item.spec.models), *(f"Pipeline/{name}" for name in item.spec.pipelines))


def keep_what_is_needed(
    models: list[Verdict], carried: list[CarriedVerdict], desired: DesiredState, live: LiveState
) -> Needed:
    """Returns the verdicts with each deletion refused, or left to the next pass, that something needs.

    Args:
        models, carried: after the other guards on deletions.
    """
    going = {f"Model/{v.decision.name}" for v in models if v.decision.verb is Verb.DECOMMISSION}
    going |= {verdict.ref for verdict in carried if verdict.going}
    if not going:
        return Needed(models, carried)
    found = _Needs(going, models, carried, desired, live)
    found.settle()
    return Needed(
        [_kept_model(verdict, found) for verdict in models],
        [_kept(verdict, found) for verdict in carried],
        {found.removal(ref): edges for ref in going if (edges := found.edges(ref))},
        {ref: frozenset(found.users[ref]) for ref, fate in found.fates.items() if fate is _Fate.WAITS},
    )


class _Needs:
    """Who needs what, and what that means for each of `going`."""

    def __init__(
        self,
        going: set[str],
        models: list[Verdict],
        carried: list[CarriedVerdict],
        desired: DesiredState,
        live: LiveState,
    ) -> None:
        self.fates = dict.fromkeys(sorted(going), _Fate.GOES)
        self.users: dict[str, set[str]] = {ref: set() for ref in going}
        self.wanted: dict[str, set[str]] = {}
        self.acting = {verdict.ref for verdict in carried if verdict.action is not None}
        self.acting |= {f"Model/{verdict.decision.name}" for verdict in models if verdict.unit is not None}
        self.leaving = {f"Model/{model.name}" for model in live.models if model.deleting}
        for user, needed in _uses(live):
            if needed in going and user != needed:
                self.users[needed].add(user)
        for manifest in desired.carried if live.traits.carries else ():
            self.wanted[manifest.ref] = set(names(manifest))
            for needed in self.wanted[manifest.ref] & going:
                self.users[needed].add(manifest.ref)
        for model in desired.models:
            if f"Model/{model.name}" in self.acting:
                self.wanted[f"Model/{model.name}"] = set(named_by(model.spec))

    def settle(self) -> None:
        """Goes on until nothing changes; what would then only wait for each other stays."""
        while worse := {ref: fate for ref in self.fates if (fate := self._fate(ref)) > self.fates[ref]}:
            self.fates |= worse
        waiting = {ref for ref, fate in self.fates.items() if fate is _Fate.WAITS}
        moving = (self.fates.keys() | self.acting | self.leaving) - waiting
        while freed := {ref for ref in waiting if self.users[ref] & moving}:
            waiting -= freed
            moving |= freed
        if stuck := waiting | self._in_circles():
            self.fates |= dict.fromkeys(stuck, _Fate.STAYS)
            self.settle()

    def _in_circles(self) -> set[str]:
        """Returns what would go only after itself: what the cluster has may name each other in a circle."""
        left = {ref for ref, fate in self.fates.items() if fate is _Fate.GOES}
        while first := {ref for ref in left if not self.users[ref] & left}:
            left -= first
        return left

    def _fate(self, needed: str) -> _Fate:
        return max((self._by(user, needed) for user in self.users[needed]), default=_Fate.GOES)

    def _by(self, user: str, needed: str) -> _Fate:
        """What it means for `needed` that `user` names it."""
        if user in self.fates:
            return max(self.fates[user], _Fate.WAITS if user.startswith("Model/") else _Fate.GOES)
        if user in self.leaving:
            return _Fate.WAITS
        changes = user in self.acting and user in self.wanted and needed not in self.wanted[user]
        return _Fate.WAITS if changes else _Fate.STAYS

    def edges(self, ref: str) -> tuple[Edge, ...]:
        """Returns edges to the removals that come before the one of `ref`, if that goes."""
        if self.fates[ref] is not _Fate.GOES:
            return ()
        return tuple(Edge(self.removal(user), EdgeKind.REFERENCE) for user in sorted(self.users[ref]))

    def removal(self, ref: str) -> str:
        """Returns the id of the action that takes `ref` away."""
        kind, _, name = ref.partition("/")
        return action_id(ActionKind.DECOMMISSION, name) if kind == "Model" else action_id(ActionKind.REMOVE, ref)

    def said(self, decision: Decision, ref: str) -> Decision:
        """Returns `decision` as refused, or as waiting for the next pass."""
        users = sorted(self.users[ref], key=lambda user: (-self._by(user, ref), user))
        shown = ", ".join(user.replace("/", " ", 1) for user in users[:_SHOWN])
        more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
        verb = "name it" if len(users) > 1 else "names it"
        if self.fates[ref] is _Fate.WAITS:
            detail = f"{shown}{more} still {verb}; the pass after that decides"
            return dataclasses.replace(decision, verb=Verb.WAIT, reason=Reason.IN_USE, detail=detail)
        fix = "take it out of there first, or remove that as well"
        return dataclasses.replace(
            decision, verb=Verb.REFUSED, reason=Reason.IN_USE, detail=f"{shown}{more} {verb}", fixes=(fix,)
        )


def _uses(live: LiveState) -> Iterator[tuple[str, str]]:
    for item in live.carried:
        for needed in names(item):
            yield item.ref, needed
    for model in live.models:
        if model.spec.explainer is not None or model.spec.llm is not None:
            for needed in named_by(model.spec):
                yield f"Model/{model.name}", needed


def _kept_model(verdict: Verdict, found: _Needs) -> Verdict:
    ref = f"Model/{verdict.decision.name}"
    if found.fates.get(ref, _Fate.GOES) is _Fate.GOES:
        return verdict
    return with_model(verdict, found.said(verdict.decision, ref))


def _kept(verdict: CarriedVerdict, found: _Needs) -> CarriedVerdict:
    if found.fates.get(verdict.ref, _Fate.GOES) is _Fate.GOES:
        return verdict
    return CarriedVerdict(found.said(verdict.decision, verdict.ref))
