"""What Seldon's operator makes of a Server: a StatefulSet and its Pods, and the ServerConfigs of the default install.

No controller runs beside the API server, so their status is written here as well: what really runs, which the Server's
own status does not tell (docs/seldon.md, "Servers").
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.records import Server
from reconciler.clusters.simulated.rules import Rules
from reconciler.clusters.simulated.servers import memory_of, offered
from reconciler.model.manifests import canonical_json
from tests.standin.api import CONFLICT, NOT_FOUND, ApiError, ApiServer, Json

SERVER_LABEL = "server-name"
REVISION_LABEL = "controller-revision-hash"
POD_LABEL = "statefulset.kubernetes.io/pod-name"
MANAGER = "stand-in"
AGENT = "agent"
NODE = "node-of-the-stand-in"
POD_FIELDS = ("serverConfig", "capabilities", "extraCapabilities", "podSpec")


def server_configs(rules: Rules) -> Iterator[Json]:
    """Yields the ServerConfigs: what each kind of Server can load, and what its pods request."""
    for name, capabilities in rules.capabilities.items():
        pod = _pod_spec(name, rules.memory, rules.overcommit_percentage, sorted(capabilities))
        yield _object("mlops.seldon.io/v1alpha1", "ServerConfig", name) | {"spec": {"podSpec": pod}}


def _pod_spec(config: str, memory: int, overcommit: int, capabilities: list[str]) -> Json:
    environment = {
        "SELDON_SERVER_CAPABILITIES": ",".join(capabilities),
        "SELDON_OVERCOMMIT_PERCENTAGE": str(overcommit),
    }
    server = {"name": config, "image": f"{config}:stand-in", "resources": {"requests": {"memory": str(memory)}}}
    env = [{"name": name, "value": value} for name, value in environment.items()]
    return {"containers": [server, {"name": AGENT, "image": "agent:stand-in", "env": env}]}


def _object(api: str, kind: str, name: str) -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}}


@dataclass(frozen=True)
class _Wanted:
    """An object as it should be.

    Attributes:
        body: all but its status. connected: a pod whose agent the scheduler knows. leaving: a pod that drains.
    """

    body: Json
    status: Json
    connected: bool = False
    leaving: bool = False

    def follows(self, before: _Wanted | None) -> bool:
        """Returns whether it is the same object, changed at most: a pod that restarts is another of the same name."""
        return before is not None and (self.connected or not before.connected)


@dataclass
class Workloads:
    """Keeps StatefulSets and Pods as the simulated cluster has its Servers."""

    api: ApiServer
    simulation: Simulation
    _written: dict[tuple[str, str], _Wanted] = field(default_factory=dict)
    _current: dict[str, str] = field(default_factory=dict)
    _generations: dict[str, int] = field(default_factory=dict)

    async def begin(self) -> None:
        """Creates the ServerConfigs."""
        for content in server_configs(self.simulation.world.rules):
            await self._create("ServerConfig", content)

    async def write(self) -> None:
        """Writes whatever is not written yet. Raises ApiError, or what aiohttp raises, when that fails; call again."""
        wanted = dict(self._wanted())
        for key in [key for key in self._written if key not in wanted]:
            await self._delete(*key, grace=0)
            del self._written[key]
        for key, content in wanted.items():
            if self._written.get(key) != content:
                await self._put(*key, content)
                self._written[key] = content

    def _wanted(self) -> Iterator[tuple[tuple[str, str], _Wanted]]:
        for name, server in self.simulation.world.servers.items():
            pods = {index: self._pod(server, index) for index in sorted({*server.starting, *server.replicas})}
            if not server.deleted:
                yield ("StatefulSet", name), self._stateful_set(server, pods.values())
            yield from ((("Pod", f"{name}-{index}"), pod) for index, pod in pods.items())

    def _template(self, server: Server) -> Json:
        rules = self.simulation.world.rules
        memory, limit = memory_of(server.spec, rules)
        overcommit = round(100 * limit / memory) - 100 if memory else 0
        return _pod_spec(server.spec["serverConfig"], memory, overcommit, offered(server.spec, rules))

    def _pod(self, server: Server, index: int) -> _Wanted:
        """A pod keeps the template it was made from until it restarts."""
        replica = server.replicas.get(index)
        leaving = replica is not None and replica.draining
        status = _pod_status(ready=replica is not None and not leaving, running=replica is not None)
        body = _pod_body(server.name, index, self._template(server), _revision(server))
        found = _Wanted(body, status, connected=replica is not None, leaving=leaving)
        before = self._written.get(("Pod", f"{server.name}-{index}"))
        return replace(found, body=before.body) if before is not None and found.follows(before) else found

    def _stateful_set(self, server: Server, pods: Collection[_Wanted]) -> _Wanted:
        new, name = _revision(server), server.name
        ready = sum(pod.connected and not pod.leaving for pod in pods)
        updated = sum(pod.body["metadata"]["labels"][REVISION_LABEL] == new for pod in pods)
        if updated == len(pods) == ready == server.size:
            self._current[name] = new
        current = self._current.get(name, new)
        status = {
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "currentReplicas": updated if current == new else len(pods) - updated,
            "updatedReplicas": updated,
            "currentRevision": current,
            "updateRevision": new,
        }
        labels = {SERVER_LABEL: name}
        spec = {
            "serviceName": name,
            "replicas": server.size,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": self._template(server)},
        }
        body = _object("apps/v1", "StatefulSet", name) | {"metadata": {"name": name, "labels": labels}, "spec": spec}
        return _Wanted(body, status)

    async def _put(self, kind: str, name: str, content: _Wanted) -> None:
        before = self._written.get((kind, name))
        if before is not None and not content.follows(before):
            await self._delete(kind, name, grace=0)
            before = None
        if before is None:
            await self._create(kind, content.body)
        elif content.body != before.body:
            await self._patch(kind, name, {"spec": content.body["spec"]})
        if content.leaving and before is not None and not before.leaving:
            await self._delete(kind, name)
        status = dict(content.status)
        if kind == "StatefulSet":
            status["observedGeneration"] = self._generations[name]
        await self._patch(kind, name, {"status": status}, part="status")

    async def _create(self, kind: str, body: Json) -> None:
        """Creates an object; what an earlier stand-in left there is made like it, or anew."""
        name = body["metadata"]["name"]
        try:
            self._took_in(await self.api.create(kind, body))
        except ApiError as error:
            if error.code != CONFLICT:
                raise
            if kind == "Pod":
                await self._delete(kind, name, grace=0)
                await self.api.create(kind, body)
            else:
                await self._patch(kind, name, {"spec": body["spec"]})

    async def _patch(self, kind: str, name: str, merge: Json, part: str = "") -> None:
        async with self._if_there():
            self._took_in(await self.api.patch(kind, name, merge, part=part, manager=MANAGER))

    async def _delete(self, kind: str, name: str, grace: int | None = None) -> None:
        async with self._if_there():
            await self.api.delete(kind, name, grace)

    def _took_in(self, found: Json) -> None:
        if found["kind"] == "StatefulSet":
            self._generations[found["metadata"]["name"]] = found["metadata"]["generation"]

    @asynccontextmanager
    async def _if_there(self) -> AsyncIterator[None]:
        """An object that is gone meanwhile is no error."""
        try:
            yield
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise


def _revision(server: Server) -> str:
    """Returns what tells one template of a Server's pods from another."""
    told = {name: server.spec[name] for name in POD_FIELDS if name in server.spec}
    return f"{server.name}-{hashlib.sha256(canonical_json(told).encode()).hexdigest()[:10]}"


def _pod_body(server: str, index: int, template: Json, revision: str) -> Json:
    name = f"{server}-{index}"
    labels = {SERVER_LABEL: server, POD_LABEL: name, REVISION_LABEL: revision}
    spec = {**template, "nodeName": NODE, "terminationGracePeriodSeconds": 120}
    return _object("v1", "Pod", name) | {"metadata": {"name": name, "labels": labels}, "spec": spec}


def _pod_status(*, ready: bool, running: bool) -> Json:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"phase": "Running" if running else "Pending", "conditions": [condition]}
