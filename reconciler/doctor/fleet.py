"""How many models one commit may update at once. Pure.

It is no hazard of any one object, and usual on a cluster that is in good use; so it is told as a note. But it is how
most models are lost: one plain apply of eight updated models took six of them off the air (docs/seldon.md, "What
follows").
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.doctor.examined import Examined
from reconciler.doctor.standing import Standing, standing
from reconciler.doctor.words import several
from reconciler.health import serving_version
from reconciler.model.live import LiveModel, LiveServer

_TOLD = 5
"""Servers that are told of at most: the others are alike."""


def together(examined: Examined) -> Iterator[str]:
    """Yields, for each Server whose models cannot all be updated by one apply, how many of them can at most."""
    there: dict[str, list[LiveModel]] = {}
    for model in examined.live.models:
        serving = serving_version(model)
        if serving is not None and model.spec.memory and standing(model) is Standing.WELL:
            there.setdefault(serving.server, []).append(model)
    told = []
    for name, models in sorted(there.items()):
        server = examined.servers.get(name)
        most = 0 if server is None else _at_most(server, models)
        if server is not None and 0 < most < len(models):
            told.append(
                f"on Server {name} one apply can update {most} of {several(len(models), 'model')} at most; those "
                "beyond find no place and are off the air for good, so update one after the other"
            )
    yield from told[:_TOLD]
    if len(told) > _TOLD:
        yield f"so it is on {several(len(told) - _TOLD, 'more Server')}"


def _at_most(server: LiveServer, models: list[LiveModel]) -> int:
    """How many of `models` find room beside all that is there, the smallest first: no order of them does better."""
    room = {replica.index: replica.room for replica in server.replicas if replica.ready}
    for count, model in enumerate(sorted(models, key=lambda m: (m.spec.memory or 0) * m.spec.wanted_replicas)):
        amount, wanted = model.spec.memory or 0, model.spec.wanted_replicas
        best = sorted(room, key=lambda index: -room[index])[:wanted]
        if len(best) < wanted or any(room[index] < amount for index in best):
            return count
        for index in best:
            room[index] -= amount
    return len(models)
