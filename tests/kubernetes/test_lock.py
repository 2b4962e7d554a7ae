"""The Lease that keeps writers apart, on a real API server."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest

from reconciler.clusters.kubernetes.answers import Conflict
from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.lock import NAME, Fence, LeaseLock
from reconciler.clusters.kubernetes.resources import LEASES, MODELS
from reconciler.errors import LockHeld, LockLost
from reconciler.model.plan import ActionKind
from tests.controlplane.running import ControlPlane
from tests.kubernetes.faults import Asked, Fault, Proxy
from tests.kubernetes.writing import Writes, api_of, manifest

SHORT = 1.5
"""Seconds of a lease in these tests."""


def _lock(api: Api, fence: Fence | None = None, duration: float = SHORT) -> LeaseLock:
    return LeaseLock(api, api.namespace, fence or Fence(), "the test cluster", duration)


@pytest.fixture
async def api(seldon_kinds: ControlPlane, namespace: str) -> AsyncIterator[Api]:
    async with api_of(seldon_kinds.kubeconfig, namespace) as opened:
        yield opened


def _renewals(asked: Asked) -> bool:
    return asked.method == "PUT" and "leases" in asked.path


async def test_a_second_writer_is_told_who_holds_the_lock_and_since_when(api: Api) -> None:
    async with _lock(api).held("first (pid 1)", 0):
        with pytest.raises(LockHeld) as refused:
            async with _lock(api).held("second", 0.2):
                pytest.fail("the lock was given twice")
    assert refused.value.what.startswith("first (pid 1), ")
    assert str(datetime.datetime.now(datetime.UTC).year) in refused.value.why


async def test_a_lock_that_was_given_back_is_free_at_once(api: Api) -> None:
    async with _lock(api).held("first", 0):
        pass
    async with _lock(api).held("second", 0):
        found = await api.get(LEASES, NAME)
        assert found is not None
        assert found["spec"]["holderIdentity"].startswith("second, ")


async def test_a_holder_that_keeps_renewing_is_never_taken_over(api: Api) -> None:
    async with _lock(api).held("first", 0):
        with pytest.raises(LockHeld):
            async with _lock(api).held("second", 2 * SHORT):
                pytest.fail("the lock was taken from a holder that lives")


async def test_the_lock_of_a_killed_holder_is_taken_over_even_without_time_to_wait(api: Api) -> None:
    long_ago = "2020-01-01T00:00:00.000000Z"
    spec = {"holderIdentity": "killed", "leaseDurationSeconds": 1, "renewTime": long_ago, "acquireTime": long_ago}
    metadata = {"name": NAME}
    await api.create(LEASES, {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata, "spec": spec})
    async with _lock(api).held("next", 0):
        found = await api.get(LEASES, NAME)
        assert found is not None
        assert found["spec"]["leaseTransitions"] == 1


async def test_a_holder_whose_clock_is_behind_keeps_its_lock(api: Api, namespace: str) -> None:
    async with _lock(api).held("behind", 0):
        found = await api.get(LEASES, NAME)
        assert found is not None
        old = {**found["spec"], "renewTime": "2020-01-01T00:00:00.000000Z"}
        await api.replace(LEASES, {**found, "spec": old})
        with pytest.raises(LockHeld):
            async with _lock(api).held("second", 0):
                pytest.fail("its renewals were not watched")


async def test_of_many_that_ask_at_once_one_gets_it(api: Api) -> None:
    async def ask(name: str, stack: AsyncExitStack) -> bool:
        try:
            await stack.enter_async_context(_lock(api, duration=10).held(name, 0))
        except LockHeld:
            return False
        return True

    async with AsyncExitStack() as stack:
        got = await asyncio.gather(*(ask(f"writer {index}", stack) for index in range(8)))
    assert sum(got) == 1


async def test_nothing_is_written_once_another_took_the_lock(writes: Writes) -> None:
    async with _lock(writes.api, writes.fence).held("first", 0):
        await writes.perform(ActionKind.LOAD, manifest())
        found = await writes.live(LEASES, NAME)
        await writes.api.replace(LEASES, {**found, "spec": {**found["spec"], "holderIdentity": "robber"}})
        await asyncio.sleep(SHORT / 2)
        with pytest.raises(LockLost, match="lock on the cluster was lost"):
            await writes.perform(ActionKind.CHANGE, manifest(replicas=2))
        assert (await writes.live(MODELS, "iris"))["spec"]["replicas"] == 1
    assert (await writes.live(LEASES, NAME))["spec"]["holderIdentity"] == "robber"


async def test_nothing_is_written_after_the_lock_was_given_back(writes: Writes) -> None:
    async with _lock(writes.api, writes.fence).held("first", 0):
        pass
    with pytest.raises(LockLost):
        await writes.perform(ActionKind.LOAD, manifest())
    assert await writes.api.get(MODELS, "iris") is None


async def test_a_write_in_flight_is_given_up_when_the_lock_cannot_be_renewed(proxy: Proxy, namespace: str) -> None:
    proxy.faults.plan(_renewals, Fault(503), times=1000)
    proxy.faults.plan(lambda asked: asked.method == "PATCH", Fault(503, delay=5 * SHORT))
    async with api_of(proxy.kubeconfig, namespace) as api:
        writes = Writes(api)
        async with _lock(api, writes.fence).held("first", 0):
            with pytest.raises(LockLost) as lost:
                await writes.perform(ActionKind.LOAD, manifest())
    assert "is not known" in lost.value.why


async def test_a_renewal_that_fails_for_a_moment_does_no_harm(proxy: Proxy, namespace: str) -> None:
    async with api_of(proxy.kubeconfig, namespace) as api:
        writes = Writes(api)
        async with _lock(api, writes.fence, 3.0).held("first", 0):
            proxy.faults.plan(_renewals, Fault(), times=1)
            proxy.faults.plan(_renewals, Fault(500, taken=True), times=1)
            await asyncio.sleep(3.0)
            await writes.perform(ActionKind.LOAD, manifest())
    assert len([asked for asked in proxy.faults.asked if _renewals(asked)]) >= 3


async def test_a_long_write_is_not_cut_while_the_lock_is_renewed(proxy: Proxy, namespace: str) -> None:
    proxy.faults.plan(lambda asked: asked.method == "PATCH", Fault(delay=1.5 * SHORT, status=422))
    async with api_of(proxy.kubeconfig, namespace) as api:
        writes = Writes(api)
        async with _lock(api, writes.fence).held("first", 0):
            with pytest.raises(Exception, match="refused") as refused:
                await writes.perform(ActionKind.LOAD, manifest())
    assert not isinstance(refused.value, LockLost)


async def test_a_holder_whose_clock_is_far_behind_makes_nobody_wait_for_ever(api: Api) -> None:
    renewing = True
    async with _lock(api, duration=1.0).held("first", 0):

        async def put_back() -> None:
            while renewing:
                found = await api.get(LEASES, NAME)
                assert found is not None
                found["spec"]["renewTime"] = "2001-01-01T00:00:00.000000Z"
                with suppress(Conflict):
                    await api.replace(LEASES, found)
                await asyncio.sleep(0.1)

        behind = asyncio.create_task(put_back())
        async with asyncio.timeout(30):
            with pytest.raises(LockHeld):
                async with _lock(api).held("second", 0):
                    pytest.fail("the lock was given twice")
        renewing = False
        await behind
