"""One plan, as a story: decide and arrange, say what would help, put in order, replay."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from reconciler.errors import PlanUnsafe, UsageError
from reconciler.model.admission import Refusal
from reconciler.model.live import LiveState
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Guards, Plan
from reconciler.planner.capacity import capacity
from reconciler.planner.fingerprint import fingerprint
from reconciler.planner.fixes import fixes_for, texts
from reconciler.planner.graph import in_order
from reconciler.planner.outline import Outline, outline, outline_unfinished
from reconciler.planner.refusals import by_object
from reconciler.planner.replay import violations


def plan(desired: DesiredState, live: LiveState, guards: Guards, refusals: Iterable[Refusal] = ()) -> Plan:
    """Returns the plan that brings `live` to `desired` as far as room and guards allow.

    Args:
        refusals: what the cluster would not take; these objects stay as they are.

    Raises:
        UsageError: `guards` are impossible (`max_deletions`), or `guards.only` names a model that is nowhere.
        PlanUnsafe: the replay checker refused the result: a bug in this package, nothing was changed.
    """
    _check_selection(desired, live, guards)
    found = outline(desired, live, guards, refusals=by_object(refusals))
    offered = {name: texts(fixes) for name, fixes in fixes_for(found, desired, live, guards).items()}
    decisions = tuple(
        dataclasses.replace(decision, fixes=offered[decision.name])
        if decision.kind == "Model" and decision.name in offered
        else decision
        for decision in found.decisions
    )
    written = dataclasses.replace(_plan(found, live, guards), decisions=decisions)
    return _replayed(dataclasses.replace(written, commit=desired.commit, desired=desired.digest), live, guards)


def plan_unfinished(live: LiveState, guards: Guards) -> Plan:
    """Returns the plan for a commit that is not valid: it changes nothing, but what was under way is finished.

    Raises:
        PlanUnsafe: the replay checker refused the result.
    """
    return _replayed(_plan(outline_unfinished(live, guards), live, guards), live, guards)


def _plan(found: Outline, live: LiveState, guards: Guards) -> Plan:
    return Plan(
        instance=guards.instance,
        commit="",
        desired="",
        live=fingerprint(live),
        decisions=found.decisions,
        actions=in_order(found.actions),
        capacity=capacity(found.arrangement, live, found.late),
        next_step_at=found.due,
        guards=guards,
        unverified=live.unverified,
        room_source=live.room_source,
    )


def _replayed(result: Plan, live: LiveState, guards: Guards) -> Plan:
    found = violations(result, live, guards)
    if found:
        raise PlanUnsafe(
            f"the plan does not survive its replay: {found[0]}",
            why=f"{len(found)} violation(s); the planner and its checker disagree, which is a bug",
            fix="please report it, with the manifests and the output of `reconciler status -o json`",
        )
    return result


def _check_selection(desired: DesiredState, live: LiveState, guards: Guards) -> None:
    known = {manifest.name for manifest in desired.models} | {model.name for model in live.models}
    unknown = sorted(guards.only - known)
    if unknown:
        raise UsageError(
            f"--only names {', '.join(unknown)}, which is neither in Git nor on the cluster",
            why="a plan can only be restricted to models that exist",
            fix="check the spelling" + (f"; there are: {', '.join(sorted(known)[:20])}" if known else ""),
        )
