"""Which version on which replica answers the next request, and how many requests each is answering.

Choosing and counting happen in one step without a pause, so a version that left the route gets nothing new and its
count only falls. No I/O here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from yarl import URL

from reconciler.clusters.local.records import LoadKey, ModelRecord, ReplicaKey, State
from reconciler.model.live import ReplicaState


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One version on one replica, with everything a request needs, made once."""

    key: LoadKey
    infer: URL
    ready: URL
    metadata: URL
    route_header: str


@dataclass(slots=True, eq=False)
class _Choice:
    """One version of a route. `credit` is the state of the smooth weighted round-robin."""

    weight: int
    targets: list[Target]
    credit: int = 0
    turn: int = 0


class Traffic:
    """The routes of all models and the requests in flight.

    Args:
        on_drained: called whenever a request ends on what is not in a route any more.
    """

    def __init__(self, on_drained: Callable[[], None]) -> None:
        self._on_drained = on_drained
        self._routes: dict[str, list[_Choice]] = {}
        self._targets: dict[tuple[LoadKey, str], Target] = {}
        self._in_flight: Counter[LoadKey] = Counter()
        self._answers: Counter[ReplicaKey] = Counter()

    def publish(self, state: State, urls: Mapping[ReplicaKey, str]) -> None:
        """Takes over the routes of `state`. `urls`: where the replicas that answer do so."""
        before, self._targets = self._targets, {}
        self._routes = {m.name: self._choices(m, urls, before) for m in state.models.values() if not m.deleting}

    def knows(self, model: str) -> bool:
        """Returns whether there is a model of that name, on the air or not."""
        return model in self._routes

    def routes(self, model: str) -> bool:
        """Returns whether some version of a model has the route, answering or not."""
        return bool(self._routes.get(model))

    def pick(self, model: str, tried: Collection[LoadKey] = ()) -> Target | None:
        """Returns where the next request of `model` goes, None when nothing answers; prefers what was not tried.

        Args:
            tried: where this very request failed, once per failure; two failures rule a target out.
        """
        choices = self._routes.get(model, [])
        fresh = [c for c in choices if c.weight > 0 and any(t.key not in tried for t in c.targets)]
        if fresh:
            choice = _weighted(fresh)
            return _next(choice, [t for t in choice.targets if t.key not in tried])
        once = Counter(tried)
        for choice in choices:
            again = [t for t in choice.targets if choice.weight > 0 and once[t.key] < 2]
            if again:
                return _next(choice, again)
        return None

    def enter(self, target: Target) -> None:
        """Counts a request in."""
        self._in_flight[target.key] += 1

    def leave(self, target: Target) -> None:
        """Counts a request out."""
        left = self._in_flight[target.key] - 1
        if left:
            self._in_flight[target.key] = left
        else:
            del self._in_flight[target.key]
        if not any(target in choice.targets for choice in self._routes.get(target.key.model, ())):
            self._on_drained()

    def answered(self, target: Target) -> None:
        """Counts an answer that has begun."""
        self._answers[target.key.replica] += 1

    def answers(self, replica: ReplicaKey) -> int:
        """Returns how many requests a replica has begun to answer so far."""
        return self._answers[replica]

    def awaited(self, replica: ReplicaKey) -> int:
        """Returns how many requests a replica is answering, whatever the model."""
        return sum(n for key, n in self._in_flight.items() if key.replica == replica)

    def in_flight(self, model: str, number: int) -> int:
        """Returns how many requests a version is answering."""
        return sum(n for key, n in self._in_flight.items() if key.model == model and key.number == number)

    def on_replica(self, key: LoadKey) -> int:
        """Returns how many requests a version is answering on one replica."""
        return self._in_flight[key]

    def _choices(
        self, model: ModelRecord, urls: Mapping[ReplicaKey, str], before: Mapping[tuple[LoadKey, str], Target]
    ) -> list[_Choice]:
        """Returns the choices of a route; targets that were there before are kept, because making one takes a while."""
        choices = []
        for number, weight in model.route:
            version = model.version(number)
            if version is None:
                continue
            targets = []
            for index, was in version.replicas:
                key = LoadKey(model.name, number, ReplicaKey(version.server, index))
                url = urls.get(key.replica)
                if was is ReplicaState.AVAILABLE and url is not None:
                    target = before.get((key, url)) or _target(key, url)
                    self._targets[key, url] = target
                    targets.append(target)
            choices.append(_Choice(weight, targets))
        return choices


def _target(key: LoadKey, url: str) -> Target:
    base = f"{url}/v2/models/{key.loaded_as}"
    return Target(key, URL(f"{base}/infer"), URL(f"{base}/ready"), URL(base), f":{key.loaded_as}:")


def _weighted(choices: Iterable[_Choice]) -> _Choice:
    """Smooth weighted round-robin: everyone gains its weight, the richest is taken and pays for all."""
    choices = list(choices)
    if len(choices) == 1:
        return choices[0]
    for choice in choices:
        choice.credit += choice.weight
    best = max(choices, key=lambda choice: choice.credit)
    best.credit -= sum(choice.weight for choice in choices)
    return best


def _next(choice: _Choice, targets: list[Target]) -> Target:
    choice.turn += 1
    return targets[choice.turn % len(targets)]
