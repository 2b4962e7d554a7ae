"""Asks the scheduler whether there is room, with a throw-away Model (docs/seldon.md, "A probe tells").

A load that is deleted in flight leaks its room, so a probe is deleted only when none of its loads is in flight. One
that was left behind by a killed process is found by its label and goes the same way.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from reconciler.clusters.documents import probed
from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.lock import Fence
from reconciler.clusters.kubernetes.resources import MODELS
from reconciler.errors import ActionRefused, ClusterUnavailable
from reconciler.model.live import VersionState
from reconciler.model.manifests import PREFIX, ModelManifest

PROBE_PREFIX = "model-reconciler-probe-"
"""What the names of throw-away Models begin with."""

PROBE_LABEL = PREFIX + "probe"
"""Label of a throw-away Model: the instance that asks."""

ANSWER_SECONDS = 30.0
"""Seconds within which a probe must have told; it takes 0.3 s."""

GONE_SECONDS = 20.0
"""Seconds that a deleted probe may take to go; its finalizer takes 2-3 s (docs/seldon.md, "Deleting")."""

SETTLED_SECONDS = 6.0
"""Seconds after which a load that nobody tells of is over: one that fails takes 4-5 s (docs/seldon.md, "The order of
states")."""

_PACE = 0.1
_PLACED = (VersionState.FAILED, VersionState.AVAILABLE)
"""What a probe ends as that was placed: available if somebody has put an artifact where none should be."""
_OVER = (*_PLACED, VersionState.SCHEDULE_FAILED)


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a model's live version.

    Attributes:
        loading: whether a load of it is in flight; None when only the conditions are known.
    """

    state: VersionState
    loading: bool | None = None


Ask = Callable[[str], Awaitable[Told | None]]
"""Says what the scheduler knows of the model of that name, None when it does not know it (yet)."""


class Prober:
    """Asks for room, one probe after the other.

    Args:
        instance: whose probes they are. whom: returns what asks the scheduler, each time anew; None where only the
            Model's conditions can be read.
    """

    def __init__(self, api: Api, fence: Fence, instance: str, whom: Callable[[], Ask | None] = lambda: None) -> None:
        self._api, self._fence, self._instance = api, fence, instance
        self._whom = whom

    async def room_for(self, manifest: ModelManifest) -> None:
        """Returns when the scheduler had room for `manifest`; leaves nothing behind.

        Raises:
            ActionRefused: it had none. ClusterUnavailable: it did not say.
        """
        name = PROBE_PREFIX + secrets.token_hex(4)
        metadata = {"name": name, "labels": {PROBE_LABEL: self._instance}}
        document = {"apiVersion": MODELS.api_version, "kind": MODELS.kind, "metadata": metadata}
        async with self._fence.passed():
            made = await self._api.apply(MODELS, {**document, "spec": probed(manifest)})
        told = await self._told(name, ANSWER_SECONDS)
        if not _over(told):
            raise ClusterUnavailable(f"the scheduler did not say whether there is room for {manifest.name}")
        assert told is not None  # else it would not be over
        await self._removed(name, made["metadata"]["uid"])
        if told.state not in _PLACED:
            why = f"a throw-away model like it was told {told.state}"
            raise ActionRefused(f"the scheduler has no room for {manifest.name}", why=why)

    async def clear(self) -> None:
        """Removes probes of ours that were left behind; those with a load in flight go another time."""
        for found in (await self._api.list(MODELS, labels=f"{PROBE_LABEL}={self._instance}")).items:
            metadata = found["metadata"]
            if not metadata["name"].startswith(PROBE_PREFIX) or metadata.get("deletionTimestamp"):
                continue
            told = await self._told(metadata["name"], 0)
            if _over(told):
                await self._removed(metadata["name"], metadata["uid"])

    async def _told(self, name: str, seconds: float) -> Told | None:
        """Returns what was told when it was over, or what was told last."""
        ask = self._whom() or self._by_conditions
        clock = asyncio.get_running_loop().time
        began, over_since, told = clock(), 0.0, None
        while True:
            with suppress(ClusterUnavailable):
                told = await ask(name)
            now = clock()
            over = _over(told)
            over_since = (over_since or now) if over else 0.0
            if over and (self._final(told) or now - over_since >= SETTLED_SECONDS):
                return told
            if now - began >= seconds and not over:
                return told
            await asyncio.sleep(_PACE)

    def _final(self, told: Told | None) -> bool:
        """Whether nothing of it can be in flight. A version that was not placed never had a load."""
        return told is not None and (told.loading is False or told.state is VersionState.SCHEDULE_FAILED)

    async def _removed(self, name: str, uid: str) -> None:
        async with self._fence.passed():
            there = await self._api.delete(MODELS, name, uid=uid)
        end = asyncio.get_running_loop().time() + GONE_SECONDS
        while there and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(_PACE)
            with suppress(ClusterUnavailable):
                found = await self._api.get(MODELS, name)
                there = found is not None and found["metadata"].get("uid") == uid

    async def _by_conditions(self, name: str) -> Told | None:
        found = await self._api.get(MODELS, name)
        state = None if found is None else state_of(found)
        return None if state is None else Told(state)


def _over(told: Told | None) -> bool:
    """Whether it has ended. Conditions tell of no loads, but a version that is still progressing has one."""
    return told is not None and told.state in _OVER and not told.loading


def state_of(model: Mapping[str, Any]) -> VersionState | None:
    """Returns what the conditions of a Model say of its state, None when they say nothing that we know.

    `message` of the condition ModelReady holds the state (docs/seldon.md, "Status: what to believe").
    """
    for condition in (model.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "ModelReady":
            with suppress(ValueError):
                return VersionState(condition.get("message"))
    return None
