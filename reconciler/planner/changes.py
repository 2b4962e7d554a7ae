"""Single changes that might let a blocked model go ahead, each with what a person is told to do. Not tried here.

A change of a model, or of a Server that Git describes, is one of the desired state. A Server that no manifest of ours
describes is changed by hand, so that change is one of the live state.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.model.live import LiveReplica, LiveServer, LiveState
from reconciler.model.manifests import (
    DEFAULT_OVERCOMMIT_PERCENT,
    DEFAULT_SERVER_MEMORY,
    PREFIX,
    DesiredState,
    ModelManifest,
    ServerManifest,
    ServerSpec,
    Strategy,
)
from reconciler.model.quantity import format_bytes
from reconciler.planner.servers import effective_spec

MORE_REPLICAS = 3
"""By how many replicas a Server is grown at most."""


@dataclass(frozen=True, slots=True)
class Change:
    """One object as it would be: a manifest, or a live server."""

    to: ModelManifest | ServerManifest | LiveServer

    def applied(self, desired: DesiredState, live: LiveState) -> tuple[DesiredState, LiveState]:
        """Returns both states with the change made."""
        match self.to:
            case ModelManifest(name=name):
                others = [model for model in desired.models if model.name != name]
                return dataclasses.replace(desired, models=(*others, self.to)), live
            case ServerManifest(name=name):
                rest = [server for server in desired.servers if server.name != name]
                return dataclasses.replace(desired, servers=(*rest, self.to)), live
            case LiveServer(name=name):
                left = [server for server in live.servers if server.name != name]
                return desired, dataclasses.replace(live, servers=(*left, self.to))


class Kind(enum.IntEnum):
    """What a change asks of people, the least first."""

    PIN = 0
    KEEP_SIZE = 1
    GIVE_UP_MORE = 2
    SAY_REPLICAS = 3
    MORE_ROOM = 4
    TAKE_LESS = 5
    FEWER_REPLICAS = 6
    RECREATE = 7


@dataclass(frozen=True, slots=True)
class Candidate:
    """One change in several sizes.

    Attributes:
        guess: the size that is probably the smallest to help. most: the largest that makes sense.
        cost: of one step, to compare candidates of the same kind: bytes that people have to provide.
        at: from the size to what is told and what is changed.
    """

    kind: Kind
    at: Callable[[int], tuple[str, Change]]
    most: int = 1
    guess: int = 1
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """A blocked model.

    Attributes:
        wanted: replicas that it asks for. short: bytes that it lacks, by server that may take it; None: replicas.
        places: the servers that offer what it requires, those that lack least first.
        rolls: whether it is a rollout. amount: bytes that a replica takes.
    """

    manifest: ModelManifest
    wanted: int
    amount: int
    short: dict[str, int | None]
    places: tuple[str, ...]
    rolls: bool


def candidates(subject: Subject, desired: DesiredState, live: LiveState) -> Iterator[Candidate]:
    """Yields what might help, in no order."""
    yield from _of_the_model(subject)
    for name in list(subject.short)[:2]:
        server = _server(name, desired, live)
        if server is not None:
            yield from _of_the_server(subject, server)


def recreated(manifest: ModelManifest) -> Candidate:
    """Returns the last resort: the gap is allowed."""
    policy = dataclasses.replace(manifest.policy, strategy=Strategy.RECREATE)
    text = f"annotate it {PREFIX}strategy: recreate (off the air for the time of the load)"
    return Candidate(Kind.RECREATE, lambda _: (text, Change(dataclasses.replace(manifest, policy=policy))))


def _of_the_model(subject: Subject) -> Iterator[Candidate]:
    manifest, wanted = subject.manifest, subject.wanted
    spec = manifest.spec
    for name in [place for place in subject.places if place != spec.server][:3]:
        yield Candidate(Kind.PIN, _respecified(manifest, f"pin it to Server {name} (spec.server)", server=name))
    if subject.rolls and spec.replicas is None:
        yield Candidate(Kind.SAY_REPLICAS, _respecified(manifest, f"set spec.replicas: {wanted}", replicas=wanted))
    if subject.rolls and manifest.policy.max_unavailable is not None:
        yield Candidate(Kind.GIVE_UP_MORE, _giving_up(manifest), most=wanted - 1)
    known = [short for short in subject.short.values() if short is not None]
    if subject.amount and spec.memory is not None and spec.memory > 1:
        yield Candidate(
            Kind.TAKE_LESS, _lowered(manifest, spec.memory), spec.memory - 1, min([*known, spec.memory - 1])
        )
    if wanted > 1:
        yield Candidate(Kind.FEWER_REPLICAS, _fewer(manifest, wanted), wanted - 1)
    if subject.rolls and manifest.policy.strategy is Strategy.ROLLING:
        yield recreated(manifest)


def _respecified(manifest: ModelManifest, text: str, **fields: object) -> Callable[[int], tuple[str, Change]]:
    spec = dataclasses.replace(manifest.spec, **fields)  # type: ignore[arg-type] # the callers name fields of ModelSpec
    return lambda _: (text, Change(dataclasses.replace(manifest, spec=spec)))


def _giving_up(manifest: ModelManifest) -> Callable[[int], tuple[str, Change]]:
    def at(count: int) -> tuple[str, Change]:
        policy = dataclasses.replace(manifest.policy, max_unavailable=str(count))
        return f"annotate it {PREFIX}max-unavailable: {count}", Change(dataclasses.replace(manifest, policy=policy))

    return at


def _lowered(manifest: ModelManifest, memory: int) -> Callable[[int], tuple[str, Change]]:
    def at(size: int) -> tuple[str, Change]:
        text = f"lower spec.memory by {format_bytes(size)}, if it needs less"
        return _respecified(manifest, text, memory=memory - size)(1)

    return at


def _fewer(manifest: ModelManifest, wanted: int) -> Callable[[int], tuple[str, Change]]:
    def at(size: int) -> tuple[str, Change]:
        count = wanted - size
        least = None if manifest.spec.min_replicas is None else min(manifest.spec.min_replicas, count)
        return _respecified(manifest, f"set spec.replicas to {count}", replicas=count, min_replicas=least)(1)

    return at


@dataclass(frozen=True, slots=True)
class _Server:
    """One server as it is now, by whomever it is described; `changed` says how it would be.

    `said`: the number of replicas that its manifest says, which is not what it has where an autoscaler decides.
    """

    name: str
    spec: ServerSpec
    told: str
    changed: Callable[[ServerSpec], Change]
    said: int


def _server(name: str, desired: DesiredState, live: LiveState) -> _Server | None:
    known = live.server(name)
    manifest = next((server for server in desired.servers if server.name == name), None)
    if manifest is not None:
        own = manifest
        return _Server(
            name,
            _as_it_is(own.spec, known),
            "",
            lambda spec: Change(dataclasses.replace(own, spec=spec)),
            own.spec.wanted_replicas,
        )
    if known is None:
        return None
    told, count = ", which no manifest describes,", known.spec.wanted_replicas
    return _Server(name, known.spec, told, lambda spec: Change(_by_hand(known, spec)), count)


def _as_it_is(spec: ServerSpec, known: LiveServer | None) -> ServerSpec:
    """The manifest's spec; where it leaves the number of replicas to an autoscaler, with the live one."""
    return dataclasses.replace(spec, replicas=effective_spec(spec, known).replicas)


def _by_hand(server: LiveServer, spec: ServerSpec) -> LiveServer:
    """The live server as it is once its new spec is taken in."""
    more = spec.limit - server.spec.limit
    replicas = [dataclasses.replace(r, limit=r.limit + more, room=r.room + more) for r in server.replicas]
    replicas += [LiveReplica(i, spec.limit, spec.limit) for i in range(len(replicas), spec.wanted_replicas)]
    return dataclasses.replace(server, spec=spec, replicas=tuple(replicas))


def _of_the_server(subject: Subject, server: _Server) -> Iterator[Candidate]:
    spec, count = server.spec, server.spec.wanted_replicas
    if spec.min_replicas is None or spec.min_replicas < count:
        fields = "minReplicas" if server.said == count else "replicas and minReplicas"
        text = f"set {fields}: {count} on Server {server.name}{server.told} so that it keeps its size"
        kept = dataclasses.replace(spec, replicas=count, min_replicas=count)
        yield Candidate(Kind.KEEP_SIZE, lambda _: (text, server.changed(kept)))
    missing = max(1, subject.wanted - count)
    most = max(MORE_REPLICAS, missing) if spec.max_replicas is None else spec.max_replicas - count
    if most >= missing:
        yield Candidate(Kind.MORE_ROOM, _scaled(server), most, missing, cost=spec.limit)
        if subject.wanted > count and subject.amount > spec.limit:
            yield Candidate(Kind.MORE_ROOM, _enlarged(server, missing), subject.amount, cost=subject.wanted)
    percent = DEFAULT_OVERCOMMIT_PERCENT if spec.overcommit_percent is None else spec.overcommit_percent
    short = subject.short[server.name] or subject.amount
    guess = max(1, -(-short * 100 // (100 + percent)))
    yield Candidate(Kind.MORE_ROOM, _enlarged(server), max(guess, subject.amount), guess, cost=count)


def _scaled(server: _Server) -> Callable[[int], tuple[str, Change]]:
    def at(size: int) -> tuple[str, Change]:
        count = server.spec.wanted_replicas + size
        text = f"scale Server {server.name}{server.told} to {count} replicas"
        return text, server.changed(_counting(server.spec, count))

    return at


def _counting(spec: ServerSpec, count: int) -> ServerSpec:
    """A Server that its autoscaler could not shrink still is one."""
    kept = spec.min_replicas is not None and spec.min_replicas >= spec.wanted_replicas
    return dataclasses.replace(spec, replicas=count, min_replicas=count if kept else spec.min_replicas)


def _enlarged(server: _Server, more: int = 0) -> Callable[[int], tuple[str, Change]]:
    """Each replica with so many bytes more, and `more` replicas."""

    def at(size: int) -> tuple[str, Change]:
        spec, count = server.spec, server.spec.wanted_replicas + more
        memory = DEFAULT_SERVER_MEMORY if spec.memory is None else spec.memory
        text = f"raise the memory of Server {server.name}{server.told} by {format_bytes(size)} per replica"
        if more:
            text += f", and scale it to {count} replicas"
            spec = _counting(spec, count)
        return text, server.changed(dataclasses.replace(spec, memory=memory + size))

    return at
