"""Whatever is done, the stand-in on a real API server goes through the very states of the simulated cluster alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.controlplane.running import ControlPlane
from tests.recordings.choices import RecordedChoices
from tests.recordings.orders import Way
from tests.recordings.player import play as play_simulated
from tests.recordings.recording import Recording, parse_recording
from tests.standin.player import play

Json = dict[str, Any]


def server(name: str = "mlserver", **spec: Any) -> Json:
    return {"kind": "Server", "name": name, "spec": {"serverConfig": "mlserver", **spec}}


def model(name: str = "m", artifact: str = "v1", memory: str = "400k", **spec: Any) -> Json:
    return {"kind": "Model", "name": name, "spec": {"storageUri": f"artifacts/{artifact}", "memory": memory, **spec}}


def experiment(weights: Mapping[str, int], **spec: Any) -> Json:
    candidates = [{"name": name, "weight": weight} for name, weight in weights.items()]
    return {"kind": "Experiment", "name": "x", "spec": {"candidates": candidates, **spec}}


def pod(memory: str) -> Json:
    return {"podSpec": {"containers": [{"name": "mlserver", "resources": {"requests": {"memory": memory}}}]}}


STORIES: Mapping[str, list[Json]] = {
    "a Server restarts with more memory": [{"apply": [server(replicas=2, **pod("2M"))]}],
    "a Server is deleted and applied again at once": [
        {"delete": "Server/mlserver"},
        {"apply": [server(replicas=2)]},
    ],
    "a Server without replicas grows": [{"apply": [server()]}, {"wait": 20}, {"apply": [server(replicas=3)]}],
    "a Server is emptied": [{"patch": "Server/mlserver", "merge": {"spec": {"replicas": 0}}}],
    "other capabilities": [
        {"apply": [server(replicas=2, capabilities=["python"]), model("n", requirements=["python"])]}
    ],
    "a model is applied and deleted at once": [{"apply": [model("n", "slow3")]}, {"delete": "Model/n"}],
    "a model is deleted twice and applied again": [
        {"delete": "Model/m"},
        {"delete": "Model/m"},
        {"apply": [model()]},
        {"wait": 5},
        {"apply": [model()]},
    ],
    "no replicas of a model": [{"apply": [model(replicas=0)]}, {"wait": 5}, {"apply": [model(replicas=1)]}],
    "an autoscaler with a maximum": [
        {"apply": [server(replicas=2, minReplicas=1, maxReplicas=4)]},
        {"wait": 5},
        {"apply": [model(replicas=3)]},
        {"wait": 20},
        {"apply": [model(replicas=1)]},
    ],
    "what the autoscaler took stays when the manifest says nothing": [
        {"apply": [model(artifact="v2")]},
        {"wait": 10},
        {"apply": [server()]},
    ],
    "an experiment with a mirror comes and goes": [
        {"apply": [model("n", "v2"), experiment({"m": 1, "n": 1}, default="m", mirror={"name": "n", "percent": 5})]},
        {"wait": 5},
        {"patch": "Model/n", "merge": {"spec": {"memory": "900k"}}},
        {"wait": 5},
        {"delete": "Experiment/x"},
        {"wait": 5},
        {"apply": [experiment({"m": 3, "n": 1})]},
    ],
    "a pipeline": [
        {"apply": [{"kind": "Pipeline", "name": "p", "spec": {"steps": [{"name": "m"}, {"name": "n"}]}}]},
        {"wait": 2},
        {"apply": [model("n")]},
        {"wait": 2},
        {"delete": "Pipeline/p"},
    ],
    "the scheduler restarts while something loads": [
        {"apply": [model(artifact="slow4")]},
        {"wait": 1},
        {"restart": "scheduler"},
        {"apply": [model("n")]},
    ],
    "a replica is killed and the Server patched": [
        {"kill": "mlserver/0"},
        {"patch": "Server/mlserver", "merge": {"spec": {"replicas": 1}}},
        {"wait": 10},
        {"patch": "Server/mlserver", "merge": {"spec": {"replicas": 2}}},
    ],
    "labels, annotations and a field that nobody reads": [
        {"patch": "Model/m", "merge": {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}},
        {"patch": "Model/m", "merge": {"spec": {"preloaded": True}}},
        {"patch": "Model/m", "merge": {"spec": {"preloaded": None, "replicas": 2}}},
    ],
}


def recording(operations: list[Json]) -> Recording:
    """Returns a recording of nothing in which this is done."""
    return parse_recording(
        {
            "scenario": "told",
            "memory": 1_000_000,
            "servers": [server(replicas=2)],
            "setup": [{"apply": [model()]}],
            "steps": [{"step": "all", "do": operations, "seconds": 30.0}],
        }
    )


@pytest.mark.parametrize("story", STORIES)
async def test_both_go_through_the_same_states(story: str, seldon_kinds: ControlPlane) -> None:
    script = recording(STORIES[story])
    simulated = play_simulated(script, RecordedChoices(script, {}))
    real = await play(script, Way({}, None), seldon_kinds)
    assert [stage.states[-1] for stage in real.stages] == [stage.states[-1] for stage in simulated.stages]
    simulated_states = simulated.steps[0].states
    assert len(simulated_states) > 1
    assert [state for state in real.steps[0].states if state not in simulated_states] == []
