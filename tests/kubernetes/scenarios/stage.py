"""A recording's state before, brought about on the API server and the stand-in. Time is driven until all has settled,
and then follows the clock.

The objects are written with our field manager and our label, as if an earlier commit of ours had brought them there.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from reconciler.clusters.documents import NOWHERE
from reconciler.clusters.simulated import Artifact
from reconciler.clusters.simulated.choices import SeededChoices
from reconciler.model.manifests import INSTANCE_LABEL
from tests.controlplane.running import ControlPlane
from tests.kubernetes.scenarios.audience import Audience
from tests.recordings.artifacts import told_artifact, uri_of
from tests.recordings.choices import RecordedChoices
from tests.recordings.operations import Apply, Delete, Kill, Operation, Patch, RestartScheduler, SetArtifacts, Wait
from tests.recordings.player import OPERATION_SECONDS, rules
from tests.recordings.recording import Recording
from tests.recordings.scripts import Manifests, Script, artifacts_of, script_of
from tests.standin.kubectl import API_VERSION
from tests.standin.standin import StandIn, stand_in

Json = dict[str, Any]

MANAGER = "model-reconciler"
INSTANCE = "default"

SEEN_WITHIN = 30.0
"""Real seconds until the stand-in must have seen what was written."""

_LONGEST = 300.0
"""Simulated seconds for anything to settle."""

_LOOKS = 5
"""How often nothing is due before nothing will happen by itself: what was written has come back then."""

_SOON = 30.0
"""Simulated seconds. What is due later than that is a time limit that was not needed."""

_NUMBERS = itertools.count(1)


class Refused(Exception):
    """kubectl failed; its text is what it said."""


@dataclass
class Stage:
    """A state before, on the air; made by `staged`.

    Attributes:
        audience: asks all models all the time. speed: simulated seconds per second.
        sizes: per Server, the `spec.replicas` that it had since then, one after the other.
        broken: something went wrong in the state before. began: when that ended, in the stand-in's seconds.
    """

    control_plane: ControlPlane
    namespace: str
    script: Script
    found: StandIn
    audience: Audience
    speed: float
    broken: bool = False
    began: float = 0.0
    sizes: dict[str, list[int]] = field(default_factory=dict)

    @property
    def now(self) -> float:
        """Simulated seconds since the state before."""
        self.found.advance()
        return self.found.simulation.now - self.began

    @property
    def scheduler(self) -> str:
        """Where the scheduler's gRPC is."""
        return f"127.0.0.1:{self.found.ports.scheduler}"

    def begin(self) -> None:
        """The state before ends now."""
        self.found.advance()
        self.began = self.found.simulation.now
        self.sizes = {name: [size] for name, size in self._sizes().items()}

    def _sizes(self) -> dict[str, int]:
        known = self.found.mirror.objects
        servers = (one for one in known.values() if one["kind"] == "Server")
        return {one["metadata"]["name"]: one["spec"].get("replicas", 1) for one in servers}

    async def follow_sizes(self) -> None:
        """Keeps `sizes` until cancelled."""
        while True:
            for name, size in self._sizes().items():
                kept = self.sizes.setdefault(name, [])
                if kept[-1:] != [size]:
                    kept.append(size)
            await self.found.mirror.until(functools.partial(self._resized, self._sizes()))

    def _resized(self, before: dict[str, int]) -> bool:
        return self._sizes() != before

    async def until(self, when: float) -> None:
        """Waits for a moment, in simulated seconds since the state before."""
        while (left := when - self.now) > 0:
            await asyncio.sleep(left / self.speed)

    async def quiet(self) -> None:
        """Waits until nothing will change any more by itself."""
        looks = 0
        while looks < _LOOKS:
            await self.seen()
            self.found.advance()
            due = self.found.simulation.next_event_at()
            looks = 0 if due is not None and due < self.found.simulation.now + _SOON else looks + 1
            await asyncio.sleep(0.05)

    async def seen(self) -> None:
        """Waits until the stand-in knows the objects as they are."""
        async with asyncio.timeout(SEEN_WITHIN):
            for kind in ("Server", "Model", "Experiment"):
                while not self._knows(kind, (await self.found.api.list(kind))["items"]):
                    await asyncio.sleep(0.01)

    def _knows(self, kind: str, there: Sequence[Mapping[str, Any]]) -> bool:
        known = {one["metadata"]["name"]: one for one in self.found.mirror.objects.values() if one["kind"] == kind}
        listed = {one["metadata"]["name"]: one for one in there}
        return known.keys() == listed.keys() and all(_version(known[name]) >= _version(listed[name]) for name in known)

    async def perform(self, operation: Operation) -> None:
        """Does what `operation` says, as people do it: by kubectl, without waiting for what comes of it."""
        match operation:
            case Apply(objects):
                await self.kubectl("apply", *_APPLY, "-f", "-", stdin=_listed(objects))
            case Delete(ref):
                await self.kubectl("delete", _resource(ref), "--wait=false", "--ignore-not-found")
            case Patch(ref, merge):
                with suppress(Refused):  # it is not there (any more)
                    await self.kubectl("patch", _resource(ref), "--type=merge", "-p", json.dumps(merge))
            case SetArtifacts(behaviours):
                for name, behaviour in behaviours.items():
                    self.found.set_artifact(uri_of(name), told_artifact(name, behaviour))
            case RestartScheduler():
                self.found.restart_scheduler()
            case Kill(server, replica):
                self.found.kill(server, replica)
            case Wait(seconds):
                await self.until(self.now + seconds)

    async def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Runs kubectl in the namespace, as the admin. Raises Refused."""
        process = await asyncio.create_subprocess_exec(
            str(self.control_plane.kubectl_path),
            f"--kubeconfig={self.control_plane.kubeconfig}",
            f"--namespace={self.namespace}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "KUBECTL_KUBERC": "false", "HOME": str(self.control_plane.folder)},
        )
        said, wrong = await process.communicate(stdin.encode())
        if process.returncode:
            raise Refused(f"kubectl {arguments[0]}: {' '.join(wrong.decode().split())}")
        return said.decode()


_APPLY = ("--server-side", "--force-conflicts", f"--field-manager={MANAGER}")


def _listed(objects: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": _documents(objects)})


def _documents(objects: Sequence[Mapping[str, Any]]) -> list[Json]:
    ours = {INSTANCE_LABEL: INSTANCE}
    return [
        {"apiVersion": API_VERSION, "kind": one["kind"], "metadata": {"name": one["name"], "labels": ours}}
        | {"spec": one["spec"]}
        for one in objects
    ]


def _resource(ref: str) -> str:
    kind, _, name = ref.partition("/")
    return f"{kind.lower()}.mlops.seldon.io/{name}"


class _Builder:
    """Brings about the state before: time is driven, so that it takes as long as the API server does."""

    def __init__(self, stage: Stage, choices: RecordedChoices) -> None:
        self._stage, self._choices = stage, choices
        self._simulation = stage.found.simulation
        self._manifests = Manifests()

    async def build(self) -> None:
        for number, operations in enumerate(self._stage.script.before):
            self._choices.begin(number)
            for position, operation in enumerate(operations):
                await self._perform(operation)
                if (number, position) == (0, 0):
                    await self._settle()  # the servers come before what is on them
            await self._settle()

    async def _perform(self, operation: Operation) -> None:
        if isinstance(operation, Wait):
            await self._run_until(self._simulation.now + operation.seconds)
            return
        self._manifests = self._manifests.after(operation)
        match operation:
            case Apply(objects):
                await self._apply(objects)
            case Patch(ref, _) if ref in self._manifests.objects:
                # All that the object has then is applied: fields written in two ways would have two owners.
                kind, _, name = ref.partition("/")
                await self._apply([{"kind": kind, "name": name, **self._manifests.objects[ref]}])
            case _:
                await self._stage.perform(operation)
        await self._stage.seen()
        await self._run_until(self._simulation.now + OPERATION_SECONDS)

    async def _apply(self, objects: Sequence[Mapping[str, Any]]) -> None:
        for document in _documents(objects):
            await self._stage.found.api.apply(document["kind"], document["metadata"]["name"], document, MANAGER)

    async def _settle(self) -> None:
        await self._run_until(self._simulation.now + _LONGEST)

    async def _run_until(self, when: float) -> None:
        await self._stage.found.flush()
        while (due := self._simulation.next_event_at()) is not None and due <= when:
            await self._stage.found.step()
        self._simulation.run_until(when)


def _version(found: Mapping[str, Any]) -> int:
    return int(found["metadata"]["resourceVersion"])


@asynccontextmanager
async def staged(
    recording: Recording,
    control_plane: ControlPlane,
    *,
    after_steps: int = 0,
    speed: float = 1.0,
    seed: int = 0,
    pace: float | None = None,
) -> AsyncIterator[Stage]:
    """Gives the state before `recording`, with so many of its first steps, on a control plane that has the CRDs.

    Args:
        speed: simulated seconds per second from then on. seed: of what is left to chance from then on.
        pace: simulated seconds from the taking in of one object to that of the next; None for the usual.
    """
    namespace = f"scenario-{next(_NUMBERS)}"
    script, choices = script_of(recording, after_steps=after_steps), RecordedChoices(recording, {})
    await asyncio.to_thread(control_plane.kubectl, "create", "namespace", namespace)
    artifacts = {NOWHERE: Artifact(missing=True), **artifacts_of(recording)}
    async with stand_in(
        control_plane.kubeconfig, namespace, rules(recording, pace), artifacts, choices, speed=None
    ) as found:
        audience = Audience(f"http://127.0.0.1:{found.ports.inference}", models_of(script))
        stage = Stage(control_plane, namespace, script, found, audience, speed, broken=after_steps > 0)
        await _Builder(stage, choices).build()
        found.simulation.world.choices = SeededChoices(seed)
        stage.began = found.simulation.now
        clock = asyncio.create_task(found.follow_clock(speed))
        asking = asyncio.create_task(audience.ask_on(lambda: stage.now + stage.began))
        looking = asyncio.create_task(stage.follow_sizes())
        try:
            await audience.met()
            yield stage
        finally:
            for task in (asking, looking, clock):
                task.cancel()
            await asyncio.gather(asking, looking, clock, return_exceptions=True)


def models_of(script: Script) -> list[str]:
    """Returns every model that Git asks for at some time."""
    return sorted({name for _, manifests in ((0.0, script.first), *script.commits) for name in manifests.of("Model")})
