"""What a pass must be allowed, and whether it is: asked before the first write, everything that is missing at once.

One request asks for all rules of a namespace; only what they do not show is asked for one by one, because a cluster may
allow more than it can list. So the number of requests does not depend on the number of objects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.clusters.kubernetes.answers import Forbidden, Refused
from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.decoding import object_of
from reconciler.clusters.kubernetes.lock import NAME
from reconciler.clusters.kubernetes.resources import (
    CONFIG_MAPS,
    EVENTS,
    EXPERIMENTS,
    LEASES,
    MODELS,
    PIPELINES,
    SERVERS,
    Resource,
)
from reconciler.model.plan import ActionKind

_RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
_ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Permission:
    """To do `verb` with objects of a kind in a namespace; with one of that `name` only, where there is one."""

    verb: str
    resource: Resource
    namespace: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource.name}{self.name and f' {self.name}'} in namespace {self.namespace}"


_APPLY = ("get", "create", "patch")
_NEEDS: Mapping[ActionKind, tuple[Resource, tuple[str, ...]]] = {
    ActionKind.CREATE_SERVER: (SERVERS, _APPLY),
    ActionKind.UPDATE_SERVER: (SERVERS, ("get", "patch")),
    ActionKind.SHRINK_SERVER: (SERVERS, ("get", "patch")),
    ActionKind.DELETE_SERVER: (SERVERS, ("delete",)),
    ActionKind.ADOPT: (MODELS, ("get", "patch")),
    ActionKind.CHANGE: (MODELS, ("get", "patch")),
    ActionKind.RETRIGGER: (MODELS, ("get", "patch")),
    ActionKind.LOAD: (MODELS, _APPLY),
    ActionKind.PROBE: (MODELS, (*_APPLY, "list", "delete")),
    ActionKind.WITHDRAW: (MODELS, ("delete",)),
    ActionKind.DECOMMISSION: (MODELS, ("delete",)),
}


_CARRIED: Mapping[str, Resource] = {each.kind: each for each in (EXPERIMENTS, PIPELINES)}


def for_lock(namespace: str) -> frozenset[Permission]:
    """Returns what holding the lock in `namespace` needs."""
    return _made_or_changed(LEASES, NAME, namespace, "update")


def _made_or_changed(resource: Resource, name: str, namespace: str, change: str) -> frozenset[Permission]:
    """To make one object (no name can be given for that), to look at it and to change it."""
    return frozenset(
        {
            Permission("create", resource, namespace),
            Permission("get", resource, namespace, name),
            Permission(change, resource, namespace, name),
        }
    )


def for_actions(kinds: Iterable[ActionKind], namespace: str, carried: Iterable[str] = ()) -> frozenset[Permission]:
    """Returns what actions of these `kinds` need for the objects that they write.

    Args:
        carried: kinds of what is carried along among them, such as `Experiment`.
    """
    needs = [_NEEDS[kind] for kind in set(kinds) if kind in _NEEDS]
    needs += [(_CARRIED[kind], (*_APPLY, "delete")) for kind in set(carried)]
    return frozenset(Permission(verb, resource, namespace) for resource, verbs in needs for verb in verbs)


def for_telling(namespace: str, summary: str) -> frozenset[Permission]:
    """Returns what events, and the summary of a pass in the ConfigMap of that name, need."""
    events = {Permission(verb, EVENTS, namespace) for verb in ("create", "patch")}
    return _made_or_changed(CONFIG_MAPS, summary, namespace, "patch") | events


async def check(api: Api, needed: Iterable[Permission]) -> None:
    """Checks that all of `needed` is allowed.

    Raises:
        Forbidden: it is not; names everything that is missing, and the rules to add. ClusterUnavailable: no answer.
    """
    lacking = await missing(api, needed)
    if lacking:
        raise Forbidden(
            f"{len(lacking)} permission{'' if len(lacking) == 1 else 's'} missing, so nothing was written",
            403,
            why="not allowed: " + ", ".join(map(str, lacking)),
            fix="; ".join(_roles(lacking)) + "; deploy/ has a Role with all that is needed",
        )


async def missing(api: Api, needed: Iterable[Permission]) -> list[Permission]:
    """Returns what of `needed` is not allowed, sorted. Raises ClusterUnavailable without an answer."""
    wanted = list(dict.fromkeys(needed))
    namespaces = sorted({permission.namespace for permission in wanted})
    rules = dict(zip(namespaces, await asyncio.gather(*(_rules(api, each) for each in namespaces)), strict=True))
    unsure = [each for each in wanted if not any(_allows(rule, each) for rule in rules[each.namespace])]
    allowed = await asyncio.gather(*(_allowed(api, each) for each in unsure))
    return sorted((each for each, yes in zip(unsure, allowed, strict=True) if not yes), key=str)


async def _rules(api: Api, namespace: str) -> list[Mapping[str, Any]]:
    try:
        answer = await _review(api, _RULES, {"namespace": namespace}, "SelfSubjectRulesReview")
    except Refused:  # some clusters do not serve it
        return []
    return list(answer.get("resourceRules") or [])


def _allows(rule: Mapping[str, Any], needed: Permission) -> bool:
    names = rule.get("resourceNames")
    if names and needed.name not in names:
        return False
    wanted = {"verbs": needed.verb, "apiGroups": needed.resource.group, "resources": needed.resource.plural}
    return all({value, "*"} & set(rule.get(name) or ()) for name, value in wanted.items())


async def _allowed(api: Api, needed: Permission) -> bool:
    resource = needed.resource
    attributes = {
        "namespace": needed.namespace,
        "verb": needed.verb,
        "group": resource.group,
        "version": resource.version,
        "resource": resource.plural,
        "name": needed.name,
    }
    answer = await _review(api, _ACCESS, {"resourceAttributes": attributes}, "SelfSubjectAccessReview")
    return bool(answer.get("allowed"))


async def _review(api: Api, path: str, spec: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    about = "ask what we are allowed"
    found = object_of(await api.connection.request("POST", path, body=body, about=about), about)
    return found.get("status") or {}


def _roles(lacking: list[Permission]) -> list[str]:
    verbs: dict[tuple[str, Resource, str], list[str]] = {}
    for each in lacking:
        verbs.setdefault((each.namespace, each.resource, each.name), []).append(each.verb)
    by_namespace: dict[str, list[str]] = {}
    for (namespace, resource, name), allowed in verbs.items():
        group = resource.group or '""'
        names = f", resourceNames: [{name}]" if name else ""
        rule = f"{{apiGroups: [{group}], resources: [{resource.plural}]{names}, verbs: [{', '.join(allowed)}]}}"
        by_namespace.setdefault(namespace, []).append(rule)
    return [f"add to a Role in namespace {name}: {', '.join(rules)}" for name, rules in by_namespace.items()]
