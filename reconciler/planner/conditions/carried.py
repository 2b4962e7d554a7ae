"""Experiments and Pipelines: what stands in the way of an action, and how far it is. Pure, as the other conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler import health
from reconciler.model.carried import LiveCarried
from reconciler.model.codec import carried_policy
from reconciler.model.live import LiveState
from reconciler.model.manifests import PREFIX, ExperimentManifest
from reconciler.model.plan import Action, ActionKind
from reconciler.planner.conditions.answers import Obstacle, Patience, Progress, Stage, being_deleted, gone
from reconciler.planner.conditions.metadata import not_ours, same_metadata


def _may_apply(action: Action, live: LiveState, item: LiveCarried | None) -> Obstacle | None:
    if action.carried is None or not live.traits.carries:
        return Obstacle("there is nothing to apply, or the cluster has no such kind")
    if item is not None and item.deleting:
        return being_deleted()
    if item is not None and item.spec.meaning == action.carried.spec.meaning:
        return None  # labels and annotations alone change no traffic
    return _unserved(action, live) or _taken(action, live)


def _unserved(action: Action, live: LiveState) -> Obstacle | None:
    """A candidate that cannot serve turns its experiment off (docs/seldon.md, "Experiments")."""
    assert action.carried is not None
    wanted = set(action.carried.spec.models)
    serving = {model.name for model in live.models if model.name in wanted and health.on_the_air(model)}
    there = {pipeline.name for pipeline in live.pipelines if not pipeline.deleting}
    missing = [f"Model {name}" for name in action.carried.spec.models if name not in serving]
    missing += [f"Pipeline {name}" for name in action.carried.spec.pipelines if name not in there]
    return Obstacle(f"{', '.join(missing)} not on the air", Patience.BRIEF) if missing else None


def _taken(action: Action, live: LiveState) -> Obstacle | None:
    """A second experiment of the same default is rejected without a word (docs/seldon.md, "Experiments")."""
    if not isinstance(action.carried, ExperimentManifest) or action.carried.spec.default is None:
        return None
    wanted = (action.carried.spec.resource_type, action.carried.spec.default)
    others = (e.name for e in live.experiments if (e.spec.resource_type, e.spec.default) == wanted)
    other = next((name for name in others if name != action.carried.name), None)
    return None if other is None else Obstacle(f"Experiment {other} has the same default", Patience.BRIEF)


def _may_remove(action: Action, live: LiveState, item: LiveCarried | None) -> Obstacle | None:
    if item is None or item.deleting:
        return None
    if (found := not_ours(item)) is not None:
        return found
    if not carried_policy(dict(item.annotations))[0].prune:
        return Obstacle(f"{item.name} is protected by its annotation {PREFIX}prune")
    return still_named(item.ref, live)


def still_named(ref: str, live: LiveState) -> Obstacle | None:
    """Returns an obstacle if something that stays names `ref` (kind and name): what names it goes first."""
    kind, _, name = ref.partition("/")
    user = next(_users(kind, name, live), None)
    return None if user is None else Obstacle(f"{user} still names it", Patience.BRIEF)


def _users(kind: str, name: str, live: LiveState) -> Iterator[str]:
    for item in live.carried:
        itself = (item.kind, item.name) == (kind, name)
        if not itself and name in (item.spec.models if kind == "Model" else item.spec.pipelines):
            yield f"{item.kind} {item.name}"
    for model in live.models:
        for role in (model.spec.explainer, model.spec.llm):
            if role is None or (kind, name) == ("Model", model.name):
                continue
            if name == (role.model_ref if kind == "Model" else role.pipeline_ref):
                yield f"Model {model.name}"


_Check = Callable[[Action, LiveState, LiveCarried | None], Obstacle | None]
CHECKS: Mapping[ActionKind, _Check] = {ActionKind.APPLY: _may_apply, ActionKind.REMOVE: _may_remove}


def _apply_progress(action: Action, item: LiveCarried | None) -> Progress:
    """An object whose spec the cluster does not like keeps the word of before, or has none (docs/seldon.md)."""
    wanted = action.carried
    if item is None or wanted is None or item.deleting or item.spec.meaning != wanted.spec.meaning:
        return Progress(Stage.PENDING, "not taken in yet")
    if not same_metadata(item, action):
        return Progress(Stage.PENDING, "not labelled yet")
    if item.ready is None:
        return Progress(Stage.PENDING, "the cluster has not told whether it is ready")
    return Progress(Stage.DONE, "ready") if item.ready else Progress(Stage.PENDING, item.message or "not ready yet")


def _absence_progress(action: Action, item: LiveCarried | None) -> Progress:
    return gone(item is None)


PROGRESS: Mapping[ActionKind, Callable[[Action, LiveCarried | None], Progress]] = {
    ActionKind.APPLY: _apply_progress,
    ActionKind.REMOVE: _absence_progress,
}
