"""A stand-in in a thread of its own: for tests that run whole commands, and for those that are not asyncio at all."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from reconciler.clusters.documents import NOWHERE
from reconciler.clusters.simulated import Artifact, Choices, Rules
from tests.controlplane.running import ControlPlane
from tests.standin.kubectl import API_VERSION, GROUP
from tests.standin.requester import Requester
from tests.standin.standin import StandIn, stand_in

_T = TypeVar("_T")

BEGINS_WITHIN = 30.0
"""Seconds."""

SEEN_AFTER = 0.3
"""Seconds in which a watch has told what was written, on any machine."""


@dataclass
class Seldon:
    """A running stand-in, and what tests do to it. Made by `seldon`.

    Attributes:
        scheduler: `host:port` of the scheduler's gRPC. inference: address of the inference port.
    """

    control_plane: ControlPlane
    namespace: str
    scheduler: str
    inference: str
    _found: StandIn
    _loop: asyncio.AbstractEventLoop

    def kill(self, server: str, replica: int) -> None:
        """Ends the processes of a server replica. Raises KeyError when there is none."""
        self._do(lambda: self._found.kill(server, replica))

    def restart_scheduler(self) -> None:
        """Ends the scheduler's process; it comes back by itself."""
        self._do(self._found.restart_scheduler)

    def set_artifact(self, uri: str, artifact: Artifact) -> None:
        """From now on, loads of `uri` go like this."""
        self._do(lambda: self._found.set_artifact(uri, artifact))

    def let_operator_stand(self, *, still: bool) -> None:
        """Stops or starts the operator: status goes stale, and nothing is taken in."""
        self._do(lambda: self._found.let_operator_stand(still=still))

    def let_finalizers_hang(self, *, hang: bool) -> None:
        """From now on, objects whose deletion is over stay, or go."""
        self._do(lambda: self._found.let_finalizers_hang(hang=hang))

    def snapshot(self) -> dict[str, Any]:
        """Returns what the simulated cluster in it holds, in the words of the recordings."""

        def look() -> dict[str, Any]:
            self._found.advance()
            return self._found.simulation.snapshot()

        return self._do(look)

    def kubectl(self, *arguments: str, stdin: str = "", check: bool = True) -> str:
        """Runs kubectl in the namespace, as the admin; returns what it prints."""
        return self.control_plane.kubectl(f"--namespace={self.namespace}", *arguments, stdin=stdin, check=check)

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Applies objects (`kind`, `name` or `metadata`, `spec`) as kubectl does, server-side."""
        documents = [
            {"apiVersion": API_VERSION, "metadata": {"name": one.get("name")}, **_without(one, "name")}
            for one in objects
        ]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def patch(self, ref: str, merge: Mapping[str, Any]) -> None:
        """Applies a merge patch to the object `Kind/name`."""
        self.kubectl("patch", _resource(ref), "--type=merge", "-p", json.dumps(merge))

    def delete(self, ref: str) -> None:
        """Deletes the object `Kind/name` and does not wait."""
        self.kubectl("delete", _resource(ref), "--wait=false")

    def get(self, ref: str) -> dict[str, Any]:
        """Returns the object `Kind/name`, an empty dict when there is none."""
        told = self.kubectl("get", _resource(ref), "--ignore-not-found", "--show-managed-fields", "-o", "json")
        return json.loads(told) if told else {}

    def until(self, holds: Callable[[], object], within: float = 30.0) -> None:
        """Waits until `holds()` is true. Raises TimeoutError when it is not `within` so many seconds."""
        end = time.monotonic() + within
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(json.dumps(self.snapshot(), indent=1))
            time.sleep(0.02)

    def until_ready(self, *models: str, within: float = 30.0) -> None:
        """Waits until each model is Ready, and the latest version is that of the object as it is."""

        def ready() -> bool:
            state = self.snapshot()
            return all(_ready(state, model) for model in models)

        self.until(ready, within)

    def until_quiet(self, within: float = 60.0) -> None:
        """Waits until nothing is under way any more: what was applied before has been seen, and all has followed."""
        time.sleep(SEEN_AFTER)
        self.until(lambda: self._do(self._found.is_quiet), within)

    @contextmanager
    def requests(self, *models: str, every: float = 0.05, patiently: bool = False) -> Iterator[Requester]:
        """Sends requests to models, or to `<experiment>.experiment`, while the context lasts; see `Requester`."""
        requester = Requester(self.inference, models, every, patiently=patiently)
        running = self._start(requester.run())
        try:
            yield requester
        finally:
            running.cancel()

    def _do(self, what: Callable[[], _T]) -> _T:
        async def do() -> _T:
            return what()

        return self._start(do()).result(BEGINS_WITHIN)

    def _start(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


def _resource(ref: str) -> str:
    kind, _, name = ref.partition("/")
    return f"{kind.lower()}{'' if kind in ('Pod', 'StatefulSet') else f'.{GROUP}'}/{name}"


def _ready(state: Mapping[str, Any], model: str) -> bool:
    found, versions = state["objects"].get(f"Model/{model}", {}), state["scheduler"].get(model)
    if not isinstance(versions, Mapping) or found.get("Ready", [""])[0] != "True":
        return False
    return bool(list(versions.values())[-1]["generation"] == found["generation"])


def _without(one: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key != name}


def with_nowhere(artifacts: Mapping[str, Artifact] | None) -> dict[str, Artifact]:
    """Returns `artifacts` and that one which a probe names: it is nowhere."""
    return {NOWHERE: Artifact(missing=True), **(artifacts or {})}


@contextmanager
def seldon(
    control_plane: ControlPlane,
    namespace: str,
    rules: Rules | None = None,
    artifacts: Mapping[str, Artifact] | None = None,
    choices: Choices | None = None,
    *,
    speed: float = 1.0,
) -> Iterator[Seldon]:
    """Runs a stand-in in a thread; `speed` in simulated seconds per second."""
    begun: Future[Seldon] = Future()

    async def run() -> None:
        over = asyncio.Event()
        try:
            async with stand_in(
                control_plane.kubeconfig, namespace, rules or Rules(), with_nowhere(artifacts), choices, speed=speed
            ) as found:
                addresses = f"127.0.0.1:{found.ports.scheduler}", f"http://127.0.0.1:{found.ports.inference}"
                begun.set_result(Seldon(control_plane, namespace, *addresses, found, asyncio.get_running_loop()))
                ending.append(over)
                await over.wait()
        except BaseException as error:
            if not begun.done():
                begun.set_exception(error)
            raise

    ending: list[asyncio.Event] = []
    thread = threading.Thread(target=lambda: asyncio.run(run()), name="stand-in", daemon=True)
    thread.start()
    running = begun.result(BEGINS_WITHIN)
    try:
        yield running
    finally:
        running._loop.call_soon_threadsafe(ending[0].set)
        thread.join(BEGINS_WITHIN)
