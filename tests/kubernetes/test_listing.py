"""Lists and answers of the real API server, through a proxy that spoils them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from reconciler.clusters.kubernetes.api import RESTARTS, Api
from reconciler.clusters.kubernetes.resources import MODELS
from reconciler.errors import ClusterUnavailable
from tests.kubernetes.faults import Asked, Fault, Proxy
from tests.kubernetes.writing import Writes, api_of

EXPIRED = Fault(410, json.dumps({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"}))
HTML = Fault(200, "<html><body>Please sign in</body></html>", {"Content-Type": "text/html"})


@pytest.fixture
async def api(proxy: Proxy, writes: Writes, namespace: str) -> AsyncIterator[Api]:
    """Reads two objects per page through the proxy; there are five."""
    for number in range(5):
        await writes.api.apply(MODELS, model(f"m{number}"))
    async with api_of(proxy.kubeconfig, namespace) as api:
        yield Api(api.connection, page=2)


def model(name: str, uri: str = "gs://m") -> dict[str, object]:
    spec = {"storageUri": uri}
    return {"apiVersion": MODELS.api_version, "kind": "Model", "metadata": {"name": name}, "spec": spec}


def _later_page(asked: Asked) -> bool:
    return "continue=" in asked.query


async def _names(api: Api) -> list[str]:
    return [found["metadata"]["name"] for found in (await api.list(MODELS)).items]


async def test_a_list_has_all_pages(api: Api, proxy: Proxy) -> None:
    assert await _names(api) == ["m0", "m1", "m2", "m3", "m4"]
    assert len(proxy.faults.asked) == 3


async def test_a_list_whose_continue_token_expires_half_way_begins_anew(api: Api, proxy: Proxy) -> None:
    proxy.faults.plan(_later_page, EXPIRED)
    assert await _names(api) == ["m0", "m1", "m2", "m3", "m4"]
    assert [_later_page(asked) for asked in proxy.faults.asked] == [False, True, False, True, True]


async def test_a_list_that_expires_again_and_again_is_given_up(api: Api, proxy: Proxy) -> None:
    proxy.faults.plan(_later_page, EXPIRED, times=1000)
    with pytest.raises(ClusterUnavailable, match="expired again and again"):
        await api.list(MODELS)
    assert len(proxy.faults.asked) == 2 * (1 + RESTARTS)


async def test_a_page_whose_body_is_cut_off_is_asked_for_again(api: Api, proxy: Proxy) -> None:
    proxy.faults.plan(_later_page, Fault(200, '{"kind": "ModelList", "items": [', {"Content-Length": "5000"}, cut=True))
    assert await _names(api) == ["m0", "m1", "m2", "m3", "m4"]


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"kind": "Status", "metadata": {}}', '{"kind": "ModelList"}'])
async def test_a_list_answered_with_something_else_is_no_empty_cluster(api: Api, proxy: Proxy, body: str) -> None:
    proxy.faults.plan(lambda asked: True, Fault(200, body))
    with pytest.raises(ClusterUnavailable, match="the answer is not understood: list models"):
        await api.list(MODELS)


async def test_a_gateways_page_is_no_answer_to_a_get_or_a_write(api: Api, proxy: Proxy) -> None:
    proxy.faults.plan(lambda asked: True, HTML, times=2)
    with pytest.raises(ClusterUnavailable, match="not understood: get"):
        await api.get(MODELS, "m0")
    with pytest.raises(ClusterUnavailable, match="not understood: apply"):
        await api.apply(MODELS, model("m0"))
