"""What is shown where the scheduler does not answer, beside what a simulated cluster knows of itself."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest

from reconciler.clusters.kubernetes.conditions import Conditions
from reconciler.clusters.kubernetes.view import Seen, View
from reconciler.clusters.simulated.records import Scheduler
from reconciler.clusters.simulated.view import live_state
from reconciler.health import on_the_air
from reconciler.model.live import LiveState
from tests.kubernetes import told
from tests.kubernetes.test_view import FROZEN, RECORDED, moments

STALE = 0.6
"""Seconds by which an object's status may be behind in a simulation (`clusters/simulated/timing.py`)."""

ELSEWHERE = {"move-to-another-server"}
"""Where a model moves to another Server between two looks: nobody can tell where it was."""

Json = dict[str, Any]


class Blind:
    """Looks at objects only."""

    def __init__(self) -> None:
        self.conditions, self.view = Conditions(), View()

    def look(self, seen: Seen, now: float) -> LiveState:
        return self.view.live_state(seen, self.conditions.reported(seen, now), now)


def _air(live: LiveState) -> set[str]:
    return {model.name for model in live.models if on_the_air(model)}


def _room(live: LiveState) -> dict[str, int]:
    return {s.name: sum(r.room for r in s.replicas if r.ready) for s in live.servers if not s.deleting}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_no_model_is_shown_on_the_air_that_has_been_off_it_for_longer_than_a_status_is_late(path: Path) -> None:
    blind = Blind()
    recent: deque[tuple[float, set[str]]] = deque()
    for simulation in moments(path):
        world = simulation.world
        recent.append((world.now, _air(live_state(world, 0.0))))
        while len(recent) > 1 and recent[1][0] <= world.now - STALE:
            recent.popleft()
        shown = _air(blind.look(told.seen(world), world.now))
        if world.scheduler is not Scheduler.UP or world.now < world.routes_held_until or path.stem in FROZEN:
            continue  # routes that do not follow what is loaded, which no object tells
        assert shown <= set().union(*(air for _, air in recent)), world.now


@pytest.mark.parametrize("path", [p for p in RECORDED if p.stem not in ELSEWHERE], ids=lambda path: path.stem)
def test_no_server_is_shown_with_more_room_than_it_has_had_while_a_status_is_late(path: Path) -> None:
    blind = Blind()
    recent: deque[tuple[float, dict[str, int]]] = deque()
    for simulation in moments(path):
        world = simulation.world
        recent.append((world.now, _room(live_state(world, 0.0))))
        while len(recent) > 1 and recent[1][0] <= world.now - STALE:
            recent.popleft()
        for name, room in _room(blind.look(told.seen(world), world.now)).items():
            assert room <= max(there.get(name, 0) for _, there in recent), (world.now, name, room)
