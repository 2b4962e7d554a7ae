"""Seldon's scheduler is found, by a port-forward through a real API server where there is no other way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from reconciler.clusters.kubernetes import scheduler_pb2 as wire
from reconciler.clusters.kubernetes.answers import Forbidden
from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.finding import find_scheduler, tls_files
from reconciler.clusters.kubernetes.portforward import PortForward
from reconciler.errors import ClusterUnavailable, UsageError
from tests.controlplane.running import ControlPlane
from tests.kubernetes.kubelet import Kubelet, kubelet, put_scheduler
from tests.kubernetes.writing import api_of

MODELS = 300
"""Models that the scheduler knows: enough for many messages."""


@asynccontextmanager
async def _scheduler() -> AsyncIterator[int]:
    """A scheduler with its gRPC on a free port, which it yields."""

    async def models(request: bytes, context: object) -> AsyncIterator[bytes]:
        for number in range(MODELS):
            version = wire.ModelVersionStatus(version=1, server_name="mlserver")
            yield wire.ModelStatusResponse(model_name=f"m{number}", versions=[version]).SerializeToString()

    async def servers(request: bytes, context: object) -> AsyncIterator[bytes]:
        yield wire.ServerStatusResponse(server_name="mlserver", expected_replicas=1).SerializeToString()

    methods = {
        "ModelStatus": grpc.unary_stream_rpc_method_handler(models),
        "ServerStatus": grpc.unary_stream_rpc_method_handler(servers),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("seldon.mlops.scheduler.Scheduler", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


@pytest.fixture
async def api(seldon_kinds: ControlPlane, namespace: str) -> AsyncIterator[Api]:
    async with api_of(seldon_kinds.kubeconfig, namespace) as found:
        yield found


@pytest.fixture
async def node(seldon_kinds: ControlPlane, namespace: str, tmp_path: Path) -> AsyncIterator[Kubelet]:
    async with kubelet(tmp_path) as (found, port):
        await asyncio.to_thread(put_scheduler, seldon_kinds, namespace, port)
        yield found


async def test_from_outside_the_scheduler_is_reached_through_the_api(api: Api, node: Kubelet) -> None:
    async with _scheduler() as port:
        node.targets[19004] = port
        found = await find_scheduler(api)
        assert found.why == ""
        assert found.scheduler is not None
        told = await found.scheduler.snapshot()
        await found.scheduler.close()
    assert len(told.models) == MODELS
    assert told.servers["mlserver"].expected == 1
    assert {port for _, port in node.asked} == {"19004"}


async def test_a_scheduler_that_stops_answering_later_is_an_error_and_not_forgotten(api: Api, node: Kubelet) -> None:
    async with _scheduler() as port:
        node.targets[19004] = port
        found = await find_scheduler(api)
        assert found.scheduler is not None
        node.targets.clear()
        for socket in tuple(node.sockets):
            await socket.close()
        with pytest.raises(ClusterUnavailable):
            await found.scheduler.snapshot()
        node.targets[19004] = port
        async with asyncio.timeout(30):
            while not await _answers(found.scheduler.snapshot()):
                await asyncio.sleep(0.2)
        await found.scheduler.close()


async def _answers(asked: object) -> bool:
    try:
        await asked  # type: ignore[misc] # an awaitable
    except ClusterUnavailable:
        return False
    return True


async def test_when_nothing_listens_in_the_pod_the_reason_is_what_the_kubelet_said(
    api: Api, node: Kubelet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.clusters.kubernetes.finding.ANSWER_SECONDS", 1.0)
    found = await find_scheduler(api)
    assert found.scheduler is None
    assert found.why == "nobody listens on that port of the pod"


async def test_a_pod_that_does_not_exist_cannot_be_forwarded_to(api: Api) -> None:
    forward = PortForward(api, "nobody", 9004)
    await forward.begin()
    host, port = forward.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert await reader.read() == b""
    writer.close()
    assert "forward a port to pod nobody" in forward.why
    await forward.end()


async def test_without_a_service_there_is_no_scheduler_and_the_report_can_say_why(api: Api) -> None:
    found = await find_scheduler(api)
    assert found.scheduler is None
    assert found.why == f"there is no Service seldon-scheduler in namespace {api.namespace}"


@pytest.fixture
def in_a_pod(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """An API as a pod has it, on a machine that knows no name of a Service."""
    monkeypatch.setattr("reconciler.clusters.kubernetes.finding.ANSWER_SECONDS", 1.0)
    api.connection.inside = True
    return api


async def test_in_a_pod_a_scheduler_that_its_service_does_not_lead_to_is_reached_through_the_api(
    in_a_pod: Api, node: Kubelet
) -> None:
    async with _scheduler() as port:
        node.targets[19004] = port
        found = await find_scheduler(in_a_pod)
        assert (found.why, found.way) == ("", "through a port-forward")
        assert found.scheduler is not None
        assert len((await found.scheduler.snapshot()).models) == MODELS
        await found.scheduler.close()


async def test_in_a_pod_a_scheduler_that_is_there_and_does_not_answer_is_an_error(in_a_pod: Api, node: Kubelet) -> None:
    with pytest.raises(ClusterUnavailable) as raised:
        await find_scheduler(in_a_pod)
    assert "takes no connection at seldon-scheduler." in raised.value.what
    assert raised.value.why == "nor is there another way: nobody listens on that port of the pod"


async def test_in_a_pod_without_the_right_to_forward_ports_the_error_says_so(
    in_a_pod: Api, node: Kubelet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forbidden(*_: object, **__: object) -> object:
        raise Forbidden("the API server refused: list pods", 403)

    monkeypatch.setattr(in_a_pod, "list", forbidden)
    with pytest.raises(ClusterUnavailable) as raised:
        await find_scheduler(in_a_pod)
    assert raised.value.why == "nor is there another way: the API server refused: list pods"


async def test_in_a_pod_without_a_service_there_is_no_scheduler(in_a_pod: Api) -> None:
    assert (await find_scheduler(in_a_pod)).why.startswith("there is no Service seldon-scheduler")


async def test_an_api_server_that_does_not_answer_says_nothing_of_the_scheduler(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: object, **__: object) -> object:
        raise ClusterUnavailable("no answer from the API server")

    monkeypatch.setattr(api, "get", silent)
    with pytest.raises(ClusterUnavailable, match="no answer from the API server"):
        await find_scheduler(api)


async def test_the_settings_can_say_that_nobody_is_asked(api: Api) -> None:
    requests = api.connection.requests
    found = await find_scheduler(api, "none")
    assert (found.scheduler, found.why) == (None, "the settings say that it is not asked")
    assert api.connection.requests == requests


async def test_a_given_address_is_taken_as_it_is(api: Api) -> None:
    found = await find_scheduler(api, "127.0.0.1:1")
    assert found.scheduler is not None
    with pytest.raises(ClusterUnavailable):
        await found.scheduler.snapshot()
    await found.scheduler.close()


def test_a_folder_without_the_tls_files_is_a_usage_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("")
    with pytest.raises(UsageError, match=r"tls\.crt"):
        tls_files(tmp_path)
