"""What the stand-in writes to a real API server, on real time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from reconciler.clusters.kubernetes import scheduler_pb2 as protocol
from reconciler.clusters.simulated import Artifact, Rules
from tests.standin.background import Seldon
from tests.standin.fixtures import StartSeldon
from tests.standin.operator import FINALIZERS
from tests.standin.scheduler import SERVICE

RULES = Rules(memory=1_000_000, overcommit_percentage=0, unload_grace=20.0)
"""The grace period is longer than the time that a slow machine takes for a command."""

SPEED = 20.0


def server(name: str = "mlserver", **spec: Any) -> dict[str, Any]:
    return {"kind": "Server", "name": name, "spec": {"serverConfig": "mlserver", "replicas": 1, **spec}}


def model(name: str = "m", artifact: str = "v1", memory: str = "400k", **spec: Any) -> dict[str, Any]:
    return {"kind": "Model", "name": name, "spec": {"storageUri": f"artifacts/{artifact}", "memory": memory, **spec}}


def ready(found: Seldon, ref: str) -> bool:
    return condition(found, ref, "Ready").get("status") == "True"


def condition(found: Seldon, ref: str, name: str) -> dict[str, str]:
    conditions = found.get(ref).get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == name), {})


@pytest.fixture
def one_model(seldon: StartSeldon) -> Seldon:
    """A Server of one replica with a model of 400k, settled."""
    found = seldon(RULES, speed=SPEED)
    found.apply(server())
    found.until(lambda: ready(found, "Server/mlserver"))
    found.apply(model())
    found.until_ready("m")
    return found


def test_a_model_that_serves_has_message_and_reason_swapped_and_no_observed_generation(one_model: Seldon) -> None:
    status = one_model.get("Model/m")["status"]
    said = {one["type"]: {n: t for n, t in one.items() if n != "lastTransitionTime"} for one in status["conditions"]}
    assert said["ModelReady"] == {"type": "ModelReady", "status": "True", "message": "ModelAvailable"}
    assert said["Ready"] == {"type": "Ready", "status": "True"}
    assert "observedGeneration" not in status
    assert (status["replicas"], status["availableReplicas"]) == (1, 1)


def test_an_update_that_does_not_fit_loses_requests_and_available_replicas_vanish(one_model: Seldon) -> None:
    with one_model.requests("m", every=0.02) as requests:
        one_model.until(lambda: requests.counts["m"].requests > 5)
        one_model.apply(model(artifact="v2", memory="700k"))
        one_model.until(lambda: condition(one_model, "Model/m", "Ready").get("message") == "ScheduleFailed")
        one_model.until(requests.lost)
    assert "availableReplicas" not in one_model.get("Model/m")["status"]
    assert condition(one_model, "Model/m", "ModelReady")["reason"].startswith("Failed to schedule model")


def test_an_update_that_fits_loses_no_request(one_model: Seldon) -> None:
    with one_model.requests("m", every=0.01) as requests:
        one_model.apply(model(artifact="v2"))
        one_model.until(lambda: requests.counts["m"].answered["v2@mlserver-0"] > 20)
    assert requests.lost() == {}
    assert requests.counts["m"].answered["v1@mlserver-0"]


def test_a_model_keeps_its_finalizer_until_it_is_unloaded(one_model: Seldon) -> None:
    assert one_model.get("Model/m")["metadata"]["finalizers"] == [FINALIZERS["Model"]]
    one_model.kubectl("delete", "model.mlops.seldon.io/m", "--wait=false")
    assert "deletionTimestamp" in one_model.get("Model/m")["metadata"]
    one_model.until(lambda: not one_model.get("Model/m"))


def test_a_finalizer_can_be_made_to_hang(one_model: Seldon) -> None:
    one_model.let_finalizers_hang(hang=True)
    one_model.kubectl("delete", "model.mlops.seldon.io/m", "--wait=false")
    one_model.until(lambda: "Model/m" not in one_model.snapshot()["objects"])
    assert "deletionTimestamp" in one_model.get("Model/m")["metadata"]
    one_model.let_finalizers_hang(hang=False)
    one_model.until(lambda: not one_model.get("Model/m"))


def test_what_is_applied_while_its_name_is_being_deleted_is_lost(one_model: Seldon) -> None:
    one_model.kubectl("delete", "model.mlops.seldon.io/m", "--wait=false")
    one_model.apply(model(artifact="v2"))
    one_model.until(lambda: not one_model.get("Model/m"))
    one_model.apply(model(artifact="v2"))
    one_model.until_ready("m")


def test_status_goes_stale_while_the_operator_stands_still(one_model: Seldon) -> None:
    one_model.let_operator_stand(still=True)
    one_model.apply(model(artifact="v2", memory="700k"))
    one_model.apply(model("n"))
    found = one_model.get("Model/m")
    assert (found["metadata"]["generation"], ready(one_model, "Model/m")) == (2, True)
    one_model.let_operator_stand(still=False)
    one_model.until(lambda: not ready(one_model, "Model/m"))
    one_model.until_ready("n")


def test_the_autoscaler_patches_the_server_and_takes_that_in_once(seldon: StartSeldon) -> None:
    found = seldon(RULES, speed=SPEED)
    found.apply(server(replicas=2))
    found.until(lambda: ready(found, "Server/mlserver"))
    found.apply(model())
    found.until_ready("m")
    found.apply(model(artifact="v2"))
    found.until(lambda: found.get("Server/mlserver")["spec"]["replicas"] == 1)
    managers = {one["manager"] for one in found.get("Server/mlserver")["metadata"]["managedFields"]}
    found.until(lambda: len(found.snapshot()["servers"]["mlserver"]["replicas"]) == 1)
    assert "seldon-scheduler" in managers
    assert found.get("Server/mlserver")["metadata"]["generation"] == 2


def test_the_stateful_set_and_its_pods_tell_the_true_state_of_a_rollout(seldon: StartSeldon) -> None:
    found = seldon(RULES, speed=SPEED)
    found.apply(server(replicas=2))
    found.until(lambda: ready(found, "Server/mlserver"))
    before = found.get("StatefulSet/mlserver")
    assert before["status"]["readyReplicas"] == 2
    assert before["status"]["currentRevision"] == before["status"]["updateRevision"]
    pod = {"containers": [{"name": "mlserver", "resources": {"requests": {"memory": "2M"}}}]}
    found.apply(server(replicas=2, podSpec=pod))

    def rolling() -> bool:
        status = found.get("StatefulSet/mlserver")["status"]
        return bool(status["currentRevision"] != status["updateRevision"] and status["readyReplicas"] < 2)

    found.until(rolling)
    assert ready(found, "Server/mlserver")  # its own status does not tell
    found.until(lambda: not rolling() and found.get("StatefulSet/mlserver")["status"]["readyReplicas"] == 2)
    after = found.get("StatefulSet/mlserver")
    assert after["status"]["observedGeneration"] == after["metadata"]["generation"]
    memory = found.get("Pod/mlserver-1")["spec"]["containers"][0]["resources"]["requests"]["memory"]
    assert memory == "2M"


def test_a_deleted_server_takes_its_pods_with_it(one_model: Seldon) -> None:
    one_model.kubectl("delete", "server.mlops.seldon.io/mlserver")
    one_model.until(lambda: not one_model.get("Pod/mlserver-0"))
    assert not one_model.get("StatefulSet/mlserver")


def test_server_configs_say_what_each_kind_can_load(one_model: Seldon) -> None:
    found = json.loads(one_model.kubectl("get", "serverconfigs.mlops.seldon.io", "triton", "-o", "json"))
    agent = found["spec"]["podSpec"]["containers"][1]
    assert {"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": "0"} in agent["env"]
    assert "tensorrt" in agent["env"][0]["value"].split(",")


def test_an_experiment_shares_the_route_of_its_default(one_model: Seldon) -> None:
    one_model.apply(model("n", "v2"))
    one_model.until_ready("n")
    candidates = [{"name": "m", "weight": 75}, {"name": "n", "weight": 25}]
    one_model.apply({"kind": "Experiment", "name": "x", "spec": {"default": "m", "candidates": candidates}})
    one_model.until(lambda: ready(one_model, "Experiment/x"))
    with one_model.requests("m", "x.experiment", every=0.005) as requests:
        one_model.until(lambda: min(counts.requests for counts in requests.counts.values()) > 100)
    for counts in requests.counts.values():
        assert 0.7 < counts.answered["v1@mlserver-0"] / counts.requests < 0.8


def test_a_deleted_experiment_gives_the_route_back_and_goes(one_model: Seldon) -> None:
    one_model.apply(model("n", "v2"))
    one_model.until_ready("n")
    candidates = [{"name": "m", "weight": 0}, {"name": "n", "weight": 1}]
    one_model.apply({"kind": "Experiment", "name": "x", "spec": {"default": "m", "candidates": candidates}})
    one_model.until(lambda: ready(one_model, "Experiment/x"))
    one_model.kubectl("delete", "experiment.mlops.seldon.io/x", "--wait=true", "--timeout=20s")
    with one_model.requests("m") as requests:
        one_model.until(lambda: requests.counts["m"].answered["v1@mlserver-0"])
    assert not requests.counts["m"].answered["v2@mlserver-0"]


def test_a_pipeline_is_ready_with_its_models_and_goes_when_it_is_deleted(one_model: Seldon) -> None:
    one_model.apply({"kind": "Pipeline", "name": "p", "spec": {"steps": [{"name": "m"}], "output": {"steps": ["m"]}}})
    one_model.until(lambda: ready(one_model, "Pipeline/p"))
    one_model.kubectl("delete", "pipeline.mlops.seldon.io/p", "--wait=true", "--timeout=20s")


async def test_the_scheduler_answers_by_grpc_until_its_restart(one_model: Seldon) -> None:
    async with grpc.aio.insecure_channel(one_model.scheduler) as channel:
        ask = channel.unary_stream(
            f"/{SERVICE}/ModelStatus",
            request_serializer=protocol.ModelStatusRequest.SerializeToString,
            response_deserializer=protocol.ModelStatusResponse.FromString,
        )
        request = protocol.ModelStatusRequest(model=protocol.ModelReference(name="m"))
        (answer,) = [answer async for answer in ask(request)]
        assert answer.versions[0].kubernetes_meta.namespace == one_model.namespace
        assert answer.versions[0].model_replica_state[0].state == protocol.REPLICA_AVAILABLE
        one_model.restart_scheduler()
        with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
            [answer async for answer in ask(request)]


def test_artifacts_can_be_broken_and_mended(seldon: StartSeldon) -> None:
    found = seldon(RULES, {"artifacts/bad": Artifact(fails=True)}, speed=SPEED)
    found.apply(server(), model(artifact="bad"))
    found.until(lambda: condition(found, "Model/m", "Ready").get("message") == "ModelFailed")
    found.set_artifact("artifacts/bad", Artifact())
    found.apply(model(artifact="bad", preloaded=True))
    found.until_ready("m")


def test_a_stand_in_that_is_started_again_goes_on_with_the_objects_there_are(seldon: StartSeldon) -> None:
    first = seldon(RULES, speed=SPEED)
    first.apply(server(), model())
    first.until_ready("m")
    again = seldon(RULES, speed=SPEED)
    again.until_ready("m")


def test_it_runs_as_a_process_of_its_own(one_model: Seldon, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("rules: {memory: 2M}\nartifacts: {artifacts/v1: {loadSeconds: 0.1}}\n", encoding="utf-8")
    one_model.control_plane.kubectl("create", "namespace", f"{one_model.namespace}-process")
    arguments = ["--kubeconfig", str(one_model.control_plane.kubeconfig), "--settings", str(settings), "--speed", "20"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.standin", *arguments, "--namespace", f"{one_model.namespace}-process"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert process.stdout is not None
        assert set(json.loads(process.stdout.readline())) == {"scheduler", "inference"}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == 0
