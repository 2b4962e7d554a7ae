"""The way in: time, listeners, and a state that can be written down at any moment."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.clusters.simulated import Artifact, Rules, Simulation
from tests.simulated.worlds import ARTIFACTS, Manifest, cluster, experiment, model, server, settled, wait, who


def test_time_passes_only_as_far_as_it_is_told() -> None:
    simulation = cluster(server())
    begun = simulation.now
    simulation.apply([model("m")])
    assert simulation.now == begun
    at = simulation.next_event_at()
    simulation.step()
    assert simulation.now == at == begun + 0.1
    simulation.run_until(begun + 0.25)
    assert simulation.now == begun + 0.25
    simulation.run_until(begun)
    assert simulation.now == begun + 0.25


def test_nothing_happens_by_itself_once_all_is_quiet() -> None:
    simulation = cluster(server())
    settled(simulation, model("m"))
    assert simulation.next_event_at() is None
    simulation.step()


def test_listeners_hear_of_every_change_when_it_happens() -> None:
    simulation = cluster(server())
    heard: list[float] = []
    simulation.listeners.append(heard.append)
    begun = simulation.now
    settled(simulation, model("m"))
    assert heard[0] == begun
    assert heard == sorted(heard)
    assert len(heard) > 5


class _Chance:
    """Choices from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def server(self, model: str, names: Sequence[str]) -> str:
        """Returns one of `names`."""
        return self._random.choice(list(names))

    def order(self, names: Sequence[str]) -> list[str]:
        """Returns `names` in some order."""
        return self._random.sample(list(names), len(names))


_NAMES = st.sampled_from(["a", "b", "c"])
_MODELS = st.builds(
    model,
    _NAMES,
    st.sampled_from(["v1", *ARTIFACTS]),
    st.sampled_from(["100k", "300k", "600k", "1100k"]),
    st.integers(0, 3),
    minReplicas=st.integers(0, 1),
    server=st.sampled_from(["", "s", "t"]),
)
_SERVERS = st.builds(
    server,
    st.sampled_from(["s", "t"]),
    st.integers(1, 3),
    maxReplicas=st.sampled_from([None, 3]),
    podSpec=st.sampled_from([{}, {"nodeName": "x"}]),
)
_EXPERIMENTS = st.builds(experiment, st.just("x"), _NAMES, a=st.sampled_from([0, 50]), b=st.sampled_from([0, 50]))
_DEEDS = st.one_of(
    st.tuples(st.just("apply"), st.lists(st.one_of(_MODELS, _SERVERS, _EXPERIMENTS), min_size=1, max_size=3)),
    st.tuples(st.just("delete"), st.sampled_from(["Model/a", "Model/b", "Server/t", "Experiment/x"])),
    st.tuples(st.just("kill"), st.tuples(st.sampled_from(["s", "t"]), st.integers(0, 2))),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("mend"), st.sampled_from([Artifact(), Artifact(fails=True)])),
)
_STORY = st.lists(st.tuples(_DEEDS, st.sampled_from([0.0, 0.1, 0.3, 1.0, 3.0, 8.0])), max_size=12)


def _do(simulation: Simulation, deed: tuple[str, Any]) -> None:
    what, about = deed
    if what == "apply":
        simulation.apply(about)
    elif what == "delete" and about in simulation.snapshot()["objects"]:
        simulation.delete(about)
    elif (
        what == "kill" and str(about[1]) in simulation.snapshot()["servers"].get(about[0], {"replicas": ()})["replicas"]
    ):
        simulation.kill(*about)
    elif what == "restart":
        simulation.restart_scheduler()
    elif what == "mend":
        simulation.set_artifact("broken", about)


def _is_there(simulation: Simulation, name: str, replica: int) -> bool:
    return str(replica) in simulation.snapshot()["servers"].get(name, {"replicas": ()})["replicas"]


def _begin(seed: int, overcommit: int, autoscaling: bool) -> Simulation:
    rules = Rules(1_000_000, overcommit, server_autoscaling=autoscaling)
    simulation = Simulation(rules, ARTIFACTS, _Chance(seed))
    simulation.apply([server("s", 2), server("t", 1)])
    wait(simulation, 15)
    return simulation


@settings(max_examples=60, deadline=None)
@given(_STORY, st.integers(0, 99), st.sampled_from([0, 30]), st.booleans())
def test_whatever_is_done_memory_stays_within_limits_and_everything_comes_to_rest(
    story: list[tuple[tuple[str, Any], float]], seed: int, overcommit: int, autoscaling: bool
) -> None:
    simulation = _begin(seed, overcommit, autoscaling)
    simulation.listeners.append(lambda _: _within_limits(simulation))
    for deed, seconds in story:
        _do(simulation, deed)
        wait(simulation, seconds)
    wait(simulation, 400)
    assert simulation.next_event_at() is None
    _at_rest(simulation)


def _within_limits(simulation: Simulation) -> None:
    for found in simulation.dump()["servers"].values():
        for replica in found["replicas"].values():
            held = sum(replica["loaded"].values()) + sum(load["memory"] for load in replica["loads"].values())
            evicted = sum(replica["loaded"][version] for version in replica["evicted"])
            assert held <= replica["limit"]
            assert held - evicted <= replica["memory"]
            assert replica["reserved"] >= 0


def _at_rest(simulation: Simulation) -> None:
    """Agents hold what the scheduler thinks they hold, and nothing is under way."""
    state = simulation.dump()
    known = {
        (version["server"], index, f"{name}_{version['number']}")
        for name, found in state["models"].items()
        for version in found["versions"]
        for index, current in version["replicas"].items()
        if current in ("Loaded", "Available") or _fail(current)
    }
    held = {
        (name, index, version)
        for name, found in state["servers"].items()
        for index, replica in found["replicas"].items()
        for version in replica["loaded"]
    }
    assert held == known
    assert not any(found["deleting"] for found in state["objects"].values())


def _fail(current: str) -> bool:
    assert current in ("Unloaded", "LoadFailed")
    return False


@settings(max_examples=25, deadline=None)
@given(_STORY, st.integers(0, 99))
def test_what_was_written_down_goes_on_exactly_alike(story: list[tuple[tuple[str, Any], float]], seed: int) -> None:
    simulation = _begin(seed, 0, True)
    for deed, seconds in story:
        _do(simulation, deed)
        wait(simulation, seconds)
    text = json.dumps(simulation.dump())
    twin = Simulation.load(json.loads(text), _Chance(seed))
    assert json.dumps(twin.dump()) == text
    simulation = Simulation.load(json.loads(text), _Chance(seed))
    while simulation.next_event_at() is not None:
        simulation.step()
        twin.step()
        assert twin.snapshot() == simulation.snapshot()
        assert all(who(twin, name) == who(simulation, name) for name in "abc")


def test_leaks_and_events_to_come_are_written_down_too() -> None:
    simulation = cluster(server())
    simulation.apply([model("m", "slow6", "450k")])
    wait(simulation, 1)
    simulation.delete("Model/m")
    wait(simulation, 1)
    again = Simulation.load(json.loads(json.dumps(simulation.dump())))
    wait(again, 20)
    assert again.room("s", 0) == 550_000
    assert "Model/m" not in again.snapshot()["objects"]


@pytest.mark.parametrize(
    "broken", [{"now": "x"}, {"objects": 3}, {"nonsense": 1}, {"models": {"m": {"name": 1, "x": 2}}}]
)
def test_what_is_no_dump_is_refused(broken: Manifest) -> None:
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        Simulation.load({**cluster(server()).dump(), **broken})
