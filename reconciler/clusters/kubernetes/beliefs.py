"""What may be believed of one model by its object alone, look after look. Pure: a belief and an object → a belief.

The rules, all from docs/seldon.md ("Status: what to believe" and "How a rolling update really runs"):

- A status may be of an older generation. After a change of generation it is believed once it differs from what it said
  then, or after `SETTLE` seconds. Until then the model is as it was believed to be.
- A status is about the latest version. An older one answers as long as it was `ModelAvailable` when the newer one was
  written, and the newer one has been placed and is not available.
- An older version takes memory for the grace period, and a margin, after the newer one was available.
- What is not known is assumed the way that takes the most room and answers nothing.

    look          status             believed
    generation 1  Available          1 available
    generation 2  Available          1 available         the status is of generation 1: not taken in
    generation 2  Progressing        1 available, 2 progressing
    generation 2  Available          1 terminating, 2 available
    7 s later     Available          2 available
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.clusters.kubernetes.statuses import Json, Told, ready_since, told_of, written_at
from reconciler.model.live import ReplicaState, VersionState
from reconciler.model.manifests import ModelSpec
from reconciler.model.records import records

SETTLE = 10.0
"""Seconds after a write from which an unchanged status is believed: it was seen to be late by up to 1.5 s, after a
burst of writes; while the operator is down it never comes, which nothing in the object shows."""

UNLOADED_AFTER = 2.0 + 5.0
"""Seconds for which a version that was replaced takes memory: the grace period by default, and a margin."""

FAILED_EVERYWHERE = 30.0
"""Seconds after which a version that failed on some replica is assumed to load on no other one any more: a load that
fails takes 4-5 s."""

UNSEEN = -1
"""Generation of a version that nobody looked at."""


@dataclass(frozen=True, slots=True)
class Believed:
    """A version as believed.

    Attributes:
        number: our own count: Seldon's is in no object. generation: of the last spec it took in.
        since: Unix time at which it was first seen like this, in seconds. replaced: at which a newer one was available.
        guessed: nobody saw it, but it may be there and take memory.
        leaving: replicas that it had before it was shrunk, at Unix time `shrunk`, and that may still take memory.
    """

    number: int
    generation: int
    spec: ModelSpec
    told: Told
    since: float
    replaced: float | None = None
    guessed: bool = False
    leaving: int = 0
    shrunk: float = 0.0

    def replicas(self, now: float) -> tuple[ReplicaState, ...]:
        """Returns the states of its replicas, those first that are sure to be somewhere."""
        told = self.told
        count = told.available + self._placed_unavailable
        if self.guessed:
            count = max(self.spec.wanted_replicas, told.available + told.unavailable)
        leaving = (ReplicaState.UNLOADING,) * (self.leaving if now < self.shrunk + UNLOADED_AFTER else 0)
        if self.replaced is not None or self.guessed:
            return (self._silent,) * count + leaving
        missing = (self._missing(now),) * self._placed_unavailable
        return (ReplicaState.AVAILABLE,) * told.available + missing + leaving

    def says(self, told: Told, now: float) -> Believed:
        """Returns this version as its status says `told` of it now."""
        if told == self.told:
            return self
        fewer = self.told.available - told.available - told.unavailable
        if fewer <= 0:
            return replace(self, told=told, since=now)
        left = self.leaving if now < self.shrunk + UNLOADED_AFTER else 0
        return replace(self, told=told, since=now, leaving=left + fewer, shrunk=now)

    @property
    def _silent(self) -> ReplicaState:
        """State in which it takes memory and answers nothing."""
        if self.replaced is not None:
            return ReplicaState.UNLOADING
        coming = self.told.state is VersionState.PROGRESSING
        return ReplicaState.LOAD_REQUESTED if coming else ReplicaState.LOADED_UNAVAILABLE

    @property
    def state(self) -> VersionState:
        """Its state, in the scheduler's words."""
        if self.replaced is not None:
            return VersionState.TERMINATING
        return self.told.state or VersionState.UNKNOWN

    @property
    def _placed_unavailable(self) -> int:
        """What could not be placed is counted as unavailable, and is nowhere."""
        return 0 if self.told.state is VersionState.SCHEDULE_FAILED else self.told.unavailable

    def _missing(self, now: float) -> ReplicaState:
        """A version is `ModelFailed` from its first failed replica on, while others may still be loading."""
        told = self.told
        if told.state is not VersionState.FAILED:
            return ReplicaState.LOADING
        others = told.available + told.unavailable > 1 and now < self.since + FAILED_EVERYWHERE
        return ReplicaState.LOADING if others else ReplicaState.LOAD_FAILED

    def due(self, now: float) -> float:
        """Returns the Unix time at which it changes though nobody says anything, infinity when it does not."""
        if self.replaced is not None:
            return self.replaced + UNLOADED_AFTER
        ends = [self.since + FAILED_EVERYWHERE] if self.told.state is VersionState.FAILED else []
        ends += [self.shrunk + UNLOADED_AFTER] if self.leaving else []
        return min((end for end in ends if end > now), default=float("inf"))


@dataclass(frozen=True, slots=True)
class Belief:
    """A model as believed.

    Attributes:
        generation, spec: of the object when it was last looked at; `changed` is the Unix time of that generation.
        before: what the status said then. taken_in: whether it may be believed to be of this generation.
        versions: sorted by number.
    """

    uid: str
    generation: int
    spec: ModelSpec
    changed: float
    before: Told
    taken_in: bool = False
    versions: tuple[Believed, ...] = ()

    def due(self, now: float) -> float:
        """Returns the Unix time at which it changes though the object does not, infinity when it does not."""
        settles = float("inf") if self.taken_in else self.changed + SETTLE
        return min([settles, *(version.due(now) for version in self.versions)])

    @property
    def pending(self) -> bool:
        """Whether a version may be on its way of which nothing is told yet."""
        return not self.taken_in and bool(self.versions) and self.versions[-1].spec.digest != self.spec.digest

    @property
    def unplaced(self) -> bool:
        """Whether the latest version could not be placed."""
        return bool(self.versions) and self.versions[-1].told.state is VersionState.SCHEDULE_FAILED


def looked(belief: Belief | None, found: Json, spec: ModelSpec, now: float) -> Belief:
    """Returns what is believed after a look.

    Args:
        belief: that of the look before, None at the first one. found: a Model's object. spec: what it says.
        now: Unix time of the look, in seconds.
    """
    metadata, told = found["metadata"], told_of(found)
    uid, generation = str(metadata.get("uid", "")), int(metadata.get("generation") or 0)
    if belief is None or belief.uid != uid:
        written = written_at(found)
        belief = Belief(uid, generation, spec, now if written is None else min(written, now), told)
    elif belief.generation != generation:
        belief = replace(belief, generation=generation, spec=spec, changed=now, before=told, taken_in=False)
        belief = replace(belief, versions=tuple(_caught_up(belief.versions, told, now)))
    if not belief.taken_in and told.state is not None and _may_be_believed(belief, told, now):
        belief = replace(belief, taken_in=True)
    versions = belief.versions
    if belief.taken_in and told.state is not None:
        versions = tuple(_with(belief, told, now, found))
    left = tuple(v for v in versions if v.replaced is None or now < v.replaced + UNLOADED_AFTER)
    return belief if left == belief.versions else replace(belief, versions=left)


def _caught_up(versions: tuple[Believed, ...], told: Told, now: float) -> Iterator[Believed]:
    """Yields the versions, the latest one as a status says that may be of it or of the one to come.

    Of one that was available it is believed only if it says so again.
    """
    yield from versions[:-1]
    for latest in versions[-1:]:
        was_available = latest.told.state is VersionState.AVAILABLE
        ambiguous = told.state is None or (was_available and told.state is not VersionState.AVAILABLE)
        yield latest if ambiguous else latest.says(told, now)


def _may_be_believed(belief: Belief, told: Told, now: float) -> bool:
    never_written_again = belief.generation <= 1
    return never_written_again or told != belief.before or now >= belief.changed + SETTLE


def _with(belief: Belief, told: Told, now: float, found: Json) -> Iterator[Believed]:
    """Yields the versions, now that the status says `told` of the latest one."""
    older = list(belief.versions[:-1])
    latest = belief.versions[-1] if belief.versions else None
    if latest is None:
        older, number = list(_unseen_before(belief, told, now, found)), 1 + (belief.generation > 1)
        latest = Believed(number, belief.generation, belief.spec, told, min(belief.changed, now))
    elif latest.spec.digest == belief.spec.digest:
        latest = replace(latest.says(told, now), generation=belief.generation, spec=belief.spec)
    else:
        older = [*older, *_left_over(latest)]
        latest = Believed(latest.number + 1, belief.generation, belief.spec, told, now)
    over = told.state is VersionState.AVAILABLE and told.available > 0
    for version in older:
        yield replace(version, replaced=now) if over and version.replaced is None else version
    yield latest


def _left_over(version: Believed) -> Iterator[Believed]:
    """Yields a version that is not the latest one any more, if it takes memory.

    One that was still on its way is unloaded when its load ends, and answers nothing meanwhile.
    """
    told = version.told
    if told.state is VersionState.PROGRESSING:
        told = replace(told, state=VersionState.TERMINATING)
    if told.state in (VersionState.FAILED, VersionState.SCHEDULE_FAILED):
        told = replace(told, unavailable=0)
    if told.available + told.unavailable:
        yield replace(version, told=told)


def _unseen_before(belief: Belief, told: Told, now: float, found: Json) -> Iterator[Believed]:
    """Yields the version that may have been there before the first look.

    It may answer, while the latest one is not available: nobody can tell, so it is not shown as answering.
    """
    if belief.generation <= 1:
        return
    replaced, ready = None, ready_since(found)
    if told.state is VersionState.AVAILABLE:
        replaced = now if ready is None else min(ready, now)
        if now >= replaced + UNLOADED_AFTER or (ready is None and told == belief.before):
            return
    elif told.state is VersionState.SCHEDULE_FAILED and told.available:
        return  # of the latest version some replicas answer, so nothing is left of the one before
    yield Believed(1, UNSEEN, _guessed_spec(found, belief.spec), Told(), now, replaced, guessed=True)


def first_shown(belief: Belief, found: Json) -> tuple[Believed, ...]:
    """Returns what may be there of an object whose status was not to be believed since the first look at it."""
    coming = Believed(1, UNSEEN, belief.spec, Told(VersionState.PROGRESSING), belief.changed, guessed=True)
    if belief.generation <= 1:
        return (coming,)
    there = replace(belief.before, state=None)
    older = Believed(1, UNSEEN, _guessed_spec(found, belief.spec), there, belief.changed, guessed=True)
    return (older, replace(coming, number=2))


def _guessed_spec(found: Json, spec: ModelSpec) -> ModelSpec:
    """Returns what a version nobody saw may have said: what is on record, else `spec`, what the object says now."""
    annotations = found["metadata"].get("annotations") or {}
    record = records(annotations).rollout if annotations else None
    return spec if record is None else record.previous
