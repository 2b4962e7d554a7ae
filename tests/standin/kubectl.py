"""kubectl, as people use it on Seldon's objects: every command a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tests.controlplane.running import ControlPlane

GROUP = "mlops.seldon.io"
API_VERSION = f"{GROUP}/v1alpha1"


class NotThere(Exception):
    """There is no such object. Its text is the object's `Kind/name`."""


class KubectlFailed(Exception):
    """kubectl failed; its text is what it said."""


class Kubectl:
    """kubectl in one namespace, as the admin of a control plane."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._control_plane = control_plane
        self.namespace = namespace

    async def create_namespace(self) -> None:
        """Creates the namespace."""
        await self._run("create", "namespace", self.namespace)

    async def apply(self, objects: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Applies objects (`kind`, `name`, `spec`) server-side, all together; returns them as they are then."""
        documents = [
            {"apiVersion": API_VERSION, **one, "metadata": {**one.get("metadata", {}), "name": one["name"]}}
            for one in objects
        ]
        for document in documents:
            del document["name"]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        how = ("--server-side", "--force-conflicts", "--validate=warn", "-f", "-", "-o", "json")
        found = json.loads(await self._run("apply", *how, stdin=text))
        return found["items"] if found["kind"] == "List" else [found]

    async def patch(self, ref: str, merge: Mapping[str, Any]) -> dict[str, Any]:
        """Applies a merge patch to `Kind/name`; returns the object as it is then. Raises NotThere."""
        how = ("--type=merge", "-p", json.dumps(merge), "-o", "json")
        found: dict[str, Any] = json.loads(await self._run("patch", _resource(ref), *how, ref=ref))
        return found

    async def delete(self, ref: str) -> None:
        """Deletes `Kind/name` and does not wait. Raises NotThere."""
        await self._run("delete", _resource(ref), "--wait=false", ref=ref)

    async def _run(self, *arguments: str, stdin: str = "", ref: str = "") -> str:
        process = await asyncio.create_subprocess_exec(
            str(self._control_plane.kubectl_path),
            f"--kubeconfig={self._control_plane.kubeconfig}",
            f"--namespace={self.namespace}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "KUBECTL_KUBERC": "false", "HOME": str(self._control_plane.folder)},
        )
        said, wrong = await process.communicate(stdin.encode())
        if process.returncode and ref and b"NotFound" in wrong:
            raise NotThere(ref)
        if process.returncode:
            raise KubectlFailed(f"kubectl {arguments[0]}: {' '.join(wrong.decode().split())}")
        return said.decode()


def _resource(ref: str) -> str:
    kind, _, name = ref.partition("/")
    return f"{kind.lower()}.{GROUP}/{name}"
