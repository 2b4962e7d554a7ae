"""The decision table (docs/planning-decisions.md): one function per row, asked in order, the first answer counts.

A row looks at one model only. It answers with a `Verdict`: the decision as it stands if room allows, and the unit of
actions that carries it out, if there is anything to do. Where something has to be brought to its end first (rows 6, 7
and 10), the table is asked again, on the state that this leaves, and both become one unit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from reconciler.health import is_whole, load_failed
from reconciler.model.live import GONE, ReplicaState, VersionState
from reconciler.model.manifests import Strategy
from reconciler.model.plan import Decision, Reason, Verb
from reconciler.planner import forms
from reconciler.planner.failures import cannot_be_healed, held, tried_again
from reconciler.planner.rescue import back_to_whole, rescue, to_the_end
from reconciler.planner.situation import Situation
from reconciler.planner.stepped import rolling
from reconciler.planner.unit import Priority, Unit
from reconciler.planner.verdicts import (
    GAP,
    Verdict,
    adopted,
    available,
    decision_on,
    in_place_detail,
    say,
    unknown_memory,
    version_detail,
)

Row = Callable[[Situation], Verdict | None]

TAKE_IN = 2.0
"""Seconds after which to look again: an object is taken in after 0.1 to 1.5 s (docs/seldon.md, "The objects")."""


def decide(situation: Situation) -> Verdict:
    """Returns the answer of the first row that applies; exactly one always does."""
    for row in ROWS:
        verdict = row(situation)
        if verdict is not None:
            return verdict
    raise AssertionError(f"no row of the decision table applies to {situation.name}")


def other_instance(situation: Situation) -> Verdict | None:
    """Row 1: present in Git, live object owned by another instance → refuse, say whose."""
    if situation.desired is None or not situation.foreign or situation.live is None:
        return None
    owner = situation.live.instance
    fixes = (f"remove the manifest, or take the model out of instance {owner}",)
    return say(situation, 1, Verb.REFUSED, Reason.OTHER_INSTANCE, f"the owner is instance {owner}", fixes)


def suspended(situation: Situation) -> Verdict | None:
    """Row 2: suspended → hold; what is under way first reaches a point where the model is whole."""
    if situation.desired is None or not situation.desired.policy.suspend:
        return None
    live = situation.live
    if live is not None and situation.ours and not live.deleting:
        decision = decision_on(
            situation, 2, Verb.CONTINUE, Reason.SUSPENDED, "the rollout under way is finished, then held"
        )
        unit = to_the_end(situation, decision)
        if unit is not None:
            return Verdict(decision, unit)
    return say(situation, 2, Verb.HOLD, Reason.SUSPENDED)


def being_deleted(situation: Situation) -> Verdict | None:
    """Row 3: the object is being deleted → wait until it is gone, within a time limit; then load, if Git has it."""
    if situation.live is None or not situation.live.deleting or not (situation.desired or situation.ours):
        return None
    if situation.desired is None:
        decision = decision_on(situation, 3, Verb.WAIT, Reason.BEING_DELETED)
        return Verdict(decision, forms.wait_only(situation, decision))
    if situation.memory is None:
        return unknown_memory(situation, 3)
    decision = decision_on(situation, 3, Verb.LOAD, Reason.BEING_DELETED, "loaded once the old object is gone")
    return Verdict(decision, forms.load_new(situation, decision, wait_deleted=True))


def absent_on_cluster(situation: Situation) -> Verdict | None:
    """Row 4: present in Git, absent on the cluster → load."""
    if situation.desired is None or situation.live is not None:
        return None
    if situation.memory is None:
        return unknown_memory(situation, 4)
    decision = decision_on(situation, 4, Verb.LOAD, Reason.NEW, version_detail(situation))
    return Verdict(decision, forms.load_new(situation, decision))


def not_taken_in(situation: Situation) -> Verdict | None:
    """Row 8, asked first: what was written last is not taken in yet, so nothing that is seen is of it → wait."""
    live = situation.live
    if situation.desired is None or live is None or situation.traits.commands_traffic or situation.taken_in:
        return None
    decision = decision_on(situation, 8, Verb.WAIT, Reason.NOT_TAKEN_IN)
    return Verdict(decision, due=situation.now + TAKE_IN)


def off_the_air(situation: Situation) -> Verdict | None:
    """Row 5: off the air, no load in flight, and not merely because this version failed → rescue (see `rescue`).

    A model that an autoscaler asks for no replica of is as it should be.
    """
    live = situation.live
    if situation.desired is None or live is None or situation.serving is not None:
        return None
    if situation.replicas == 0:
        return say(situation, 15, Verb.IN_SYNC, Reason.SAME, "an autoscaler asks for no replica of it")
    version = live.live_version
    failed = version is not None and (load_failed(version) or version.state is VersionState.FAILED)
    coming_back = version is not None and (version.loading or version.state is VersionState.PROGRESSING)
    only_to_shift = version is not None and situation.traits.commands_traffic and is_whole(version)
    if failed or coming_back or only_to_shift:
        return None
    if situation.memory is None:
        return unknown_memory(situation, 5)
    if situation.held_until is not None:
        return None
    decision = decision_on(situation, 5, Verb.RESCUE, Reason.OFF_THE_AIR, version_detail(situation))
    return Verdict(decision, rescue(situation, decision))


def same_rollout(situation: Situation) -> Verdict | None:
    """Row 6: a rollout towards this very version is under way → continue it from where it stands, then decide again."""
    if not situation.same_version or not situation.under_way:
        return None
    decision = decision_on(situation, 6, Verb.CONTINUE, Reason.UNDER_WAY, version_detail(situation))
    return _finished_first(situation, decision, takes_over=False)


def other_rollout(situation: Situation) -> Verdict | None:
    """Row 7: a rollout towards another version is under way → finish it, then decide again on what that leaves.

    A load in flight is never superseded: its room would leak (docs/seldon.md, "Capacity").
    """
    if situation.desired is None or not situation.under_way:
        return None
    return _finished_first(situation, decision_on(situation, 7, Verb.CONTINUE, Reason.OTHER_ROLLOUT), takes_over=True)


def _finished_first(situation: Situation, finishing: Decision, takes_over: bool) -> Verdict:
    """What is under way is finished, and whatever the table says of the state that leaves follows in the same unit.

    Where nobody can tell what that leaves, the next pass decides.

    Args:
        takes_over: whether the plan says what follows, rather than that something is finished.
    """
    assert situation.live is not None
    if not forms.foreseeable(situation.live):
        return Verdict(finishing, forms.finish(situation, finishing), due=situation.now)
    following = decide(dataclasses.replace(situation, live=forms.finished(situation.live)))
    if following.unit is None:
        told = dataclasses.replace(following.decision, row=finishing.row) if takes_over else finishing
        return Verdict(told, forms.finish(situation, told), following.due)
    first = forms.finish(situation, finishing)
    detail = f"{following.decision.detail}, after the rollout under way".removeprefix(", ")
    told = dataclasses.replace(following.decision, row=finishing.row, detail=detail) if takes_over else finishing
    unit = _telling(forms.after(first, following.unit, otherwise=first), told)
    return Verdict(told, unit, following.due)


def _telling(unit: Unit, decision: Decision) -> Unit:
    """Returns `unit` saying `decision`; its alternatives say what is special about them as well."""
    others = tuple(
        dataclasses.replace(
            other,
            decision=dataclasses.replace(other.decision, row=decision.row),
        )
        for other in unit.alternatives
    )
    return dataclasses.replace(unit, decision=decision, alternatives=others)


def progressing(situation: Situation) -> Verdict | None:
    """Row 8: a version still growing, shrinking or moving → wait, within a time limit; the next pass decides again.

    One of which no replica is on its way any more moves no further, whatever its state is called.
    """
    version = situation.live_version
    if situation.desired is None or version is None or version.state is not VersionState.PROGRESSING:
        return None
    if version.replicas and all(state in GONE | {ReplicaState.AVAILABLE} for _, state in version.replicas):
        return None
    decision = decision_on(situation, 8, Verb.WAIT, Reason.PROGRESSING, available(version))
    return Verdict(decision, forms.finish(situation, decision), due=situation.now)


def failed_before(situation: Situation) -> Verdict | None:
    """Row 9: this version failed to load before → hold until its back-off ends, the manifest or `retry` changes.

    Meanwhile, and before it is tried again, what serves is brought back to whole. A version that the scheduler refused
    against all reckoning is held in the same way, and called blocked: it did not fail.
    """
    live, version = situation.live, situation.live_version
    if situation.desired is None or live is None or version is None:
        return None
    failed_now = situation.same_version and load_failed(version)
    failure = live.failure if live.failure and live.failure.digest == situation.desired.spec.digest else None
    settled = situation.same_version and is_whole(version) and version.wanted >= situation.replicas
    if not failed_now and (failure is None or settled):
        return None
    cause = failure.why if failure is not None else version.reason
    if situation.held_until is not None:
        decision = dataclasses.replace(held(situation, failure), failure=cause)
        unit = back_to_whole(situation, decision)
        return Verdict(decision, unit, due=situation.held_until)
    return tried_again(situation, cause) if failed_now else None


def not_whole(situation: Situation) -> Verdict | None:
    """Row 10: another live version serves with some replicas, but is not whole → heal it in place, then roll out.

    Only on Seldon, where it would lose its route (docs/seldon.md, "How a rolling update really runs"), and only if what
    follows is not blocked. An older version than the live one cannot be healed in place, nor one of which all that
    answers drains: there is nothing available to ask for.
    """
    serving = situation.serving
    if situation.desired is None or serving is None or situation.same_version or is_whole(serving):
        return None
    if situation.traits.commands_traffic or situation.desired.policy.strategy is Strategy.RECREATE:
        return None
    if situation.route_at_risk:
        return cannot_be_healed(situation, 10)
    if not serving.available:
        detail = "what answers drains, and is about to be placed elsewhere"
        return say(situation, 10, Verb.WAIT, Reason.PROGRESSING, detail)
    assert situation.live is not None
    first = forms.heal(situation, decision_on(situation, 10, Verb.HEAL, Reason.NOT_WHOLE, available(serving)))
    following = decide(dataclasses.replace(situation, live=forms.healed(situation.live)))
    if following.unit is None:
        return following
    told = dataclasses.replace(
        following.decision, row=10, detail=f"{following.decision.detail}; healed first: {available(serving)}"
    )
    return Verdict(told, _telling(forms.after(first, following.unit), told), following.due)


def another_version(situation: Situation) -> Verdict | None:
    """Row 11: another version serves, whole → roll out by its strategy, in the gentlest form that fits.

    Where the cluster can go back without a load, and the serving version is the one Git asks for again, it goes back.
    """
    if situation.desired is None or situation.live is None or situation.same_version:
        return None
    serving = situation.serving
    if serving is not None and situation.traits.reuses_versions and serving.digest == situation.desired.spec.digest:
        decision = decision_on(
            situation, 11, Verb.CHANGE, Reason.REVERT, f"{serving.digest} becomes the live version again"
        )
        return Verdict(decision, forms.change(situation, decision, serving, restores=True))
    if situation.memory is None:
        return unknown_memory(situation, 11)
    recreated = situation.desired.policy.strategy is Strategy.RECREATE
    verb = Verb.LOAD if serving is None else Verb.RECREATE if recreated else Verb.ROLL_OUT
    gap = GAP if recreated and serving is not None else ""
    failure = situation.live.failure
    again = failure is not None and failure.digest == situation.desired.spec.digest
    detail = version_detail(situation) + gap + adopted(situation)
    decision = decision_on(situation, 11, verb, Reason.RETRY if again else Reason.NEW_VERSION, detail)
    if recreated:
        return Verdict(decision, forms.recreate(situation, decision))
    unit = rolling(situation, decision, situation.written(), Priority.ROLLOUT)
    returning = back_to_whole(situation, dataclasses.replace(decision, verb=Verb.BLOCKED, reason=Reason.WAY_BACK))
    if returning is not None:
        unit = dataclasses.replace(unit, alternatives=(*unit.alternatives, returning))
    return Verdict(decision, unit)


def in_place(situation: Situation) -> Verdict | None:
    """Row 12: same version, other replicas/min/max/logger/metadata → change in place, if what it asks can be placed."""
    desired, live, version = situation.desired, situation.live, situation.live_version
    if desired is None or live is None or version is None or not version.available:
        return None
    wanted = (situation.replicas, *desired.spec.in_place[1:])
    current = (live.spec.wanted_replicas, *live.spec.in_place[1:])
    stepping = live.rollout is not None
    if wanted == current and not stepping and not situation.metadata_differs():
        return None
    detail = in_place_detail(current, wanted) + adopted(situation)
    reason = Reason.GROW_BACK if stepping else Reason.IN_PLACE
    decision = decision_on(situation, 12, Verb.CHANGE, reason, detail)
    if situation.replicas > version.wanted and not version.memory and situation.memory is None:
        return unknown_memory(situation, 12)
    return Verdict(decision, forms.change(situation, decision, version))


def same_not_whole(situation: Situation) -> Verdict | None:
    """Row 13: same version, not whole → schedule it once more, when what it lacked is there."""
    version = situation.live_version
    if situation.desired is None or (version is not None and is_whole(version)):
        return None
    if situation.memory is None:
        return unknown_memory(situation, 13)
    if situation.route_at_risk:
        return cannot_be_healed(situation, 13)
    detail = available(version) if version else "the cluster knows no version"
    decision = decision_on(situation, 13, Verb.HEAL, Reason.NOT_WHOLE, detail)
    return Verdict(decision, forms.retrigger(situation, decision))


def not_ours(situation: Situation) -> Verdict | None:
    """Row 14: the same, but not ours → adopt, visibly."""
    if situation.desired is None or situation.live is None or situation.live.instance is not None:
        return None
    decision = decision_on(situation, 14, Verb.ADOPT, Reason.NOT_OURS_YET, "it gets our label, nothing else changes")
    return Verdict(decision, forms.adopt(situation, decision))


def in_sync(situation: Situation) -> Verdict | None:
    """Row 15: the same → nothing."""
    if situation.desired is None:
        return None
    return say(situation, 15, Verb.IN_SYNC, Reason.SAME)


def removed(situation: Situation) -> Verdict | None:
    """Row 16: absent in Git, ours → decommission, if no guard stops it (guards that count are in `guards`).

    A load in flight is waited for: deleting it would leak its room.
    """
    if not situation.ours or situation.live is None:
        return None
    decision = decision_on(situation, 16, Verb.DECOMMISSION, Reason.REMOVED)
    return Verdict(decision, forms.decommission(situation, decision), guarded=to_the_end(situation, decision))


def unmanaged(situation: Situation) -> Verdict | None:
    """Row 17: absent in Git, not ours → leave, report as unmanaged."""
    owner = situation.live.instance if situation.live else None
    detail = f"owned by instance {owner}" if owner else ""
    return say(situation, 17, Verb.UNMANAGED, Reason.NOT_IN_GIT, detail)


def unfinished(situation: Situation) -> Verdict | None:
    """Without a valid commit: what is under way from the last valid one is finished; all else is left as it is."""
    live = situation.live
    if live is None or not situation.ours or live.deleting:
        return None
    decision = decision_on(situation, 6, Verb.CONTINUE, Reason.UNDER_WAY, "begun by the last valid commit")
    unit = to_the_end(situation, decision)
    return None if unit is None else Verdict(decision, unit)


ROWS: tuple[Row, ...] = (
    other_instance,
    suspended,
    being_deleted,
    absent_on_cluster,
    not_taken_in,
    off_the_air,
    same_rollout,
    other_rollout,
    progressing,
    failed_before,
    not_whole,
    another_version,
    in_place,
    same_not_whole,
    not_ours,
    in_sync,
    removed,
    unmanaged,
)
