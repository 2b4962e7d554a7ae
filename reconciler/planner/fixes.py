"""What would help a blocked model: each fix is offered only after planning with it blocked neither it nor another.

Whatever can be tried is tried: the change is made to the desired (or live) state, and everything is decided and
arranged once more. What cannot be tried (requirements that nobody offers) is an advice, a fix without a change. How
much is tried is bounded, so that a plan with hundreds of blocked models takes no minutes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.live import LiveState
from reconciler.model.manifests import DesiredState, ModelManifest
from reconciler.model.plan import Decision, Guards, Reason, Verb
from reconciler.planner.changes import Candidate, Change, Kind, Subject, candidates, recreated
from reconciler.planner.outline import Outline, outline
from reconciler.planner.shortfall import lacking
from reconciler.planner.unit import Unit

OFFERED = 4
"""Fixes per model at most."""

EXAMINED = 20
"""Blocked models that fixes are looked for, the first by name; the others are told how to ask."""

TRIALS_PER_MODEL = 120
"""Plans made for one blocked model at most."""

WORTH_TRYING = 6
"""Trials that have to be left for a model to be looked at."""

WORK = 1_000_000
"""Bound of all trials of one plan together, in the time that deciding about one model takes (about 3 µs)."""

_STUCK = (Verb.BLOCKED, Verb.REFUSED)
_TRIED = (Reason.NO_ROOM, Reason.NO_SERVER, Reason.AUTOSCALER, Reason.NOT_WHOLE)


@dataclass(frozen=True, slots=True)
class Fix:
    """What a person may do. `change`: what was tried and found to help, None for an advice that cannot be tried."""

    text: str
    change: Change | None = None


def texts(fixes: Iterable[Fix]) -> tuple[str, ...]:
    """Returns the sentences that people read: one of them will do."""
    return tuple(f"or {fix.text}" if number else fix.text for number, fix in enumerate(fixes))


def fixes_for(found: Outline, desired: DesiredState, live: LiveState, guards: Guards) -> Mapping[str, tuple[Fix, ...]]:
    """Returns, by name, what would help the models of `found` that are blocked and can be helped by a change.

    Where the reason is one that no single change of a size can take away, what the decision says itself stays.
    """
    trials = _Trials(found, desired, live, guards)
    manifests = {manifest.name: manifest for manifest in desired.models}
    blocked = [decision for decision in found.decisions if _helpable(decision, manifests)]
    result: dict[str, tuple[Fix, ...]] = {}
    for number, decision in enumerate(blocked):
        name = decision.name
        if number >= EXAMINED or trials.left < WORTH_TRYING:
            result[name] = (Fix(f"see what would help: reconciler plan --only {name}"),)
            continue
        trials.begin(name)
        advice = (Fix(text) for text in decision.fixes if decision.reason is Reason.NO_SERVER)
        result[name] = (*_tried(decision, manifests[name], trials), *advice)[:OFFERED]
    return result


def _helpable(decision: Decision, manifests: Mapping[str, ModelManifest]) -> bool:
    return (
        decision.kind == "Model"
        and decision.verb is Verb.BLOCKED
        and decision.reason in _TRIED
        and decision.name in manifests
    )


def _tried(decision: Decision, manifest: ModelManifest, trials: _Trials) -> Iterator[Fix]:
    """The smallest sizes that help, the kinds that ask least first, one of each."""
    unit = trials.found.short.get(manifest.name)
    if unit is None:
        choices: list[Candidate] = [recreated(manifest)]
    else:
        choices = list(candidates(_subject(unit, manifest, trials), trials.desired, trials.live))
    offered = 0
    for kind in Kind:
        helping = [fix for choice in choices if choice.kind is kind and (fix := trials.smallest(choice)) is not None]
        if helping and offered < OFFERED:
            offered += 1
            yield min(helping, key=lambda pair: (pair[0], pair[1].text))[1]


def _subject(unit: Unit, manifest: ModelManifest, trials: _Trials) -> Subject:
    need, arrangement = unit.need, trials.found.arrangement
    rolls = unit.decision.verb is Verb.ROLL_OUT
    if need is None:
        emptied = {release.server: None for release in unit.releases}
        emptied |= {use.server: None for action in unit.actions for use in action.frees}
        return Subject(manifest, manifest.spec.wanted_replicas, 0, dict(emptied), (), rolls)
    rooms = arrangement.rooms
    short = {server.name: lacking(need, server, arrangement) for server in rooms.candidates(need)}
    anywhere = rooms.candidates(dataclasses.replace(need, pinned=None, requirements=manifest.spec.needs))
    roomiest = sorted(anywhere, key=lambda s: (-max((r.room for r in s.replicas.values()), default=0), s.name))
    return Subject(
        manifest,
        need.replicas + len(need.occupied),
        need.amount,
        dict(sorted(short.items(), key=lambda pair: (pair[1] is None, pair[1] or 0, pair[0]))),
        tuple(server.name for server in roomiest),
        rolls,
    )


class _Trials:
    """Plans again with one change, as long as there is work left to be spent."""

    def __init__(self, found: Outline, desired: DesiredState, live: LiveState, guards: Guards) -> None:
        self.found = found
        self.desired = desired
        self.live = live
        self.guards = guards
        self.name = ""
        units = sum(verdict.unit is not None for verdict in found.verdicts.values())
        # Arranging a unit takes as long as 50 decisions; where all of them share one server, longer the more there are.
        self.left = WORK // (len(found.verdicts) + 50 * units + units * units // 20 + 1)
        self.left_for_this = 0
        self.stuck = _stuck(found)

    def begin(self, name: str) -> None:
        """The model `name` is next."""
        self.name = name
        self.left_for_this = min(self.left, TRIALS_PER_MODEL)

    def smallest(self, candidate: Candidate) -> tuple[int, Fix] | None:
        """Returns what the smallest size of `candidate` that helps costs, and the fix; None if none was found."""
        size = _smallest(candidate.guess, candidate.most, lambda size: self._helps(candidate.at(size)[1]))
        if size is None:
            return None
        text, change = candidate.at(size)
        return candidate.cost * size, Fix(text, change)

    def _helps(self, change: Change) -> bool:
        if not self.left_for_this:
            return False
        self.left -= 1
        self.left_for_this -= 1
        desired, live = change.applied(self.desired, self.live)
        known = dict(self.found.verdicts)
        if isinstance(change.to, ModelManifest):
            del known[self.name]
        again = outline(desired, live, self.guards, known)
        decision = next(d for d in again.decisions if d.kind == "Model" and d.name == self.name)
        return decision.verb not in _STUCK and _stuck(again) <= self.stuck


def _stuck(found: Outline) -> set[tuple[str, str]]:
    return {(decision.kind, decision.name) for decision in found.decisions if decision.verb in _STUCK}


def _smallest(guess: int, most: int, helps: Callable[[int], bool]) -> int | None:
    """Returns the smallest size that helps, as far as larger ones help when smaller ones do; None if none does."""
    low, high = 0, guess
    if not helps(guess):
        low, high = guess, most
        if guess >= most or not helps(most):
            return None
    elif guess > 1 and not helps(guess - 1):
        low = guess - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if helps(middle) else (middle, high)
    return high
