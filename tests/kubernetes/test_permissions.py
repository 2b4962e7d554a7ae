"""What is missing is found before the first write, all at once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from reconciler.clusters.kubernetes.answers import Forbidden
from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.permissions import check, for_actions, for_lock, for_telling, missing
from reconciler.model.plan import ActionKind
from tests.controlplane.running import ControlPlane
from tests.kubernetes.faults import Fault, Proxy
from tests.kubernetes.writing import api_of

Bound = Callable[[str], Path]
DEPLOY = Path(__file__).parents[2] / "deploy" / "rbac"
EVERYTHING = tuple(ActionKind)


@pytest.fixture
def bound(seldon_kinds: ControlPlane, namespace: str) -> Bound:
    """Returns what makes a ServiceAccount with a Role of these rules, and gives its kubeconfig."""

    def make(rules: str) -> Path:
        seldon_kinds.kubectl("-n", namespace, "create", "serviceaccount", "bound")
        meta = f"metadata: {{name: bound, namespace: {namespace}}}"
        role = f"{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, {meta}, rules: {rules}}}"
        seldon_kinds.kubectl("apply", "-f", "-", stdin=role)
        account = f"--serviceaccount={namespace}:bound"
        seldon_kinds.kubectl("-n", namespace, "create", "rolebinding", "bound", "--role=bound", account)
        token = seldon_kinds.kubectl("-n", namespace, "create", "token", "bound").strip()
        return seldon_kinds.kubeconfig_for(f"bound-{namespace}", token, namespace)

    return make


@asynccontextmanager
async def _api(path: Path, namespace: str) -> AsyncIterator[Api]:
    async with api_of(path, namespace) as api:
        yield api


async def test_an_administrator_lacks_nothing(seldon_kinds: ControlPlane, namespace: str) -> None:
    async with api_of(seldon_kinds.kubeconfig, namespace) as api:
        assert await missing(api, for_actions(EVERYTHING, namespace) | for_lock(namespace)) == []


async def test_all_that_is_missing_is_named_at_once_with_the_rules_to_add(bound: Bound, namespace: str) -> None:
    path = bound("[{apiGroups: [mlops.seldon.io], resources: [models], verbs: [get, patch]}]")
    async with _api(path, namespace) as api:
        with pytest.raises(Forbidden) as refused:
            await check(api, for_actions([ActionKind.LOAD, ActionKind.DECOMMISSION], namespace) | for_lock(namespace))
    assert refused.value.what == "5 permissions missing, so nothing was written"
    assert f"delete models.mlops.seldon.io in namespace {namespace}" in refused.value.why
    assert "{apiGroups: [mlops.seldon.io], resources: [models], verbs: [create, delete]}" in refused.value.fix
    assert "{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}" in refused.value.fix
    one = "resources: [leases], resourceNames: [model-reconciler], verbs: [get, update]}"
    assert one in refused.value.fix


async def test_what_the_role_allows_is_enough(bound: Bound, namespace: str) -> None:
    path = bound(
        "[{apiGroups: [mlops.seldon.io], resources: [models, servers], verbs: ['*']},"
        " {apiGroups: [''], resources: [events, configmaps], verbs: [get, create, patch]}]"
    )
    async with _api(path, namespace) as api:
        await check(api, for_actions(EVERYTHING, namespace) | for_telling(namespace, "model-reconciler-default"))


async def test_a_right_to_objects_of_some_names_is_not_a_right_to_all(bound: Bound, namespace: str) -> None:
    path = bound("[{apiGroups: [mlops.seldon.io], resources: [models], verbs: [delete], resourceNames: [iris]}]")
    async with _api(path, namespace) as api:
        assert await missing(api, for_actions([ActionKind.WITHDRAW], namespace))


async def test_the_roles_that_are_shipped_are_enough(bound: Bound, namespace: str) -> None:
    roles = [yaml.safe_load((DEPLOY / name / "role.yaml").read_text()) for name in ("watched", "scheduler")]
    path = bound(json.dumps([rule for role in roles for rule in role["rules"]]))
    async with _api(path, namespace) as api:
        needed = for_actions(EVERYTHING, namespace) | for_lock(namespace)
        await check(api, needed | for_telling(namespace, "model-reconciler-default"))


async def test_a_pass_that_is_allowed_everything_asks_once(proxy: Proxy, namespace: str) -> None:
    async with api_of(proxy.kubeconfig, namespace) as api:
        await check(api, for_actions(EVERYTHING, namespace))
    assert len(proxy.faults.asked) == 1


async def test_where_rules_cannot_be_listed_each_permission_is_asked_for(proxy: Proxy, namespace: str) -> None:
    proxy.faults.plan(lambda asked: "rulesreviews" in asked.path, Fault(404, "{}"))
    async with api_of(proxy.kubeconfig, namespace) as api:
        await check(api, for_lock(namespace))
    assert len(proxy.faults.asked) == 4
