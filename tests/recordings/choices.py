"""Where the real system chose at random, follow the recording: what it chose is read off what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.recordings.recording import Recording, State

Servers = Mapping[str, Sequence[str]]
"""Per model, the servers that its versions were first seen on in one stage, in that order."""


class RecordedChoices:
    """Follows a recording.

    Server: the next one that a version of the model was seen on in this stage, else where it was last.
    Order: `orders` has, per stage, the names of objects in the order to be taken in; others keep their place behind.
    """

    def __init__(self, recording: Recording, orders: Mapping[int, Sequence[str]]) -> None:
        self._seen = servers_seen(recording)
        self._orders = orders
        self._stage = 0
        self._open: dict[str, list[str]] = {}
        self._last: dict[str, str] = {}
        self._left: dict[str, set[str]] = {}

    def begin(self, stage: int) -> None:
        """A stage begins: 0 is the setup."""
        self._stage = stage
        self._open = {model: list(servers) for model, servers in self._seen[stage].items()}

    def server(self, model: str, names: Sequence[str]) -> str:
        """Returns which of several Servers that would do is tried next for `model`.

        Asked again with what is left, it is still the same placement: what the recording says is used up only once.
        """
        waiting, same = self._open.get(model, []), set(names) == self._left.get(model)
        last = self._last.get(model, "")
        chosen = next((name for name in [*waiting, last] if name in names), names[0])
        if not same:
            self._last[model] = chosen
            if chosen in waiting:
                waiting.remove(chosen)
        self._left[model] = set(names) - {chosen}
        return chosen

    def order(self, names: Sequence[str]) -> list[str]:
        """Returns `names` in the order in which they are taken in."""
        order = list(self._orders.get(self._stage, ()))
        rank = {name: index for index, name in enumerate(order)}
        return sorted(names, key=lambda name: rank.get(name, len(order)))


def servers_seen(recording: Recording) -> list[Servers]:
    """Returns, per stage, where versions were first seen."""
    known: set[tuple[str, str, str]] = set()
    stages: list[Servers] = []
    for states in ([recording.before], *([changed for _, changed in step.seen] for step in recording.steps)):
        found: dict[str, list[str]] = {}
        for state in states:
            for model, version, server in _placed(state):
                if (model, version, server) not in known:
                    known.add((model, version, server))
                    found.setdefault(model, []).append(server)
        stages.append(found)
    return stages


def _placed(state: State) -> Iterator[tuple[str, str, str]]:
    for model, versions in state["scheduler"].items():
        if isinstance(versions, Mapping):
            for number, version in _by_number(versions):
                if isinstance(version, Mapping) and version.get("server"):
                    yield model, number, str(version["server"])


def _by_number(versions: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(((str(number), version) for number, version in versions.items()), key=lambda pair: pair[0].zfill(9))
