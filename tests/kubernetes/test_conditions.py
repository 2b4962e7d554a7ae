"""What is shown where the scheduler does not answer, beside what a simulated cluster knows of itself."""

from __future__ import annotations

import dataclasses
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from reconciler.clusters.kubernetes.beliefs import SETTLE, UNLOADED_AFTER
from reconciler.clusters.kubernetes.client import slim
from reconciler.clusters.kubernetes.conditions import Conditions
from reconciler.clusters.kubernetes.view import Seen, View
from reconciler.clusters.simulated.records import Scheduler
from reconciler.clusters.simulated.view import live_state
from reconciler.health import on_the_air, serving_version
from reconciler.model.live import LiveState
from reconciler.model.manifests import DesiredState, ModelManifest, Source
from reconciler.model.plan import ActionKind, Guards, Plan, ProbePolicy, Reason, Verb
from reconciler.planner.conditions import obstacle
from reconciler.planner.planning import plan
from tests.kubernetes import told
from tests.kubernetes.test_view import FROZEN, RECORDED, moments

STALE = 0.6
"""Seconds by which an object's status may be behind in a simulation (`clusters/simulated/timing.py`)."""

ELSEWHERE = {"move-to-another-server"}
"""Where a model moves to another Server between two looks: nobody can tell where it was."""

GUARDS = Guards(instance="default")

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


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_what_is_shown_can_be_planned_on_at_every_moment(path: Path) -> None:
    blind = Blind()
    for number, simulation in enumerate(moments(path)):
        world = simulation.world
        live = blind.look(told.seen(world), world.now)
        if number % 5 == 0:
            for desired in (_wanted(live, ""), _wanted(live, "-next")):
                plan(desired, live, GUARDS)


def _wanted(live: LiveState, suffix: str) -> DesiredState:
    """Returns manifests of what is live, or of another version of every model, with a replica more."""
    models = tuple(
        ModelManifest(
            model.name,
            dataclasses.replace(
                model.spec,
                storage_uri=model.spec.storage_uri + suffix,
                replicas=model.spec.wanted_replicas + (not suffix),
            ),
            Source("m.yaml", 1),
        )
        for model in live.models
        if model.spec.wanted_replicas
    )
    return DesiredState("", models)


def _model(generation: int, state: str = "", available: int = 0, replicas: int = 0, **more: Any) -> Json:
    """A Model's object in its generation, whose status says `state`."""
    revision = f"{generation} {state}"
    metadata = {"name": "m", "uid": "1", "generation": generation, "resourceVersion": revision, **more}
    spec = {"storageUri": f"gs://m/{generation}", "memory": "300k", "replicas": 1}
    status: Json = {"replicas": replicas} | ({"availableReplicas": available} if available else {})
    if state:
        true = "True" if state == "ModelAvailable" else "False"
        status["conditions"] = [{"type": "ModelReady", "status": true, "message": state}]
    return {"metadata": metadata, "spec": spec, "status": status}


SERVER: Json = {
    "metadata": {"name": "mlserver"},
    "spec": {"serverConfig": "mlserver", "replicas": 1, "podSpec": {"containers": [
        {"name": "mlserver", "resources": {"requests": {"memory": "1000k"}}},
        {"name": "agent", "env": [{"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": "0"}]},
    ]}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}  # fmt: skip


def _look(blind: Blind, model: Json | None, now: float) -> LiveState:
    return blind.look(Seen({} if model is None else {"m": model}, {"mlserver": SERVER}), now)


def _live(state: LiveState) -> tuple[list[str], list[int], int]:
    """Returns the states of the versions of the model, the numbers of those that answer, and the room."""
    model = state.models[0]
    return [str(v.state) for v in model.versions], [n for n, _ in model.route], state.servers[0].replicas[0].room


def test_a_status_is_not_believed_after_a_write_until_it_changed_or_settled() -> None:
    blind = Blind()
    assert _live(_look(blind, _model(1, "ModelAvailable", 1, 1), 100)) == (["ModelAvailable"], [1], 700_000)
    stale = _live(_look(blind, _model(2, "ModelAvailable", 1, 1), 101))
    assert stale == (["ModelAvailable"], [1], 400_000)  # the room of what may be on its way is not given away
    live = _look(blind, _model(2, "ModelAvailable", 1, 1), 101 + SETTLE - 0.1).models[0]
    assert live.versions[-1].digest != live.spec.digest
    live = _look(blind, _model(2, "ModelAvailable", 1, 1), 101 + SETTLE).models[0]
    assert live.versions[-1].digest == live.spec.digest


def test_a_version_that_was_replaced_takes_memory_for_the_grace_period_and_a_margin() -> None:
    blind = Blind()
    _look(blind, _model(1, "ModelAvailable", 1, 1), 100)
    _look(blind, _model(2, "ModelAvailable", 1, 1), 101)
    loading = _live(_look(blind, _model(2, "ModelProgressing", 0, 1), 102))
    assert loading == (["ModelAvailable", "ModelProgressing"], [1], 100_000)  # a load in flight counts twice
    replaced = _live(_look(blind, _model(2, "ModelAvailable", 1, 1), 103))
    assert replaced == (["ModelTerminating", "ModelAvailable"], [2], 400_000)
    assert _live(_look(blind, _model(2, "ModelAvailable", 1, 1), 103 + UNLOADED_AFTER)) == (
        ["ModelAvailable"],
        [2],
        700_000,
    )


def test_a_version_that_fails_leaves_the_old_one_serving_and_takes_nothing() -> None:
    blind = Blind()
    _look(blind, _model(1, "ModelAvailable", 1, 1), 100)
    _look(blind, _model(2, "ModelAvailable", 1, 1), 101)
    assert _live(_look(blind, _model(2, "ModelFailed", 0, 1), 102)) == (
        ["ModelAvailable", "ModelFailed"],
        [1],
        700_000,
    )


def test_a_version_that_was_not_placed_takes_the_model_off_the_air_while_the_old_one_keeps_its_memory() -> None:
    blind = Blind()
    _look(blind, _model(1, "ModelAvailable", 1, 1), 100)
    _look(blind, _model(2, "ModelAvailable", 1, 1), 101)
    assert _live(_look(blind, _model(2, "ScheduleFailed", 0, 1), 102)) == (
        ["ModelAvailable", "ScheduleFailed"],
        [],
        700_000,
    )


def test_of_what_failed_before_the_first_look_an_older_version_is_assumed_to_take_memory_and_to_answer_nothing() -> (
    None
):
    found = _model(2, "ModelFailed", 0, 1, written="1970-01-01T00:00:00Z")
    state = _look(Blind(), found, 1000)
    assert _live(state) == (["ModelStateUnknown", "ModelFailed"], [], 700_000)
    assert serving_version(state.models[0]) is None


def test_a_process_that_looks_for_the_first_time_believes_what_was_written_long_ago() -> None:
    entries = [
        {"manager": "kubectl", "time": "1970-01-01T00:16:00Z"},
        {"manager": "seldon", "time": "1970-01-01T00:17:00Z", "subresource": "status"},
    ]
    found = _model(3, "ModelAvailable", 1, 1, managedFields=entries)
    found = slim(found)  # written at 960
    assert _live(_look(Blind(), found, 971)) == (["ModelAvailable"], [2], 700_000)
    young = _look(Blind(), found, 965).models[0]
    assert young.versions[-1].digest != young.spec.digest
    assert young.route == ()


def test_what_an_object_that_is_gone_took_counts_for_a_while() -> None:
    blind = Blind()
    _look(blind, _model(1, "ModelAvailable", 1, 1), 100)
    assert _look(blind, None, 101).servers[0].replicas[0].room == 700_000
    assert _look(blind, None, 101 + UNLOADED_AFTER).servers[0].replicas[0].room == 1_000_000


def test_what_nothing_changed_of_is_the_very_same_object() -> None:
    blind, found = Blind(), _model(1, "ModelAvailable", 1, 1, resourceVersion="7")
    first = _look(blind, found, 100).models[0]
    assert first.versions
    assert _look(blind, found, 200).models[0] is first


@pytest.mark.parametrize(
    "odd", [{"status": None}, {"status": {"conditions": "?"}}, {"status": {"conditions": [1, {}]}}]
)
def test_an_absurd_status_says_nothing_and_stops_nothing(odd: Json) -> None:
    assert _live(_look(Blind(), {**_model(1), **odd}, 100))[1] == []


def _one_to_roll_out(probe: ProbePolicy, unverified: str = "nobody answers") -> Plan:
    live = dataclasses.replace(_look(Blind(), _model(1, "ModelAvailable", 1, 1), 100), unverified=unverified)
    return plan(_wanted(live, "-next"), live, dataclasses.replace(GUARDS, probe=probe))


def test_unverified_no_new_version_of_a_model_on_the_air_is_written_without_a_probe() -> None:
    made = _one_to_roll_out(ProbePolicy.NEVER)
    assert [(d.verb, d.reason) for d in made.decisions if d.kind == "Model"] == [(Verb.BLOCKED, Reason.UNVERIFIED)]
    assert "--seldon-scheduler" in next(d for d in made.decisions if d.kind == "Model").fixes[0]
    assert made.actions == ()
    assert made.unverified == "nobody answers"
    assert _one_to_roll_out(ProbePolicy.NEVER, "").actions != ()


def test_unverified_every_load_and_every_growth_is_asked_for_first() -> None:
    assert [a.kind for a in _one_to_roll_out(ProbePolicy.AUTO).actions][:2] == [ActionKind.PROBE, ActionKind.LOAD]
    server = {**SERVER, "spec": {**SERVER["spec"], "replicas": 2, "minReplicas": 2}}
    seen = Seen({"m": _model(1, "ModelAvailable", 1, 1)}, {"mlserver": server})
    live = dataclasses.replace(Blind().look(seen, 100), unverified="nobody answers")
    assert [a.kind for a in plan(_wanted(live, ""), live, GUARDS).actions] == [ActionKind.PROBE, ActionKind.CHANGE]
    new = DesiredState("", (ModelManifest("n", live.models[0].spec, Source("n.yaml", 1)), *_wanted(live, "").models))
    actions = [a for a in plan(new, live, GUARDS).actions if a.subject == "n"]
    assert {a.kind for a in actions} == {ActionKind.PROBE, ActionKind.LOAD, ActionKind.SHIFT}
    asking = next(a for a in actions if a.kind is ActionKind.PROBE)
    assert obstacle(asking, live) is None  # though there is no such model yet
