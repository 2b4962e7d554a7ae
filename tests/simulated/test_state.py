"""The state file: a beginning that people write, and what has become of it, gone on from exactly."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from reconciler.clusters.simulated.state import StateFile
from reconciler.errors import ClusterError

HEAD = """\
# how it all began
rules: {memory: 1M, overcommitPercentage: 0}
artifacts:
  late: {loadSeconds: 5}   # takes its time
objects:
  - {kind: Server, metadata: {name: s}, spec: {serverConfig: mlserver, replicas: 2}}
  - kind: Model
    metadata: {name: m, labels: {model-reconciler.io/instance: us}}
    spec: {storageUri: v1, requirements: [sklearn], memory: 300k, replicas: 2}
  - {kind: Model, metadata: {name: n}, spec: {storageUri: late, requirements: [sklearn], memory: 100k}}
seed: 7
epoch: 1000
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.yaml"
    path.write_text(HEAD)
    return path


def spec(uri: str, memory: str = "100k") -> dict[str, Any]:
    return {"storageUri": uri, "requirements": ["sklearn"], "memory": memory}


def test_what_is_written_down_is_live_and_whole_when_it_begins(path: Path) -> None:
    cluster = StateFile(path).read()
    states = {name: model.latest for name, model in cluster.simulation.world.models.items()}
    assert {name: (v.state, v.available) for name, v in states.items()} == {
        "m": ("ModelAvailable", 2),
        "n": ("ModelAvailable", 1),
    }
    assert cluster.epoch + cluster.simulation.now == 1000
    assert cluster.simulation.next_event_at() is None


def test_looking_writes_nothing_and_changing_keeps_what_people_wrote(path: Path) -> None:
    StateFile(path).read()
    assert path.read_text() == HEAD
    with StateFile(path).changed():
        pass
    assert path.read_text().startswith(HEAD)
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith(".")] == []


def test_the_next_one_goes_on_exactly_where_the_last_one_stopped(path: Path) -> None:
    file, other = StateFile(path), StateFile(path)
    with file.changed() as cluster:
        cluster.simulation.apply([{"kind": "Model", "name": "x", "spec": spec("late")}])
        cluster.simulation.run_until(cluster.simulation.now + 3)
        mine = cluster.simulation
    found = other.read()
    assert found.simulation.dump() == mine.dump()
    assert found.epoch == file.read().epoch
    for simulation in (mine, found.simulation):
        simulation.run_until(simulation.now + 60)
    assert found.simulation.dump() == mine.dump()


def test_what_is_saved_is_the_whole_dump(path: Path) -> None:
    simulation = StateFile(path).read().simulation
    simulation.apply([{"kind": "Model", "name": "x", "spec": spec("late")}])
    simulation.run_until(simulation.now + 3)
    assert json.loads(simulation.dump_json()) == simulation.dump()


def test_choices_go_on_where_they_stopped(path: Path) -> None:
    path.write_text("rules: {memory: 1M}\nseed: 3\n")
    names = list("abcdef")
    with StateFile(path).changed() as cluster:
        assert cluster.choices is not None
        first = [cluster.choices.order(names) for _ in range(3)]
    with StateFile(path).changed() as cluster:
        assert cluster.choices is not None
        first += [cluster.choices.order(names) for _ in range(3)]
    path.write_text("rules: {memory: 1M}\nseed: 3\n")
    cluster = StateFile(path).read()
    assert cluster.choices is not None
    assert [cluster.choices.order(names) for _ in range(6)] == first
    assert len({tuple(order) for order in first}) > 1


def test_what_somebody_else_wrote_is_seen(path: Path) -> None:
    file = StateFile(path)
    before = file.read().simulation.now
    with StateFile(path).changed() as cluster:
        cluster.simulation.run_until(before + 5)
    assert file.read().simulation.now == before + 5


def test_artifacts_may_be_edited_at_any_time_and_the_beginning_may_not(path: Path) -> None:
    with StateFile(path).changed():
        pass
    saved = path.read_text()
    path.write_text(saved.replace("loadSeconds: 5", "fails: true"))
    assert StateFile(path).read().simulation.world.artifacts["late"].fails
    path.write_text(saved.replace("memory: 1M", "memory: 2M"))
    with pytest.raises(ClusterError, match="was edited after the cluster began"):
        StateFile(path).read()


def test_a_saved_part_that_somebody_reformatted_is_still_read(path: Path) -> None:
    with StateFile(path).changed() as cluster:
        before = cluster.simulation.dump()
    head, _, saved = path.read_text().partition("saved: ")
    block = "\n".join(f"  {key}: {json.dumps(value)}" for key, value in json.loads(saved).items())
    path.write_text(f"{head}saved:\n{block}\n")
    assert StateFile(path).read().simulation.dump() == before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rules: [", "not valid YAML at line"),
        ("- 1", "it is not one mapping"),
        ("rules: {color: red}", "color"),
        ("rules: {memory: lots}", "not a quantity"),
        ("objects: [{kind: Pod, metadata: {name: x}, spec: {}}]", "objects.0.kind: 'Pod' is not one of"),
        ("saved: {}", "saved: 'format' is a required property"),
        ('saved: {"format": 2, "beginning": "", "epoch": 0, "made": 0, "cluster": {}}', "saved.format: 1 was expected"),
        ("seed: 1\nsaved: {}\nepoch: 5", "`saved` does not come last"),
    ],
)
def test_what_is_no_state_file_is_told_with_what_is_wrong(text: str, why: str, path: Path) -> None:
    path.write_text(text)
    with pytest.raises(ClusterError) as error:
        StateFile(path).read()
    assert why in error.value.why
    assert str(path) in error.value.what


def test_a_model_that_would_not_be_whole_is_told(path: Path) -> None:
    path.write_text(HEAD.replace("memory: 300k", "memory: 2M"))
    with pytest.raises(ClusterError, match="says that model m is live and whole, and it would not be") as error:
        StateFile(path).read()
    assert "no matching server had enough suitable replicas" in error.value.why


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_no_file_and_a_folder_are_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError) as error:
        StateFile(tmp_path / name).read()
    assert error.value.why in ("No such file or directory", "it is a folder, or something else that is no file")
    assert "--state FILE" in error.value.fix


def test_several_processes_write_in_turn_and_none_is_lost(path: Path) -> None:
    started = StateFile(path).read().simulation.now
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_seconds, args=(path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert StateFile(path).read().simulation.now == started + 3 * 20


def _seconds(path: Path) -> None:
    file = StateFile(path)
    for _ in range(20):
        with file.changed() as cluster:
            cluster.simulation.run_until(cluster.simulation.now + 1)
