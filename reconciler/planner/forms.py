"""The units of one model, form by form (docs/planning-decisions.md, "Forms of a rollout").

    beside     (probe) → load new → shift to it → drain old → unload old
    stepped    replicas N → k → beside with k → replicas k → N                        see `stepped`
    recreate   drain old → unload old → load new → shift to it; on Seldon the object is withdrawn and written anew
    finish     what is left of a rollout: (load) → (shift) → drain and unload of what is left over
    heal       replicas := what is available, so that the version is whole

Nothing here knows about room; a form says what it would take and give back, `ordering` says whether it can.
"""

from __future__ import annotations

import dataclasses

from reconciler.health import carries_all_traffic, leftovers
from reconciler.model.live import LiveModel, LiveVersion, ReplicaState, VersionState
from reconciler.model.manifests import ModelManifest
from reconciler.model.plan import Action, ActionKind, Decision, Edge, EdgeKind, Reason
from reconciler.planner import actions as build
from reconciler.planner.situation import Situation
from reconciler.planner.unit import Need, Priority, Release, Unit, action_id, chained


def load_new(situation: Situation, decision: Decision, wait_deleted: bool = False) -> Unit:
    """Returns the unit that loads a model the cluster does not have, once a deletion under way is over."""
    manifest = situation.written()
    waiting = [wait_until_deleted(situation, decision.reason)] if wait_deleted else []
    releases: tuple[Release, ...] = ()
    if wait_deleted and situation.live is not None:
        releases = _releases(waiting[0].id, situation.live.versions)
    loading, need = asked_load(situation, manifest, decision.reason)
    actions = [*waiting, *loading, build.shift(manifest, decision.reason)]
    return with_fewer(Unit(decision, Priority.NEW, chained(actions), need, releases), manifest)


def beside(
    situation: Situation,
    decision: Decision,
    manifest: ModelManifest | None = None,
    priority: Priority = Priority.ROLLOUT,
) -> Unit:
    """Returns the unit that loads the new version beside those that are there, then retires them."""
    assert situation.live is not None
    manifest = manifest or situation.written()
    retired = [version for version in situation.live.versions if version.occupied]
    loading, need = asked_load(situation, manifest, decision.reason)
    shift = build.shift(manifest, decision.reason)
    actions = [*loading, shift, *build.retire(manifest, retired, decision.reason)]
    return with_fewer(Unit(decision, priority, chained(actions), need, build.unloads(actions, retired)), manifest)


def recreate(situation: Situation, decision: Decision, priority: Priority = Priority.ROLLOUT) -> Unit:
    """Returns the unit that takes the old versions off first: as the manifest allows, or when nothing answers."""
    assert situation.live is not None
    manifest = situation.written()
    retired = [version for version in situation.live.versions if version.occupied]
    load = build.load(manifest, decision.reason, situation.memory)
    need = new_need(situation, manifest, load.id)
    if situation.traits.commands_traffic:
        going = build.retire(manifest, retired, decision.reason)
        releases = build.unloads(going, retired)
    else:
        going = [build.remove(ActionKind.WITHDRAW, manifest, decision.reason, situation.live.versions)]
        releases = tuple(build.release(going[0].id, version) for version in retired)
    actions = [*going, load, build.shift(manifest, decision.reason)]
    return Unit(decision, priority, chained(actions), need, releases)


def finish(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that continues the rollout to the live version from where it stands."""
    assert situation.live is not None
    live = situation.live
    actions, retired = finishing_actions(live, situation.written_as_live(), decision.reason)
    flights = _flights(live, actions)
    return Unit(decision, Priority.UNDER_WAY, chained(actions), None, build.unloads(actions, retired), flights)


def after(first: Unit, following: Unit, otherwise: Unit | None = None) -> Unit:
    """Returns `following` with the actions of `first`, which needs nothing, before its own, in all its alternatives."""
    gone = {action.id for action in first.actions}
    rest = [action for action in following.actions if action.id not in gone]
    return dataclasses.replace(
        following,
        actions=chained([*first.actions, *rest]),
        releases=first.releases + tuple(r for r in following.releases if r.action not in gone),
        flights=first.flights,
        otherwise=otherwise,
        alternatives=tuple(after(first, other, otherwise) for other in following.alternatives),
    )


def finishing_actions(
    live: LiveModel, manifest: ModelManifest, reason: Reason
) -> tuple[list[Action], list[LiveVersion]]:
    """Returns what is left to do towards the live version, and the versions that this unloads."""
    version = live.live_version
    assert version is not None
    actions: list[Action] = []
    if version.loading or version.state is VersionState.PROGRESSING:
        actions.append(build.load(manifest, reason, memory=None, number=version.number))
    if not carries_all_traffic(live, version.number):
        actions.append(build.shift(manifest, reason, number=version.number))
    retired = list(leftovers(live))
    return actions + build.retire(manifest, retired, reason), retired


def finished(live: LiveModel) -> LiveModel:
    """Returns `live` as it is once the rollout under way has reached its end."""
    version = live.live_version
    assert version is not None
    replicas = tuple((index, ReplicaState.AVAILABLE) for index in version.staying)
    over = dataclasses.replace(version, state=VersionState.AVAILABLE, replicas=replicas)
    return dataclasses.replace(live, versions=(over,), route=((version.number, 100),))


def foreseeable(live: LiveModel) -> bool:
    """Returns whether it can be told what the rollout under way leaves.

    It cannot where replicas are being moved elsewhere, or where some have failed, or found no place, already.
    """
    version = live.live_version
    assert version is not None
    going_well = version.state in (VersionState.PROGRESSING, VersionState.AVAILABLE)
    return going_well and version.staying == version.occupied


def heal(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that asks for as many replicas as are available, so that the version is whole.

    On Seldon a version that is not whole loses its route as soon as another one is on its way (docs/seldon.md, "How a
    rolling update really runs").
    """
    version = situation.live_version
    assert version is not None
    assert situation.live is not None
    record = situation.live.rollout if situation.serves_previous and situation.desired is not None else None
    manifest = situation.with_replicas(situation.written_as_live(), version.available, record)
    detail = f"replicas {version.wanted} → {version.available}, what is available"
    action = build.change(
        manifest, Reason.AVAILABLE_ONLY, version, version.memory, version.available, f"*{version.available}", detail
    )
    return Unit(decision, Priority.UNDER_WAY, (action,))


def healed(live: LiveModel) -> LiveModel:
    """Returns `live` as it is once `heal` is done."""
    version = live.live_version
    assert version is not None
    replicas = tuple(pair for pair in version.replicas if pair[1] is ReplicaState.AVAILABLE)
    whole = dataclasses.replace(
        version, state=VersionState.AVAILABLE, replicas=replicas, wanted=version.available, reason=""
    )
    spec = dataclasses.replace(live.spec, replicas=version.available)
    return dataclasses.replace(live, spec=spec, versions=(*live.versions[:-1], whole), route=((version.number, 100),))


def change(
    situation: Situation,
    decision: Decision,
    version: LiveVersion,
    manifest: ModelManifest | None = None,
    restores: bool = False,
) -> Unit:
    """Returns the unit that changes `version` in place: replicas, min, max, logger, metadata.

    With `restores` the version is an older one that becomes the live version again; newer ones are unloaded first.
    """
    assert situation.live is not None
    manifest = manifest or situation.written()
    wanted = manifest.spec.wanted_replicas
    growth = max(0, wanted - len(version.staying))
    detail = f"replicas {version.wanted} → {wanted}" if wanted != version.wanted else ""
    memory = version.memory or situation.memory or 0
    action = build.change(manifest, decision.reason, version, memory, detail=detail)
    need, asking = None, []
    if growth:
        occupied = frozenset(version.occupied)
        asking = _asked_growth(situation, manifest, version, growth, action) if situation.unverified else []
        asked_by = asking[0].id if asking else None
        need = Need(action.id, memory, growth, frozenset(), version.server, occupied, asked_by)
    newer = [v for v in situation.live.versions if restores and v.number > version.number and v.occupied]
    going = build.retire(manifest, newer, decision.reason)
    return Unit(decision, Priority.GROWTH, chained([*going, *asking, action]), need, build.unloads(going, newer))


def _asked_growth(
    situation: Situation, manifest: ModelManifest, version: LiveVersion, growth: int, action: Action
) -> list[Action]:
    """Returns the probe before a growth in place, of as many replicas as are added, on the server it is on.

    It may be placed beside replicas that the version has already, so only what it refuses is certain. Where the
    scheduler can be asked what is free, it is not worth the while.
    """
    if not situation.probes or not version.server:
        return []
    spec = dataclasses.replace(manifest.spec, replicas=growth, min_replicas=None, server=version.server)
    probe = build.probe(dataclasses.replace(manifest, spec=spec), action.reason, version.memory or situation.memory)
    return [dataclasses.replace(probe, id=action_id(probe.kind, manifest.name, action.digest), digest=action.digest)]


def retrigger(situation: Situation, decision: Decision, priority: Priority = Priority.GROWTH) -> Unit:
    """Returns the unit that has the same version scheduled once more, and then finishes what it replaces."""
    assert situation.live is not None
    live, version = situation.live, situation.live_version
    held = version.staying if version is not None else ()
    manifest = situation.recorded(situation.written())
    missing = max(0, situation.replicas - len(held))
    memory = situation.memory or (version.memory if version is not None else 0)
    action = build.retrigger(manifest, decision.reason, memory, missing, version)
    placed = version.server if version is not None and held else None
    # Beside replicas that it has already, a probe would be placed where this version cannot go: it would say nothing.
    asking = [build.probe(manifest, decision.reason, memory)] if situation.probes and not placed else []
    need = Need(
        action.id,
        memory,
        missing,
        frozenset() if placed else manifest.spec.needs,
        placed or manifest.spec.server,
        frozenset(version.occupied) if version is not None and placed else frozenset(),
        asking[0].id if asking else None,
    )
    actions: list[Action] = [*asking, action]
    number = version.number if version is not None else None
    if number is None or not carries_all_traffic(live, number):
        actions.append(build.shift(manifest, decision.reason, number))
    retired = list(leftovers(live))
    actions += build.retire(manifest, retired, decision.reason)
    return Unit(decision, priority, chained(actions), need if missing else None, build.unloads(actions, retired))


def adopt(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that marks a live object as ours and changes nothing else."""
    return Unit(decision, Priority.UNDER_WAY, (build.adopt(situation.written(), decision.reason),))


def decommission(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that unloads a model for good and deletes its object.

    A load in flight is waited for, however it ends: deleting it would leak its room (docs/seldon.md, "Capacity").
    """
    assert situation.live is not None
    live, manifest = situation.live, situation.written_as_live()
    version = live.live_version
    action = build.remove(ActionKind.DECOMMISSION, manifest, decision.reason, live.versions)
    releases = _releases(action.id, live.versions)
    actions: tuple[Action, ...] = (action,)
    if version is not None and version.loading:
        load = build.load(manifest, decision.reason, memory=None, number=version.number)
        actions = (load, dataclasses.replace(action, after=(Edge(load.id, EdgeKind.CHAIN),)))
    return Unit(decision, Priority.DECOMMISSION, actions, None, releases, _flights(live, list(actions)))


def wait_only(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that waits for the end of a deletion that is under way."""
    assert situation.live is not None
    action = wait_until_deleted(situation, decision.reason)
    return Unit(decision, Priority.DECOMMISSION, (action,), None, _releases(action.id, situation.live.versions))


def wait_until_deleted(situation: Situation, reason: Reason) -> Action:
    """Returns the action that waits until the model's object is gone."""
    assert situation.live is not None
    source = situation.desired.source if situation.desired else None
    return build.wait_until_deleted(situation.name, reason, situation.live.versions, source)


def asked_load(situation: Situation, manifest: ModelManifest, reason: Reason) -> tuple[list[Action], Need]:
    """Returns the load of `manifest`, after the probe that asks for it where one is due, and what they take."""
    memory = situation.memory_of(manifest.spec)
    load = build.load(manifest, reason, memory)
    asking = [build.probe(manifest, reason, memory)] if situation.probes else []
    return [*asking, load], new_need(situation, manifest, load.id, asking[0].id if asking else None)


def new_need(situation: Situation, manifest: ModelManifest, action: str, asked_by: str | None = None) -> Need:
    """Returns what a new version takes."""
    spec = manifest.spec
    memory = situation.memory_of(spec)
    assert memory is not None
    return Need(action, memory, spec.wanted_replicas, spec.needs, spec.server, asked_by=asked_by)


def with_fewer(unit: Unit, manifest: ModelManifest) -> Unit:
    """Returns `unit` with the alternative to take what there is: `minReplicas` (docs/seldon.md, "Capacity")."""
    spec, need = manifest.spec, unit.need
    least = min(spec.min_replicas or spec.wanted_replicas, spec.wanted_replicas)
    if need is None or not 0 < least < need.replicas:
        return unit
    fewer = dataclasses.replace(need, replicas=least, most=need.replicas)
    detail = f"{unit.decision.detail}, at least {least} of them now (minReplicas)"
    partly = dataclasses.replace(unit, need=fewer, decision=dataclasses.replace(unit.decision, detail=detail))
    return dataclasses.replace(unit, alternatives=(*unit.alternatives, partly))


def _flights(live: LiveModel, actions: list[Action]) -> tuple[Release, ...]:
    """The load in flight that the first of `actions` waits for, if it does."""
    version = live.live_version
    waiting = actions and actions[0].kind is ActionKind.LOAD
    return (build.release(actions[0].id, version),) if version is not None and version.loading and waiting else ()


def _releases(action: str, versions: tuple[LiveVersion, ...]) -> tuple[Release, ...]:
    return tuple(build.release(action, version) for version in versions if version.occupied)
