"""The form *stepped*: where there is no room beside the old version, it gives up replicas first.

How a model of 600k on both replicas of a server of 1M gets a new version (`shrink-first-fixed-size`)::

    action              mlserver/0    mlserver/1    what answers
                        v1            v1            both
    change  2 → 1       v1            (free)        mlserver/0      writes the annotation `rollout`
    load    v2 (1)      v1            v2            mlserver/0
    shift               v1            v2            mlserver/1
    unload  v1          (free)        v2            mlserver/1
    change  1 → 2       v2            v2            both            removes the annotation

The same unit without its first step continues one that was ended half way, and, led by the spec in the annotation, is
the way back when the new version failed to load.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from reconciler.health import is_whole
from reconciler.model.live import LiveModel, LiveVersion, Rollout
from reconciler.model.manifests import ModelManifest
from reconciler.model.plan import Action, ActionKind, Decision, Reason
from reconciler.planner import actions as build
from reconciler.planner.forms import asked_load, beside
from reconciler.planner.situation import Situation, on_record
from reconciler.planner.unit import Need, Priority, Steps, Unit, chained


def rolling(situation: Situation, decision: Decision, target: ModelManifest, priority: Priority) -> Unit:
    """Returns the rollout to `target`: beside, with every stepped form as an alternative, the gentlest first."""
    unit = _beside(situation, decision, target, priority)
    if situation.serving is None:
        return unit
    reason = _no_steps(situation, situation.serving, target)
    if reason:
        return dataclasses.replace(unit, no_steps=reason)
    others = tuple(_stepped(situation, decision, target, priority, *counts) for counts in _counts(situation, target))
    return dataclasses.replace(unit, alternatives=(*unit.alternatives, *others))


def _no_steps(situation: Situation, serving: LiveVersion, target: ModelManifest) -> str:
    """Why the rollout has no stepped form, whatever room there is; empty if it has one."""
    if target.spec.wanted_replicas == 1 and serving.available == 1:
        return "it has only one replica"
    if not situation.may_step:
        return "its manifest does not say spec.replicas, so their number is not ours to lower"
    if not is_whole(serving) or serving.staying != serving.occupied:
        return f"version {serving.number} is not whole"
    if any(True for _ in _counts(situation, target)):
        return ""
    if serving != situation.live_version:
        return f"version {serving.number} is not the live version, so it cannot be changed"
    return f"max-unavailable {situation.policy.max_unavailable or '50%'} lets it give up none"


def way_back(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that brings the version before a stepped rollout back to all its replicas, by another load."""
    target = previous(situation)
    return rolling(situation, decision, target, Priority.RESCUE)


def previous(situation: Situation) -> ModelManifest:
    """Returns what served before the stepped rollout on record, whole, as a manifest."""
    assert situation.live is not None
    rollout = situation.live.rollout
    assert rollout is not None
    manifest = situation.written_as_live()
    before = dataclasses.replace(manifest, spec=rollout.previous)
    return situation.with_replicas(before, rollout.replicas)


def _beside(situation: Situation, decision: Decision, target: ModelManifest, priority: Priority) -> Unit:
    """The gentlest form; what a stepped rollout on record has to return to stays on record until this one is over."""
    live, serving = situation.live, situation.serving
    assert live is not None
    if live.rollout is None or serving is None:
        return beside(situation, decision, target, priority)
    kept = on_record(target, _rollout(situation, live, serving, target))
    unit = beside(situation, decision, kept, priority)
    over = build.grow_back(target, Reason.GROW_BACK, situation.memory_of(target.spec) or 0, target.spec.wanted_replicas)
    return dataclasses.replace(unit, actions=chained([*unit.actions, over]))


def _counts(situation: Situation, target: ModelManifest) -> Iterator[tuple[int, int]]:
    """Yields (replicas that the old version keeps, replicas that the new one begins with), the gentlest first.

    Only the live version can be changed in place, so only it can give up replicas.
    """
    serving = situation.serving
    assert serving is not None
    wanted, held = target.spec.wanted_replicas, serving.available
    # A count that we lowered before may be below what the manifest asks; it is never lowered further.
    floor = min(held, max(1, wanted - situation.most_unavailable(wanted)))
    for answering in range(min(held, wanted), floor - 1, -1):
        if answering < wanted:
            yield held, answering
        if answering < held and serving == situation.live_version:
            yield answering, answering


def _stepped(
    situation: Situation, decision: Decision, target: ModelManifest, priority: Priority, keep: int, begin: int
) -> Unit:
    live, serving = situation.live, situation.serving
    assert live is not None
    assert serving is not None
    wanted = target.spec.wanted_replicas
    rollout = _rollout(situation, live, serving, target)
    first = situation.with_replicas(target, begin, rollout if begin < wanted else None)
    retired = [version for version in live.versions if version.occupied]
    meanwhile = _meanwhile(min(keep, begin))
    shrink = [_shrink(situation, serving, keep, rollout, meanwhile)] if keep < serving.available else []
    loading, need = asked_load(situation, first, decision.reason)
    going = [_fewer(action, serving, keep) for action in build.retire(target, retired, decision.reason)]
    actions = [*shrink, *loading, build.shift(first, decision.reason), *going]
    grow = None
    if begin < wanted:
        growing = build.grow_back(target, Reason.GROW_BACK, need.amount, begin)
        actions.append(growing)
        grow = Need(growing.id, need.amount, wanted - begin, target.spec.needs, target.spec.server)
    unload = next(a.id for a in going if a.kind is ActionKind.UNLOAD and a.number == serving.number)
    steps = Steps(serving.server, serving.occupied, serving.memory, keep, unload, actions[0].id, grow)
    before = (
        situation.serves_previous and live.rollout is not None and target.spec.digest == live.rollout.previous.digest
    )
    what = "the one before" if before else "the new version"
    told = dataclasses.replace(decision, detail=f"{decision.detail}; {_told(serving, what, keep, begin, wanted)}")
    return Unit(told, priority, chained(actions), need, build.unloads(actions, retired), steps=steps)


def _rollout(situation: Situation, live: LiveModel, serving: LiveVersion, target: ModelManifest) -> Rollout | None:
    """What is kept on the object; None where what serves cannot be told any more.

    A rollout on record that leads elsewhere now keeps what it had to return to.
    """
    before = live.rollout
    if before is not None and situation.serves_previous:
        return dataclasses.replace(before, digest=target.spec.digest)
    if serving != live.live_version:
        return None
    previous = dataclasses.replace(live.spec, replicas=None)
    whole = serving.wanted if before is None else max(serving.wanted, before.replicas)
    return Rollout(target.spec.digest, previous, whole, situation.now)


def _shrink(situation: Situation, serving: LiveVersion, keep: int, rollout: Rollout | None, told: str) -> Action:
    manifest = situation.with_replicas(situation.written_as_live(), keep, rollout)
    detail = f"replicas {serving.wanted} → {keep}; {told}"
    return build.change(manifest, Reason.STEPPED, serving, serving.memory, label=f"*{keep}", detail=detail)


def _fewer(action: Action, serving: LiveVersion, keep: int) -> Action:
    """The unload of the serving version frees only what the shrink left."""
    if action.kind is not ActionKind.UNLOAD or action.number != serving.number:
        return action
    return dataclasses.replace(action, frees=tuple(dataclasses.replace(use, replicas=keep) for use in action.frees))


def _told(serving: LiveVersion, what: str, keep: int, begin: int, wanted: int) -> str:
    """The sentence that tells beforehand what serves meanwhile."""
    first = f"replicas {serving.wanted} → {keep} first, " if keep < serving.available else ""
    last = f", then {begin} → {wanted}" if begin < wanted else ""
    return f"stepped: {first}{what} with {begin}{last}; {_meanwhile(min(keep, begin))}"


def _meanwhile(least: int) -> str:
    answer = f"{least} replica answers" if least == 1 else f"{least} replicas answer"
    return f"at least {answer} meanwhile"
