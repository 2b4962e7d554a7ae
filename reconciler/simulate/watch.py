"""Listens to a simulation and writes its history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.view import live_state
from reconciler.model.clean import clean
from reconciler.model.codec import model_spec_from_json
from reconciler.model.live import LiveModel, LiveState, VersionState
from reconciler.model.manifests import CarriedManifest, DesiredState, ModelManifest
from reconciler.simulate.history import Answerer, History, Missing, ModelHistory, ReplicaPeak, Stretch
from reconciler.simulate.story import ROUNDING, Story

_Answers = tuple[tuple[Answerer, float], ...]


@dataclass(slots=True)
class _Open:
    """A stretch that goes on."""

    start: float
    answers: _Answers
    wanted: bool


@dataclass(slots=True)
class _Notes:
    done: list[Stretch] = field(default_factory=list)
    now: _Open | None = None


class Watch:
    """Watches `simulation` from now on while `story` is played on it."""

    def __init__(self, simulation: Simulation, story: Story) -> None:
        self._simulation, self._story, self._start = simulation, story, simulation.now
        first = {model.name for model in live_state(simulation.world, 0.0).models}
        names = first.union(*({model.name for model in commit.desired.models} for commit in story.commits))
        self._notes = {name: _Notes() for name in sorted(names)}
        self._peaks: dict[tuple[str, int], ReplicaPeak] = {}
        self._converged_at: float | None = None
        self._missing: tuple[Missing, ...] = ()
        simulation.listeners.append(self._changed)
        for commit in story.commits:
            simulation.appoint(self._start + commit.at, lambda: self._changed(simulation.now))
        self._changed(simulation.now)

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self._simulation.now - self._start

    def history(self) -> History:
        """Returns all that was seen until now."""
        self._changed(self._simulation.now)
        end = min(self.now, self._story.seconds)
        return History(
            models=tuple(ModelHistory(name, self._stretches(notes, end)) for name, notes in self._notes.items()),
            peaks=tuple(peak for _, peak in sorted(self._peaks.items())),
            seconds=end,
            converged_at=self._converged_at,
            missing=self._missing,
        )

    def _changed(self, _: float) -> None:
        now = self.now
        if now > self._story.seconds:
            return  # what comes later is not told
        desired = self._story.desired_at(now)
        wanted = {model.name for model in desired.models}
        for name, notes in self._notes.items():
            self._note(notes, now, self._answers(name), name in wanted)
        self._note_peaks()
        self._note_convergence(now)

    def _note(self, notes: _Notes, now: float, answers: _Answers, wanted: bool) -> None:
        goes_on = notes.now
        if goes_on is not None and (goes_on.answers, goes_on.wanted) == (answers, wanted):
            return
        # The first one is kept even if it lasted no time: what was on the air at the beginning can be taken off it.
        if goes_on is not None and (goes_on.start < now or not notes.done):
            notes.done.append(Stretch(goes_on.start, now, goes_on.answers, goes_on.wanted))
        notes.now = _Open(now, answers, wanted)

    def _stretches(self, notes: _Notes, end: float) -> tuple[Stretch, ...]:
        assert notes.now is not None  # noted at the beginning
        rest = Stretch(notes.now.start, end, notes.now.answers, notes.now.wanted)
        joined: list[Stretch] = []
        for stretch in (*notes.done, rest):
            last = joined[-1] if joined else None
            if last is not None and (last.answers, last.wanted) == (stretch.answers, stretch.wanted):
                joined[-1] = Stretch(last.start, stretch.end, last.answers, last.wanted)
            else:
                joined.append(stretch)
        return tuple(joined)

    def _answers(self, model: str) -> _Answers:
        shares: dict[Answerer, float] = {}
        for (name, number), share in self._simulation.serving(model).items():
            version = self._simulation.world.models[name].version(number)
            who = Answerer("?") if version is None else _answerer(version.definition)
            shares[who] = shares.get(who, 0.0) + share
        return tuple(sorted(shares.items(), key=lambda item: (-item[1], item[0])))

    def _note_peaks(self) -> None:
        for name, server in self._simulation.world.servers.items():
            for replica in server.replicas.values():
                where = (name, replica.index)
                before = self._peaks[where].peak if where in self._peaks else 0
                peak = max(before, replica.limit - replica.free)
                self._peaks[where] = ReplicaPeak(*where, replica.limit, peak)

    def _note_convergence(self, now: float) -> None:
        if now + ROUNDING < self._story.last.at:
            return
        live = live_state(self._simulation.world, 0.0)
        self._missing = missing(live, self._story.last.desired)
        if self._missing:
            self._converged_at = None
        elif self._converged_at is None:
            self._converged_at = now


def _answerer(definition: Mapping[str, Any]) -> Answerer:
    return Answerer(clean(str(definition.get("storageUri", ""))), model_spec_from_json(definition).digest)


def missing(live: LiveState, desired: DesiredState) -> tuple[Missing, ...]:
    """Returns what is missing until every model is served whole by the version that Git asks for, and what is carried
    along is as Git says."""
    found = [(manifest.name, _lacks(manifest, live.model(manifest.name))) for manifest in desired.models]
    names = {manifest.name for manifest in desired.models}
    found += [(model.name, "it is still there") for model in live.models if model.instance and model.name not in names]
    found += [(f"{item.kind} {item.name}", _not_carried(item, live)) for item in desired.carried]
    refs = {item.ref for item in desired.carried}
    found += [
        (f"{item.kind} {item.name}", "it is still there")
        for item in live.carried
        if item.instance and item.ref not in refs
    ]
    return tuple(Missing(name, clean(lack)) for name, lack in found if lack)


def _not_carried(manifest: CarriedManifest, live: LiveState) -> str:
    found = live.one_carried(manifest.ref)
    if found is None or found.deleting:
        return "it is not there"
    if found.spec.meaning != manifest.spec.meaning:
        return "it says something else than Git"
    return "" if found.ready else f"it is not ready{f': {found.message}' if found.message else ''}"


def _lacks(manifest: ModelManifest, model: LiveModel | None) -> str:
    version = None if model is None else model.live_version
    if model is None or version is None:
        return "it is not there"
    if model.deleting:
        return "its object is being deleted"
    if version.digest != manifest.spec.digest:
        return "another version than Git asks for"
    if version.state is not VersionState.AVAILABLE:
        return f"{version.state}{f': {version.reason}' if version.reason else ''}"
    asked = version.wanted if manifest.spec.replicas is None else manifest.spec.replicas
    if version.available < asked or version.wanted != asked:
        return f"{version.available} of {asked} replicas"
    return "" if model.route == ((version.number, 100),) else "another version still answers"
