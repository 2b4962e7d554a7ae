"""A fleet on a real API server, as it is when all of it is loaded, and a scheduler that says so.

There is no Seldon behind it: objects are written with the status that they would have, and the scheduler's gRPC answers
from a list. A new version is loaded as soon as it is written, so that only our own time is measured.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import yaml

from benchmarks import fleet
from reconciler.clusters.kubernetes import scheduler_pb2 as wire
from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.connection import Address, connect
from reconciler.clusters.kubernetes.resources import MODELS, SERVER_CONFIGS, SERVERS
from reconciler.model.manifests import COMMIT_ANNOTATION, INSTANCE_LABEL
from tests.controlplane.running import ControlPlane

CRDS = Path(__file__).parents[1] / "tests" / "controlplane" / "crds"
_AT_ONCE = 16
_SINCE = "2026-01-01T00:00:00Z"
_OFFERS = "mlserver,sklearn"


def install(plane: ControlPlane) -> None:
    """Installs Seldon's kinds."""
    for file in sorted(CRDS.glob("*.yaml")):
        plane.kubectl("apply", "--server-side", "-f", str(file))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


def load(plane: ControlPlane, namespace: str, count: int) -> None:
    """Makes a namespace with `count` Models and their Servers in it, whole, as we would have written them."""
    plane.kubectl("create", "namespace", namespace)
    asyncio.run(_load(plane, namespace, count))


async def _load(plane: ControlPlane, namespace: str, count: int) -> None:
    connection = await connect(Address(plane.kubeconfig, namespace=namespace))
    api = Api(connection)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def model(number: int) -> None:
        async with turns:
            name = fleet.model_name(number)
            await api.apply(MODELS, _written(fleet.model(number)))
            await api.merge(MODELS, name, {"status": _status()}, manager="manager", subresource="status")

    async def server(number: int) -> None:
        wanted = fleet.server(number)
        wanted["spec"]["minReplicas"] = fleet.REPLICAS
        await api.apply(SERVERS, _written(wanted))

    try:
        await api.create(SERVER_CONFIGS, _server_config())
        await asyncio.gather(*(server(number) for number in range(fleet.servers_for(count))))
        await asyncio.gather(*(model(number) for number in range(count)))
    finally:
        await connection.close()


def _written(manifest: dict[str, Any]) -> dict[str, Any]:
    labels = {**manifest["metadata"].get("labels", {}), INSTANCE_LABEL: "default"}
    metadata = {**manifest["metadata"], "labels": labels, "annotations": {COMMIT_ANNOTATION: "0" * 40}}
    return {**manifest, "metadata": metadata}


def _status() -> dict[str, Any]:
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": _SINCE, "reason": "ModelAvailable", "message": ""}
        for kind in ("ModelReady", "Ready")
    ]
    return {"conditions": conditions, "replicas": 1, "availableReplicas": 1, "selector": "server=any"}


def _server_config() -> dict[str, Any]:
    environment = [{"name": "SELDON_SERVER_CAPABILITIES", "value": _OFFERS}]
    pod = {
        "containers": [{"name": "mlserver", "image": "none"}, {"name": "agent", "image": "none", "env": environment}]
    }
    head = {"apiVersion": fleet.API_VERSION, "kind": "ServerConfig", "metadata": {"name": "mlserver"}}
    return {**head, "spec": {"podSpec": pod}}


@contextmanager
def scheduler(plane: ControlPlane, namespace: str, count: int) -> Iterator[str]:
    """Serves what Seldon's scheduler would say of a fleet; gives its address."""
    changed = _Changed(plane, namespace)
    models = {fleet.model_name(number): _model(number, namespace) for number in range(count)}
    servers = [_server(number, count) for number in range(fleet.servers_for(count))]

    def model_status(_request: bytes, _context: Any) -> Iterator[bytes]:
        newer = {name: _model(number, namespace, 2, generation) for name, number, generation in changed.now()}
        yield from (models | newer).values()

    def server_status(_request: bytes, _context: Any) -> Iterator[bytes]:
        yield from servers

    handlers = {
        "ModelStatus": grpc.unary_stream_rpc_method_handler(model_status),
        "ServerStatus": grpc.unary_stream_rpc_method_handler(server_status),
    }
    served = grpc.server(ThreadPoolExecutor(4))
    served.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("seldon.mlops.scheduler.Scheduler", handlers),)
    )
    port = served.add_insecure_port("127.0.0.1:0")
    served.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        served.stop(None).wait()


class _Changed:
    """The Models that were written anew, found by the label that new versions carry."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        known = yaml.safe_load(plane.kubeconfig.read_text())
        query = f"labelSelector={fleet.CHANGED_LABEL}"
        self._request = urllib.request.Request(f"{plane.url}{MODELS.path(namespace)}?{query}")
        self._request.add_header("Authorization", f"Bearer {known['users'][0]['user']['token']}")
        self._context = ssl.create_default_context(cafile=str(plane.ca))

    def now(self) -> Iterator[tuple[str, int, int]]:
        """Yields name, number and generation of each."""
        with urllib.request.urlopen(self._request, context=self._context) as answer:
            found: Mapping[str, Any] = json.load(answer)
        for item in found["items"]:
            name = item["metadata"]["name"]
            yield name, int(name.rpartition("-")[2]), item["metadata"]["generation"]


def _model(number: int, namespace: str, version: int = 1, generation: int = 1) -> bytes:
    status = wire.ModelVersionStatus(
        version=version,
        server_name=fleet.server_name(number // fleet.PER_SERVER),
        kubernetes_meta=wire.KubernetesMeta(namespace=namespace, generation=generation),
        state=wire.ModelVersionState(state=wire.MODEL_AVAILABLE, available_replicas=1),
    )
    status.model_replica_state[number % fleet.REPLICAS].state = wire.REPLICA_AVAILABLE
    answer = wire.ModelStatusResponse(model_name=fleet.model_name(number), versions=[status])
    return bytes(answer.SerializeToString())


def _server(number: int, count: int) -> bytes:
    replicas = [
        wire.ServerReplicaResources(
            replica_idx=index,
            total_memory_bytes=fleet.SERVER_MEMORY,
            available_memory_bytes=fleet.SERVER_MEMORY * 110 // 100 - held * fleet.MEMORY,
            num_loaded_models=held,
            over_commit_percentage=10,
        )
        for index, held in enumerate(fleet.held(number, count))
    ]
    name = fleet.server_name(number)
    answer = wire.ServerStatusResponse(server_name=name, resources=replicas, expected_replicas=fleet.REPLICAS)
    return bytes(answer.SerializeToString())
