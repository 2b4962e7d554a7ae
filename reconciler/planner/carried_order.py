"""Experiments and Pipelines in the graph of a plan: after what they name serves, and one experiment per default.

A candidate that cannot serve turns its experiment off (docs/seldon.md, "Experiments"), so nothing is applied before
every model that it names is on the air: already, or by an action of this plan that comes before it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from reconciler.model.carried import LiveExperiment
from reconciler.model.live import LiveModel, LiveState
from reconciler.model.manifests import CarriedManifest, ExperimentManifest
from reconciler.model.plan import Action, ActionKind, Edge, EdgeKind, Reason, Verb
from reconciler.planner.carried import CarriedVerdict, without_action
from reconciler.planner.ordering import Arrangement
from reconciler.planner.unit import Unit, action_id

_BRINGS = frozenset({ActionKind.LOAD, ActionKind.RETRIGGER, ActionKind.SHIFT, ActionKind.CHANGE})
"""Actions of a model after which it serves, or is whole."""


def carry(verdicts: list[CarriedVerdict], live: LiveState, arrangement: Arrangement) -> list[CarriedVerdict]:
    """Returns `verdicts` with the edges of what is applied; what would not take effect is blocked or refused."""
    return _Carrying(verdicts, live, arrangement).run()


class _Carrying:
    """Each verdict once, those that it depends on before it."""

    def __init__(self, verdicts: list[CarriedVerdict], live: LiveState, arrangement: Arrangement) -> None:
        self.verdicts = {verdict.ref: verdict for verdict in verdicts}
        self.live = live
        self.models: dict[str, LiveModel] = {}
        self.brings: dict[str, str] = {}
        self.settled: dict[str, CarriedVerdict] = {}
        self.asked: set[str] = set()
        applied = any(v.action is not None and not v.going for v in verdicts)
        if applied:
            self.models = {model.name: model for model in live.models}
            units = {unit.decision.name: unit for unit in arrangement.placed}
            self.brings = {name: bringing for name, unit in units.items() if (bringing := self._bringing(name, unit))}

    def _bringing(self, name: str, unit: Unit) -> str:
        """The last action of `unit` after which its model serves; empty where none of them makes it serve."""
        found = [action for action in unit.actions if action.kind in _BRINGS]
        shifts = any(action.kind is ActionKind.SHIFT for action in found)
        return found[-1].id if found and (shifts or self._serves(name)) else ""

    def run(self) -> list[CarriedVerdict]:
        return [self._settle(ref) for ref in self.verdicts]

    def _settle(self, ref: str) -> CarriedVerdict:
        if ref not in self.settled:
            self.asked.add(ref)
            verdict = self.verdicts[ref]
            action = verdict.action
            self.settled[ref] = verdict if action is None or verdict.going else self._applied(verdict, action)
        return self.settled[ref]

    def _applied(self, verdict: CarriedVerdict, action: Action) -> CarriedVerdict:
        manifest = action.carried
        assert manifest is not None
        missing = [*self._missing_models(manifest), *self._missing_pipelines(manifest)]
        if missing and not self._says_the_same(manifest):
            many = len(missing) > 1
            fix = f"bring {'them' if many else 'it'} on the air, or take {'them' if many else 'it'} out of the manifest"
            detail = f"{', '.join(missing)} {'are' if many else 'is'} not on the air"
            return without_action(verdict, Verb.BLOCKED, Reason.UNSERVED, detail, fix)
        edges = {Edge(self.brings[name], EdgeKind.REFERENCE) for name in manifest.spec.models if name in self.brings}
        edges |= {self._edge(f"Pipeline/{name}") for name in manifest.spec.pipelines if self._acts(f"Pipeline/{name}")}
        for holder in self._holders(manifest):
            if not self._gives_up(holder):
                detail = f"{holder.spec.default} is the default of Experiment {holder.name} on the cluster"
                fix = f"remove Experiment {holder.name}, or give one of the two another default"
                return without_action(verdict, Verb.REFUSED, Reason.DEFAULT_TAKEN, detail, fix)
            edges.add(self._edge(holder.ref))
        return dataclasses.replace(verdict, action=dataclasses.replace(action, after=tuple(sorted(edges))))

    def _says_the_same(self, manifest: CarriedManifest) -> bool:
        """Whether nothing but labels and annotations is written, which changes no traffic."""
        live = self.live.one_carried(manifest.ref)
        return live is not None and not live.deleting and live.spec.meaning == manifest.spec.meaning

    def _missing_models(self, manifest: CarriedManifest) -> list[str]:
        return [f"Model {name}" for name in manifest.spec.models if name not in self.brings and not self._serves(name)]

    def _serves(self, name: str) -> bool:
        model = self.models.get(name)
        if model is None or model.deleting:
            return False
        routed = (model.version(number) for number, weight in model.route if weight > 0)
        return any(version is not None and version.available for version in routed)

    def _missing_pipelines(self, manifest: CarriedManifest) -> list[str]:
        return [f"Pipeline {name}" for name in manifest.spec.pipelines if not self._is_there(f"Pipeline/{name}")]

    def _is_there(self, ref: str) -> bool:
        """Whether the pipeline is live and stays, or comes with this plan."""
        if ref not in self.verdicts:
            return False
        if self._acts(ref):
            return True
        pipeline = self.live.one_carried(ref)
        return pipeline is not None and not pipeline.deleting and not self.verdicts[ref].going

    def _acts(self, ref: str) -> bool:
        """Whether this plan applies `ref`; one that is asked about already would be in a circle."""
        if ref not in self.settled and ref in self.asked:
            return False
        verdict = self._settle(ref)
        return verdict.action is not None and not verdict.going

    def _edge(self, ref: str) -> Edge:
        kind = ActionKind.REMOVE if self.verdicts[ref].going else ActionKind.APPLY
        return Edge(action_id(kind, ref), EdgeKind.REFERENCE)

    def _holders(self, manifest: CarriedManifest) -> list[LiveExperiment]:
        """The live experiments that hold the route which `manifest` would take over."""
        if not isinstance(manifest, ExperimentManifest) or manifest.spec.default is None:
            return []
        wanted = (manifest.spec.resource_type, manifest.spec.default)
        others = (e for e in self.live.experiments if e.name != manifest.name)
        return [e for e in others if (e.spec.resource_type, e.spec.default) == wanted]

    def _gives_up(self, holder: LiveExperiment) -> bool:
        """Whether this plan takes the default off `holder` first."""
        if self.verdicts[holder.ref].going:
            return True
        if not self._acts(holder.ref):
            return False
        action = self._settle(holder.ref).action
        given = action.carried if action is not None else None
        return isinstance(given, ExperimentManifest) and given.spec.default != holder.spec.default


def with_edges(actions: tuple[Action, ...], edges: Mapping[str, tuple[Edge, ...]]) -> tuple[Action, ...]:
    """Returns `actions` with these edges as well, by action id."""
    return tuple(
        dataclasses.replace(action, after=tuple(sorted({*action.after, *edges[action.id]})))
        if action.id in edges
        else action
        for action in actions
    )
