"""The actions of one model, form by form (docs/glossary.md, "Rollouts").

    beside     load new → shift to it → drain old → unload old
    recreate   drain old → unload old → load new → shift to it
    finish     what is left of a rollout: (load) → (shift) → drain and unload of what is left over

Nothing here knows about room; a form says what it would take and give back, `ordering` says whether it can.
"""

from __future__ import annotations

import dataclasses

from reconciler.health import carries_all_traffic, is_whole, leftovers
from reconciler.model.live import LiveModel, LiveVersion
from reconciler.model.manifests import ModelManifest
from reconciler.model.plan import Action, ActionKind, Decision, Edge, EdgeKind, MemoryUse, Reason
from reconciler.planner.situation import Situation
from reconciler.planner.unit import Need, Priority, Release, Unit, action_id, chained

SHIFT_TIME = 60.0
"""Seconds a route may take to move: Envoy needs up to 10 s after a scheduler restart (docs/seldon.md, "Servers")."""

UNLOAD_TIME = 120.0
"""Seconds an unload may take until its memory is seen to be free: the grace period is 2 s by default."""

DELETION_TIME = 120.0
"""Seconds until an object that is being deleted must be gone; finalizers take 2-3 s (docs/seldon.md, "Deleting")."""


def load_new(situation: Situation, decision: Decision, wait_deleted: bool = False) -> Unit:
    """Returns the unit that loads a model the cluster does not have, once a deletion under way is over."""
    manifest = situation.written()
    load = _load(manifest, decision.reason, situation.memory)
    waiting = [wait_until_deleted(situation, decision.reason)] if wait_deleted else []
    releases: tuple[Release, ...] = ()
    if wait_deleted and situation.live is not None:
        releases = _releases(waiting[0].id, situation.live.versions)
    actions = [*waiting, load, _shift(manifest, decision.reason)]
    return Unit(decision, Priority.NEW, chained(actions), _need(situation, load), releases)


def beside(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that loads the new version beside those that are there, then retires them."""
    assert situation.live is not None
    manifest = situation.written()
    load = _load(manifest, decision.reason, situation.memory)
    retired = [version for version in situation.live.versions if version.occupied]
    actions = [load, _shift(manifest, decision.reason), *_retire(manifest, retired, decision.reason)]
    return Unit(decision, Priority.ROLLOUT, chained(actions), _need(situation, load), _unloads(actions, retired))


def recreate(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that takes the old versions off the air first, as the manifest allows."""
    assert situation.live is not None
    manifest = situation.written()
    load = _load(manifest, decision.reason, situation.memory)
    retired = [version for version in situation.live.versions if version.occupied]
    actions = [*_retire(manifest, retired, decision.reason), load, _shift(manifest, decision.reason)]
    return Unit(decision, Priority.ROLLOUT, chained(actions), _need(situation, load), _unloads(actions, retired))


def finish(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that continues the rollout to the live version from where it stands."""
    assert situation.live is not None
    live = situation.live
    actions, retired = finishing_actions(live, situation.written_as_live(), decision.reason)
    flights = _flights(live, actions)
    return Unit(decision, Priority.UNDER_WAY, chained(actions), None, _unloads(actions, retired), flights)


def finish_then(situation: Situation, finishing: Decision, following: Unit) -> Unit:
    """Returns one unit: the rollout under way is finished, then `following` runs on the state that leaves."""
    assert situation.live is not None
    manifest = situation.written_as_live()
    actions, retired = finishing_actions(situation.live, manifest, finishing.reason)
    gone = {action.id for action in actions}
    rest = [action for action in following.actions if action.id not in gone]
    return Unit(
        following.decision,
        following.priority,
        chained([*actions, *rest]),
        following.need,
        _unloads(actions, retired) + tuple(r for r in following.releases if r.action not in gone),
        _flights(situation.live, actions),
        otherwise=finish(situation, finishing),
    )


def finishing_actions(
    live: LiveModel, manifest: ModelManifest, reason: Reason
) -> tuple[list[Action], list[LiveVersion]]:
    """Returns what is left to do towards the live version, and the versions that this unloads."""
    version = live.live_version
    assert version is not None
    actions: list[Action] = []
    if not is_whole(version):
        actions.append(_load(manifest, reason, memory=None, number=version.number))
    if not carries_all_traffic(live, version.number):
        actions.append(_shift(manifest, reason, number=version.number))
    retired = list(leftovers(live))
    return actions + _retire(manifest, retired, reason), retired


def change(situation: Situation, decision: Decision, version: LiveVersion, restores: bool = False) -> Unit:
    """Returns the unit that changes `version` in place: replicas, min, max, logger, metadata.

    With `restores` the version is an older one that becomes the live version again, and newer ones are dropped.
    """
    assert situation.live is not None
    manifest = situation.written()
    growth = max(0, situation.replicas - len(version.occupied))
    shrink = max(0, len(version.occupied) - situation.replicas)
    takes = (MemoryUse(version.server, growth, version.memory),) if growth and version.memory else ()
    frees = (MemoryUse(version.server, shrink, version.memory),) if shrink and version.memory else ()
    action = Action(
        id=action_id(ActionKind.CHANGE, situation.name, version.digest or ""),
        kind=ActionKind.CHANGE,
        subject=situation.name,
        reason=decision.reason,
        time_limit=manifest.policy.load_timeout + manifest.policy.drain_timeout,
        digest=version.digest or manifest.spec.digest,
        number=version.number,
        model=manifest,
        takes=takes,
        frees=frees,
        source=manifest.source,
        detail=f"replicas {version.wanted} → {situation.replicas}" if situation.replicas != version.wanted else "",
    )
    need = None
    if growth:
        occupied = frozenset(version.occupied)
        need = Need(action.id, version.memory, growth, frozenset(), version.server, occupied)
    newer = [v for v in situation.live.versions if restores and v.number > version.number and v.occupied]
    return Unit(decision, Priority.GROWTH, (action,), need, tuple(_release(action.id, v) for v in newer))


def adopt(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that marks a live object as ours and changes nothing else."""
    manifest = situation.written()
    action = Action(
        id=action_id(ActionKind.ADOPT, situation.name),
        kind=ActionKind.ADOPT,
        subject=situation.name,
        reason=decision.reason,
        time_limit=SHIFT_TIME,
        digest=manifest.spec.digest,
        model=manifest,
        source=manifest.source,
    )
    return Unit(decision, Priority.UNDER_WAY, (action,))


def decommission(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that unloads a model for good and deletes its object.

    A load in flight is waited for, however it ends: deleting it would leak its room (docs/seldon.md, "Capacity").
    """
    assert situation.live is not None
    live, manifest = situation.live, situation.written_as_live()
    occupied = [version for version in live.versions if version.occupied]
    version = live.live_version
    action = Action(
        id=action_id(ActionKind.DECOMMISSION, situation.name),
        kind=ActionKind.DECOMMISSION,
        subject=situation.name,
        reason=decision.reason,
        time_limit=manifest.policy.drain_timeout + UNLOAD_TIME,
        digest=(version.digest if version else None) or live.spec.digest,
        number=version.number if version else None,
        model=manifest,
        frees=tuple(_freed(v) for v in occupied if v.memory),
    )
    releases = tuple(_release(action.id, v) for v in occupied)
    actions: tuple[Action, ...] = (action,)
    if version is not None and version.loading:
        load = _load(manifest, decision.reason, memory=None, number=version.number)
        actions = (load, dataclasses.replace(action, after=(Edge(load.id, EdgeKind.CHAIN),)))
    return Unit(decision, Priority.DECOMMISSION, actions, None, releases, _flights(live, list(actions)))


def _flights(live: LiveModel, actions: list[Action]) -> tuple[Release, ...]:
    """The load in flight that the first of `actions` waits for, if it does."""
    version = live.live_version
    waiting = actions and actions[0].kind is ActionKind.LOAD
    return (_release(actions[0].id, version),) if version is not None and version.loading and waiting else ()


def wait_only(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that waits for the end of a deletion that is under way."""
    assert situation.live is not None
    action = wait_until_deleted(situation, decision.reason)
    releases = _releases(action.id, situation.live.versions)
    return Unit(decision, Priority.DECOMMISSION, (action,), None, releases)


def wait_until_deleted(situation: Situation, reason: Reason) -> Action:
    """Returns the action that waits until an object being deleted is gone."""
    return Action(
        id=action_id(ActionKind.WAIT_DELETED, situation.name),
        kind=ActionKind.WAIT_DELETED,
        subject=situation.name,
        reason=reason,
        time_limit=DELETION_TIME,
        source=situation.desired.source if situation.desired else None,
    )


def _load(manifest: ModelManifest, reason: Reason, memory: int | None, number: int | None = None) -> Action:
    """`memory` is in bytes per replica; None when the load is in flight already and takes nothing new."""
    spec = manifest.spec
    takes = (MemoryUse(spec.server or "", spec.wanted_replicas, memory),) if memory else ()
    return Action(
        id=action_id(ActionKind.LOAD, manifest.name, spec.digest),
        kind=ActionKind.LOAD,
        subject=manifest.name,
        reason=reason,
        time_limit=manifest.policy.load_timeout,
        digest=spec.digest,
        number=number,
        model=manifest,
        takes=takes,
        source=manifest.source if manifest.source.file else None,
        detail=spec.storage_uri,
    )


def _shift(manifest: ModelManifest, reason: Reason, number: int | None = None) -> Action:
    return Action(
        id=action_id(ActionKind.SHIFT, manifest.name, manifest.spec.digest),
        kind=ActionKind.SHIFT,
        subject=manifest.name,
        reason=reason,
        time_limit=SHIFT_TIME,
        digest=manifest.spec.digest,
        number=number,
        model=manifest,
        source=manifest.source if manifest.source.file else None,
    )


def _retire(manifest: ModelManifest, versions: list[LiveVersion], reason: Reason) -> list[Action]:
    """Drains and unloads `versions`, oldest first."""
    actions: list[Action] = []
    for version in versions:
        label = _label(version)
        source = manifest.source if manifest.source.file else None
        drain = Action(
            id=action_id(ActionKind.DRAIN, manifest.name, label),
            kind=ActionKind.DRAIN,
            subject=manifest.name,
            reason=reason,
            time_limit=manifest.policy.drain_timeout,
            digest=version.digest or "",
            number=version.number,
            model=manifest,
            source=source,
        )
        unload = Action(
            id=action_id(ActionKind.UNLOAD, manifest.name, label),
            kind=ActionKind.UNLOAD,
            subject=manifest.name,
            reason=reason,
            time_limit=UNLOAD_TIME,
            digest=version.digest or "",
            number=version.number,
            model=manifest,
            frees=(_freed(version),) if version.memory else (),
            source=source,
        )
        actions += [drain, unload]
    return actions


def _label(version: LiveVersion) -> str:
    """An older version in an action's id: two versions of one model may have the same digest (a revert, on Seldon)."""
    return f"{version.digest or 'unknown'}#{version.number}"


def _unloads(actions: list[Action], versions: list[LiveVersion]) -> tuple[Release, ...]:
    unloads = {action.number: action.id for action in actions if action.kind is ActionKind.UNLOAD}
    return tuple(_release(unloads[version.number], version) for version in versions)


def _release(action: str, version: LiveVersion) -> Release:
    return Release(action, version.server, version.occupied, version.memory)


def _releases(action: str, versions: tuple[LiveVersion, ...]) -> tuple[Release, ...]:
    return tuple(_release(action, version) for version in versions if version.occupied)


def _freed(version: LiveVersion) -> MemoryUse:
    return MemoryUse(version.server, len(version.occupied), version.memory)


def _need(situation: Situation, load: Action) -> Need:
    assert load.model is not None
    assert situation.memory is not None
    spec = load.model.spec
    return Need(load.id, situation.memory, situation.replicas, spec.needs, spec.server)
