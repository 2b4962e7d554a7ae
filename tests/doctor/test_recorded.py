"""What the doctor says of the state in which each recording ends; and that what it says is so."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shlex

import pytest

from reconciler.clusters.simulated import Simulation
from reconciler.doctor.examination import examine
from reconciler.doctor.finding import Finding, Hazard, Severity
from reconciler.doctor.standing import Standing, standing
from reconciler.health import on_the_air
from reconciler.model.live import LiveModel, LiveState
from tests.doctor.recorded import FOLDER, NAMES, cluster, ended
from tests.recordings.choices import RecordedChoices
from tests.recordings.player import play
from tests.recordings.recording import read_recording

ONE = "risk: stranded-without-the-last-replica Server/mlserver"
OTHER = "risk: stranded-without-the-last-replica Server/other"
SHRINKS = "risk: autoscaler-shrinks Server/mlserver"


def lost(name: str) -> str:
    return f"outage now: loaded-but-off-the-air Model/{name}"


def tight(name: str) -> str:
    return f"next change is an outage: no-room-for-a-second-version Model/{name}"


FOUND = {
    "delete-and-apply-at-once": [ONE],
    "deleted-while-loading": [lost("b")],
    "exact-fit": [ONE],
    "experiment-all-zero": [ONE, OTHER],
    "experiment-updates": [ONE, OTHER],
    "experiment-weights": [ONE, OTHER],
    "fleet-create": [ONE],
    "fleet-naive": [*(lost(f"m{number}") for number in range(3, 9)), ONE],
    "growing-a-server-retries": [tight("a"), SHRINKS, ONE],
    "heal-then-update": [SHRINKS],
    "in-flight-counts-twice": [tight("b"), ONE],
    "load-too-early": [tight("m"), ONE],
    "min-replicas-step": [SHRINKS],
    "more-replicas-healed": [SHRINKS],
    "more-replicas-than-the-server": [SHRINKS],
    "move-to-another-server": [OTHER],
    "node-lost": [tight("a"), SHRINKS, "risk: server-not-whole Server/mlserver", ONE],
    "overcommit": [
        "outage now: load-failed Model/huge",
        *(tight(name) for name in ("g1", "g2", "g3")),
        "risk: overcommit-in-use Server/mlserver",
        ONE,
    ],
    "placement": [lost("d"), SHRINKS, "risk: autoscaler-shrinks Server/other"],
    "probe": [tight("m"), tight("n"), ONE],
    "requirements-nobody-meets": [lost("m")],
    "retrigger-after-load-failure": [ONE],
    "server-autoscaler": [],
    "server-deleted": [OTHER],
    "server-grows-for-a-rollout": [tight("m"), tight("n"), ONE],
    "server-scale-down-strands": [tight("a"), SHRINKS, ONE],
    "shrink-first": [tight("m"), SHRINKS],
    "shrink-first-autoscaled": [lost("m")],
    "shrink-first-fixed-size": [tight("m")],
    "shrink-in-one-patch": [lost("m"), SHRINKS],
    "third-version-does-not-fit": [lost("m")],
    "two-replicas-one-fails": [SHRINKS],
    "two-replicas-one-slow": [SHRINKS],
    "update-does-not-fit": [lost("m")],
    "update-does-not-fit-then-room": [ONE],
    "update-during-update": ["outage now: not-placed Model/n", ONE],
    "update-fails-to-load": [ONE],
    "update-fits": [ONE],
}
"""One-replica Servers strand what is on them whenever their pod restarts, so most ends have that."""


MEANWHILE = {
    ("deleted-while-loading", 2): ["not-placed b"],
    ("growing-a-server-retries", 1): ["not-placed b"],
    ("heal-then-update", 1): ["not-whole m"],
    ("in-flight-counts-twice", 1): ["not-placed c"],
    ("load-too-early", 1): ["not-placed m"],
    ("min-replicas-step", 1): ["not-whole m"],
    ("more-replicas-healed", 1): ["more-replicas-than-the-server m"],
    ("more-replicas-than-the-server", 1): ["more-replicas-than-the-server m"],
    ("move-to-another-server", 2): ["loaded-but-off-the-air m"],
    ("overcommit", 1): ["overcommit-in-use mlserver"],
    ("probe", 1): ["load-failed probe"],
    ("probe", 3): ["not-placed probe"],
    ("retrigger-after-load-failure", 1): ["load-failed m"],
    ("server-deleted", 1): ["not-placed m"],
    ("server-scale-down-strands", 1): ["not-placed c"],
    ("third-version-does-not-fit", 1): ["loaded-but-off-the-air m"],
    ("two-replicas-one-fails", 1): ["not-whole m"],
    ("update-does-not-fit", 1): ["loaded-but-off-the-air m"],
    ("update-does-not-fit", 2): ["loaded-but-off-the-air m"],
    ("update-does-not-fit", 3): ["loaded-but-off-the-air m"],
    ("update-does-not-fit-then-room", 1): ["loaded-but-off-the-air m"],
    ("update-does-not-fit-then-room", 2): ["loaded-but-off-the-air m"],
    ("update-does-not-fit-then-room", 3): ["loaded-but-off-the-air m"],
    ("update-fails-to-load", 1): ["load-failed m"],
}
"""By recording and step, what is told at the end of a step that is not the last, beside what `USUAL` says."""

USUAL = {Hazard.LAST_REPLICA, Hazard.AUTOSCALER, Hazard.NO_ROOM_BESIDE}
"""Hazards of small Servers that are there from the beginning."""


def seen(simulation: Simulation) -> LiveState:
    return asyncio.run(cluster(simulation).observe())


def findings(simulation: Simulation) -> tuple[Finding, ...]:
    return examine(seen(simulation), "simulated").findings


def model(simulation: Simulation, name: str) -> LiveModel:
    found = seen(simulation).model(name)
    assert found is not None
    return found


def carry_out(simulation: Simulation, command: str) -> None:
    """Does what a kubectl command of a finding says."""
    words = shlex.split(command)
    if words[1:3] == ["rollout", "restart"]:
        simulation.restart_scheduler()
    else:
        assert words[1] == "patch"
        simulation.patch(f"{words[2].capitalize()}/{words[3]}", json.loads(words[words.index("-p") + 1]))
    simulation.run_until(simulation.now + 60)


def test_every_recording_is_in_the_table() -> None:
    assert sorted(FOUND) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_end_of_a_recording_has_these_hazards(name: str) -> None:
    told = [f"{f.severity}: {f.hazard} {f.kind}/{f.name}" for f in findings(ended(name))]
    assert told == FOUND[name]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("experiment")])
def test_the_end_of_every_step_before_has_these_hazards(name: str) -> None:
    recording = read_recording(FOLDER / f"{name}.yaml")
    for number in range(1, len(recording.steps)):
        shorter = dataclasses.replace(recording, steps=recording.steps[:number])
        end = play(shorter, RecordedChoices(recording, {})).end
        assert end is not None
        told = [f"{each.hazard} {each.name}" for each in findings(end) if each.hazard not in USUAL]
        assert told == MEANWHILE.get((name, number), []), recording.steps[number - 1].name


@pytest.mark.parametrize("name", NAMES)
def test_a_model_with_room_for_a_second_version_survives_an_update_and_one_without_does_not(name: str) -> None:
    without = {f.name for f in findings(ended(name)) if f.hazard is Hazard.NO_ROOM_BESIDE}
    for found in seen(ended(name)).models:
        if standing(found) is not Standing.WELL:
            continue
        simulation = ended(name)
        simulation.patch(f"Model/{found.name}", {"spec": {"artifactVersion": 7}})
        simulation.run_until(simulation.now + 30)
        assert on_the_air(model(simulation, found.name)) is (found.name not in without), found.name


@pytest.mark.parametrize("name", [name for name in NAMES if any("outage now" in told for told in FOUND[name])])
def test_one_of_the_commands_brings_a_model_back_that_is_off_the_air(name: str) -> None:
    for number, outage in enumerate(findings(ended(name))):
        commands = [fix.command for fix in outage.fixes if fix.command]
        if outage.severity is not Severity.OUTAGE or not commands:
            continue
        simulation = ended(name)
        for command in commands:
            if not on_the_air(model(simulation, outage.name)):
                carry_out(simulation, command)
        assert on_the_air(model(simulation, outage.name)), (number, commands)


@pytest.mark.parametrize("name", [name for name in NAMES if any("no-room" in told for told in FOUND[name])])
def test_the_commands_for_a_model_without_room_give_it_room_for_an_update(name: str) -> None:
    for tight in findings(ended(name)):
        commands = [fix.command for fix in tight.fixes if "replicas" in fix.command.split('"')]
        if tight.hazard is not Hazard.NO_ROOM_BESIDE or not commands:
            continue
        simulation = ended(name)
        carry_out(simulation, commands[0])
        simulation.patch(f"Model/{tight.name}", {"spec": {"artifactVersion": 7}})
        simulation.run_until(simulation.now + 30)
        assert on_the_air(model(simulation, tight.name))


def test_a_model_that_is_off_the_air_after_a_restart_of_the_scheduler_is_back_soon() -> None:
    simulation = ended("deleted-while-loading")
    assert "routes take up to 10 s" in findings(simulation)[0].what
    simulation.run_until(simulation.now + 30)
    assert all(found.severity is not Severity.OUTAGE for found in findings(simulation))


def test_leaked_room_is_named_once_it_is_asked_for() -> None:
    told = findings(ended("update-during-update"))[0]
    assert "there is room for it now" in told.consequence
    assert [fix.command.split()[1] for fix in told.fixes] == ["patch", "rollout"]
