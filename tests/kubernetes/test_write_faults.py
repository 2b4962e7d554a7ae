"""Writes against an API server that fails in the ways of its kind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from reconciler.clusters.kubernetes.answers import Forbidden
from reconciler.clusters.kubernetes.resources import MODELS
from reconciler.errors import ActionRefused, ClusterUnavailable
from reconciler.model.live import Failure
from reconciler.model.plan import ActionKind
from tests.controlplane.running import ControlPlane
from tests.kubernetes.faults import Asked, Fault, Proxy
from tests.kubernetes.writing import Writes, action, api_of, manifest


@dataclass(frozen=True)
class Faulty:
    """Writes through a proxy."""

    writes: Writes
    proxy: Proxy

    def asked(self) -> int:
        """Returns how many writes arrived."""
        return sum(_write(asked) for asked in self.proxy.faults.asked)


@pytest.fixture
async def faulty(proxy: Proxy, namespace: str) -> AsyncIterator[Faulty]:
    async with api_of(proxy.kubeconfig, namespace) as api:
        yield Faulty(Writes(api), proxy)


def _write(asked: Asked) -> bool:
    return asked.method in ("PATCH", "DELETE", "POST", "PUT")


def _status(code: int, message: str, **rest: object) -> str:
    return json.dumps({"kind": "Status", "status": "Failure", "code": code, "message": message, **rest})


@pytest.mark.parametrize("taken", [False, True])
async def test_a_cut_connection_leaves_open_whether_it_was_taken_and_the_next_try_ends_the_same(
    faulty: Faulty, taken: bool
) -> None:
    faulty.proxy.faults.plan(_write, Fault(taken=taken))
    with pytest.raises(ClusterUnavailable):
        await faulty.writes.perform(ActionKind.LOAD, manifest(memory="100k"))
    found = await faulty.writes.perform(ActionKind.LOAD, manifest(memory="100k"))
    assert (found["spec"]["memory"], found["metadata"]["generation"]) == ("100000", 1)


@pytest.mark.parametrize("status", [500, 503])
async def test_trouble_of_the_server_is_worth_another_try_by_the_executor(faulty: Faulty, status: int) -> None:
    faulty.proxy.faults.plan(_write, Fault(status, _status(status, "etcd has no leader")))
    with pytest.raises(ClusterUnavailable) as error:
        await faulty.writes.perform(ActionKind.LOAD, manifest())
    assert error.value.why == "etcd has no leader"
    assert faulty.asked() == 1


async def test_a_write_that_came_too_early_waits_as_long_as_the_server_says(faulty: Faulty) -> None:
    faulty.proxy.faults.plan(_write, Fault(429, _status(429, "too many"), {"Retry-After": "1"}), times=2)
    found = await faulty.writes.perform(ActionKind.LOAD, manifest())
    assert found["spec"]["replicas"] == 1
    assert faulty.asked() == 3


async def test_a_token_that_was_renewed_on_disk_is_read_again(
    faulty: Faulty, seldon_kinds: ControlPlane, namespace: str
) -> None:
    await faulty.writes.perform(ActionKind.LOAD, manifest())
    old = faulty.proxy.faults.asked[-1].authorization
    seldon_kinds.kubectl("-n", namespace, "create", "serviceaccount", "writer")
    binding = ("create", "rolebinding", "writer", "--clusterrole=cluster-admin", f"--serviceaccount={namespace}:writer")
    seldon_kinds.kubectl("-n", namespace, *binding)
    faulty.proxy.token.write_text(seldon_kinds.kubectl("-n", namespace, "create", "token", "writer").strip())
    faulty.proxy.faults.plan(lambda asked: asked.authorization == old, Fault(401, _status(401, "expired")), times=100)
    found = await faulty.writes.perform(ActionKind.CHANGE, manifest(replicas=2))
    assert found["spec"]["replicas"] == 2


async def test_a_missing_permission_is_named(faulty: Faulty, seldon_kinds: ControlPlane, namespace: str) -> None:
    seldon_kinds.kubectl("-n", namespace, "create", "serviceaccount", "nobody")
    faulty.proxy.token.write_text(seldon_kinds.kubectl("-n", namespace, "create", "token", "nobody").strip())
    async with api_of(faulty.proxy.kubeconfig, namespace) as api:
        with pytest.raises(Forbidden) as refused:
            await Writes(api).writer.perform(action(ActionKind.LOAD, manifest()), None)
    assert 'cannot get resource "models"' in refused.value.why


async def test_a_webhooks_no_is_told_in_its_own_words(faulty: Faulty) -> None:
    said = 'admission webhook "models.example.com" denied the request: memory is over the team\'s quota'
    faulty.proxy.faults.plan(_write, Fault(403, _status(403, said, reason="Forbidden")))
    with pytest.raises(ActionRefused) as refused:
        await faulty.writes.perform(ActionKind.LOAD, manifest())
    assert refused.value.why == said


async def test_a_no_of_the_schema_names_the_field(faulty: Faulty) -> None:
    causes = {"causes": [{"reason": "FieldValueInvalid", "field": "spec.memory", "message": "no quantity"}]}
    faulty.proxy.faults.plan(_write, Fault(422, _status(422, "spec.memory: no quantity", details=causes)))
    with pytest.raises(ActionRefused) as refused:
        await faulty.writes.perform(ActionKind.LOAD, manifest())
    assert refused.value.why == "spec.memory: no quantity"


async def test_a_deletion_without_an_answer_is_tried_again_without_harm(faulty: Faulty) -> None:
    planned = await faulty.writes.perform(ActionKind.LOAD, manifest())
    decommission = action(ActionKind.DECOMMISSION, manifest())
    faulty.proxy.faults.plan(_write, Fault(503, taken=True))
    with pytest.raises(ClusterUnavailable):
        await faulty.writes.writer.perform(decommission, planned)
    await faulty.writes.writer.perform(decommission, planned)
    assert await faulty.writes.api.get(MODELS, "iris") is None


async def test_a_record_without_an_answer_is_unavailable_and_not_lost_without_notice(faulty: Faulty) -> None:
    await faulty.writes.perform(ActionKind.LOAD, manifest())
    faulty.proxy.faults.plan(_write, Fault(504, _status(504, "timeout")))
    with pytest.raises(ClusterUnavailable):
        await faulty.writes.writer.record_failure("iris", Failure("0123456789ab", 1, 5.0, "why"))


async def test_a_handover_that_was_cut_off_in_the_middle_is_finished_by_the_next_try(faulty: Faulty) -> None:
    await faulty.writes.perform(ActionKind.LOAD, manifest(replicas=3))
    faulty.proxy.faults.plan(lambda asked: "fieldManager=model-reconciler&" in asked.query and _write(asked), Fault())
    with pytest.raises(ClusterUnavailable):
        await faulty.writes.perform(ActionKind.CHANGE, manifest(leaves=True, replicas=3))
    assert (await faulty.writes.live(MODELS, "iris"))["spec"]["replicas"] == 3
    found = await faulty.writes.perform(ActionKind.CHANGE, manifest(leaves=True, replicas=3))
    assert found["spec"]["replicas"] == 3
