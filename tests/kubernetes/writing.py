"""What tests of the writing half share: an API, manifests and actions."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from reconciler.clusters.base import Cluster
from reconciler.clusters.kubernetes.answers import Changed
from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.connection import Address, connect
from reconciler.clusters.kubernetes.lock import Fence
from reconciler.clusters.kubernetes.probe import Prober
from reconciler.clusters.kubernetes.resources import MODELS, SERVERS, Resource
from reconciler.clusters.kubernetes.writer import Writer
from reconciler.model.codec import model_spec_from_json, server_spec_from_json
from reconciler.model.manifests import INSTANCE_LABEL, ModelManifest, ServerManifest, Source
from reconciler.model.plan import Action, ActionKind, Reason
from tests.controlplane.running import ControlPlane

Json = dict[str, Any]
HERE = Source("models.yaml", 1)
_COUNT = itertools.count(1)


@asynccontextmanager
async def api_of(kubeconfig: Path, namespace: str) -> AsyncIterator[Api]:
    """Opens a connection and closes it."""
    connection = await connect(Address(kubeconfig=kubeconfig, namespace=namespace))
    try:
        yield Api(connection)
    finally:
        await connection.close()


def manifest(name: str = "iris", *, leaves: bool = False, labels: Json | None = None, **spec: Any) -> ModelManifest:
    """Returns a Model's manifest as the planner would write it."""
    marks = {INSTANCE_LABEL: "default", **(labels or {})}
    said = model_spec_from_json({"storageUri": "gs://iris/v1", "replicas": 1, **spec})
    return ModelManifest(name, said, HERE, labels=tuple(sorted(marks.items())), leaves_replicas=leaves)


def server_manifest(name: str = "mlserver", *, leaves: bool = False, **spec: Any) -> ServerManifest:
    """Returns a Server's manifest as the planner would write it."""
    said = server_spec_from_json({"serverConfig": "mlserver", **spec})
    return ServerManifest(name, said, HERE, labels=((INSTANCE_LABEL, "default"),), leaves_replicas=leaves)


def action(kind: ActionKind, written: ModelManifest | ServerManifest) -> Action:
    """Returns an action that writes `written`."""
    model = written if isinstance(written, ModelManifest) else None
    server = written if isinstance(written, ServerManifest) else None
    digest = model.spec.digest if model else ""
    base = Action(f"{kind}:{written.name}:{next(_COUNT)}", kind, written.name, Reason.NEW, 60.0, digest=digest)
    return dataclasses.replace(base, model=model, server=server)


class Writes:
    """Writes actions to a real API server and reads what became of them."""

    def __init__(self, api: Api, *, force: bool = False) -> None:
        self.api, self.fence = api, Fence()
        self.said: list[str] = []
        self.writer = Writer(
            api,
            self.fence,
            Prober(api, self.fence, "default"),
            force_conflicts=force,
            say=lambda _, text: self.said.append(text),
        )

    async def perform(self, kind: ActionKind, written: ModelManifest | ServerManifest) -> Json:
        """Performs one action on what is live now; returns the object afterwards."""
        resource = MODELS if isinstance(written, ModelManifest) else SERVERS
        live = await self.api.get(resource, written.name)
        await self.writer.perform(action(kind, written), live)
        return await self.live(resource, written.name)

    async def live(self, resource: Resource, name: str) -> Json:
        """Returns the object, which must be there."""
        found = await self.api.get(resource, name)
        assert found is not None
        return found


async def performed(cluster: Cluster, wanted: Action) -> None:
    """Performs an action as the executor does: what changed since it was looked at is looked at again."""
    for _ in range(30):
        try:
            await cluster.perform(wanted)
        except Changed:
            await asyncio.sleep(0.1)
            await cluster.observe()
        else:
            return
    raise AssertionError(f"{wanted.id}: changed again and again")


def as_other(control_plane: ControlPlane, namespace: str, kind: str, name: str, patch: Json, manager: str) -> None:
    """Patches an object as some other field manager does, such as an autoscaler."""
    control_plane.kubectl(
        "-n", namespace, "patch", kind, name, "--type=merge", f"--field-manager={manager}", "-p", json.dumps(patch)
    )
