"""Bringing a model back: on the air when no version answers, to whole when something ended half way.

rescue         off the air: once more as it is → with fewer replicas → the version before → recreate
back_to_whole  what a failed, refused or abandoned rollout left: heal, grow back, or go back
to_the_end     what is under way reaches a point where the model is whole
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from reconciler.health import leftovers, rollout_under_way
from reconciler.model.live import LiveVersion, VersionState
from reconciler.model.plan import Decision
from reconciler.planner import actions as build
from reconciler.planner import forms
from reconciler.planner.situation import Situation
from reconciler.planner.stepped import previous, way_back
from reconciler.planner.unit import Need, Priority, Unit, chained


def rescue(situation: Situation, decision: Decision) -> Unit:
    """Returns the unit that brings a model back on the air; every way to do so that takes less is an alternative.

    As soon as any version that can be placed is written, one that is still loaded answers again, while that one loads
    (docs/seldon.md, "How a rolling update really runs").
    """
    assert situation.live is not None
    if situation.same_version and not _nothing_left(situation):
        first = forms.retrigger(situation, decision, Priority.RESCUE)
    else:
        first = forms.beside(situation, decision, situation.recorded(situation.written()), Priority.RESCUE)
    return dataclasses.replace(first, alternatives=tuple(_others(situation, decision)))


def back_to_whole(situation: Situation, decision: Decision) -> Unit | None:
    """Returns the unit that makes whole what serves now, None if it is or nothing can be done.

    The decision stays as it is: what is held stays held while the model comes back.
    """
    live, version, serving = situation.live, situation.live_version, situation.serving
    if live is None or version is None or serving is None:
        return None
    if serving == version:
        return _live_version_to_whole(situation, decision, version)
    if live.rollout is None or not situation.serves_previous or serving.available >= live.rollout.replicas:
        return None
    if situation.traits.reuses_versions:
        return forms.change(situation, decision, serving, previous(situation), restores=True)
    return None if situation.memory_of(live.rollout.previous) is None else way_back(situation, decision)


def _live_version_to_whole(situation: Situation, decision: Decision, version: LiveVersion) -> Unit | None:
    """Heals what failed in part; a version that gave up replicas for another one gets them back."""
    assert situation.live is not None
    if version.state in (VersionState.FAILED, VersionState.SCHEDULE_FAILED):
        return None if situation.traits.commands_traffic else forms.heal(situation, decision)
    rollout = situation.live.rollout
    if rollout is None or version.state is not VersionState.AVAILABLE:
        return None
    manifest = situation.with_replicas(situation.written_as_live(), max(rollout.replicas, version.wanted))
    return forms.change(situation, decision, version, manifest)


def to_the_end(situation: Situation, decision: Decision) -> Unit | None:
    """Returns the unit after which nothing is half way any more, None if nothing is."""
    live = situation.live
    assert live is not None
    if not rollout_under_way(live):
        return back_to_whole(situation, decision) if live.rollout is not None else None
    first = forms.finish(situation, decision)
    if live.rollout is None or not forms.foreseeable(live):
        return first
    following = back_to_whole(dataclasses.replace(situation, live=forms.finished(live)), decision)
    return first if following is None else forms.after(first, following, otherwise=first)


def _nothing_left(situation: Situation) -> bool:
    """Whether, on a cluster where we shift, nothing is loaded any more: what an ended `recreate` leaves."""
    assert situation.live is not None
    return situation.traits.commands_traffic and not any(v.occupied for v in situation.live.versions)


def _others(situation: Situation, decision: Decision) -> Iterator[Unit]:
    live = situation.live
    assert live is not None
    for replicas in range(situation.replicas - 1, 0, -1):
        count = f"{replicas} replica{'' if replicas == 1 else 's'}"
        yield _with_fewer(situation, _also(decision, f"with {count} only"), replicas)
    previously = None if live.rollout is None else live.rollout.previous
    known = previously is not None and situation.memory_of(previously) is not None
    if previously is not None and known and previously.digest != situation.written().spec.digest:
        before = _also(decision, f"back to {previously.storage_uri}")
        yield forms.beside(situation, before, previous(situation), Priority.RESCUE)
    if any(version.occupied for version in live.versions):
        yield forms.recreate(situation, _also(decision, "recreated: nothing answers anyway"), Priority.RESCUE)


def _with_fewer(situation: Situation, decision: Decision, replicas: int) -> Unit:
    """The desired version with fewer replicas: scheduled anew by the change, or loaded so."""
    live, version = situation.live, situation.live_version
    assert live is not None
    manifest = situation.with_replicas(situation.written(), replicas, live.rollout)
    if not situation.same_version or version is None or _nothing_left(situation):
        return forms.beside(situation, decision, manifest, Priority.RESCUE)
    memory = situation.memory or version.memory
    held = len(version.staying)
    change = build.change(manifest, decision.reason, version, memory, held, f"*{replicas}", f"replicas {replicas}")
    need = _change_need(change.id, manifest.spec.needs, situation, memory, replicas)
    retired = list(leftovers(live))
    actions = [change, build.shift(manifest, decision.reason, version.number)]
    actions += build.retire(manifest, retired, decision.reason)
    return Unit(decision, Priority.RESCUE, chained(actions), need, build.unloads(actions, retired))


def _change_need(action: str, needs: frozenset[str], situation: Situation, memory: int, replicas: int) -> Need | None:
    version = situation.live_version
    held = version.staying if version is not None else ()
    missing = replicas - len(held)
    if missing <= 0:
        return None
    if version is None or not held:
        return Need(action, memory, missing, needs, situation.written().spec.server)
    return Need(action, memory, missing, frozenset(), version.server, frozenset(version.occupied))


def _also(decision: Decision, text: str) -> Decision:
    return dataclasses.replace(decision, detail=f"{decision.detail}; {text}")
