"""What is kept and what goes over the admin socket comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.clusters.local import store, view, wire
from reconciler.clusters.local.records import (
    ModelRecord,
    Process,
    ReplicaKey,
    ReplicaRecord,
    ServerRecord,
    State,
    VersionRecord,
)
from reconciler.errors import ClusterError
from reconciler.model.live import Failure, ReplicaState
from reconciler.model.manifests import Explainer, ModelPolicy, ModelSpec, Parameter, ServerManifest, Source, Strategy
from reconciler.model.plan import ActionKind, MemoryUse
from reconciler.model.records import failure_from_json, failure_to_json
from tests.local.serving import action, model, server_spec

SPEC = ModelSpec(
    "s3://bucket/ä",
    artifact_version=3,
    requirements=("b", "a"),
    memory=123,
    replicas=2,
    min_replicas=1,
    max_replicas=3,
    server="main",
    preloaded=True,
    logger_percent=0,
    explainer=Explainer("anchor", "other"),
    parameters=(Parameter("n", "v"),),
    clean_topics_on_delete=False,
)
VERSION = VersionRecord(
    number=4,
    spec=SPEC,
    digest=SPEC.digest,
    memory=123,
    server="main",
    replicas=((0, ReplicaState.AVAILABLE), (1, ReplicaState.LOADING)),
    wanted=2,
    proven=True,
    reason="why",
)
FAILURE = Failure("0123", 2, 12.5, "it broke", None)
STATE = State(
    servers={
        "main": ServerRecord(
            "main",
            server_spec(replicas=2, memory=900, capabilities=("a",), extra_capabilities=("b",)),
            namespace="ns",
            labels={"model-reconciler.io/instance": "us"},
            replicas=(ReplicaRecord(0, Process(1, 2, 3, "t")), ReplicaRecord(1, None, retiring=True)),
        )
    },
    models={
        "m": ModelRecord(
            "m",
            labels={"a": "b"},
            annotations={"model-reconciler.io/failed": failure_to_json(FAILURE), "x": "y"},
            versions=(replace(VERSION, number=3, ending=True, hidden=True, failed=True), VERSION),
            route=((4, 100),),
            deleting=True,
        )
    },
    numbers={"m": 4, "gone": 9},
)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    store.write(tmp_path / "state.json", STATE)
    assert store.read(tmp_path / "state.json") == STATE
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_a_folder_without_a_state_is_an_empty_one(tmp_path: Path) -> None:
    assert store.read(tmp_path / "state.json") == State()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1, "servers": [{}]}', "\0"])
def test_a_state_that_cannot_be_read_is_said_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(ClusterError) as error:
        store.read(path)
    assert str(path) in error.value.what
    assert error.value.why
    assert error.value.fix
    assert path.read_text() == text


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    store.write(path, STATE)
    (tmp_path / "state.json.partial").mkdir()
    with pytest.raises(OSError, match="partial"):
        store.write(path, State())
    assert store.read(path) == STATE


def test_a_live_state_goes_over_the_wire_unchanged() -> None:
    live = view.live_state(STATE, {ReplicaKey("main", 0)}, frozenset({"a", "c"}), lambda name, number: number, 5.5)
    assert wire.live_from_json(json.loads(json.dumps(wire.live_to_json(live)))) == live
    assert live.models[0].failure == FAILURE
    assert [v.number for v in live.models[0].versions] == [4]
    assert live.servers[0].instance == "us"
    assert live.servers[0].capabilities == {"a", "b"}
    assert [r.ready for r in live.servers[0].replicas] == [True, False]


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[]", "{}", '{"digest": 1, "count": "x"}', "[" * 100_000, '{"digest":"a","count":1,"when":0}'],
)
def test_a_failure_that_cannot_be_read_is_none(text: str | None) -> None:
    assert failure_from_json(text) is None


def test_actions_go_over_the_wire_unchanged() -> None:
    policy = ModelPolicy(
        strategy=Strategy.RECREATE, load_timeout=5.5, drain_timeout=0.25, smoke_request='{"inputs":[1]}', prune=False
    )
    manifest = replace(model("m", "x", policy=policy, labels={"a": "b"}), spec=SPEC, source=Source("", 0))
    server = ServerManifest("s", server_spec(replicas=3), Source("", 0))
    for kind in ActionKind:
        sent = action(kind, "m", digest="d", number=3, model=manifest, server=server, takes=(MemoryUse("s", 1, 2),))
        assert wire.action_from_json(json.loads(json.dumps(wire.action_to_json(sent)))) == sent
    bare = action(ActionKind.DECOMMISSION, "m")
    assert wire.action_from_json(json.loads(json.dumps(wire.action_to_json(bare)))) == bare
