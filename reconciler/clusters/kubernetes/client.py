"""`KubernetesCluster`: the `Cluster` protocol on Seldon Core 2.

A look takes a LIST per kind and a snapshot of the scheduler. Whoever waits for changes has the objects watched
meanwhile, and the scheduler asked several times a second: it says first what happens.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from reconciler.clusters.kubernetes import admission, lock, permissions
from reconciler.clusters.kubernetes.answers import Changed
from reconciler.clusters.kubernetes.api import Api, Json
from reconciler.clusters.kubernetes.conditions import ROOM_SOURCE, Conditions
from reconciler.clusters.kubernetes.contact import Contact
from reconciler.clusters.kubernetes.ownership import Kept
from reconciler.clusters.kubernetes.probe import Prober
from reconciler.clusters.kubernetes.reported import Reported
from reconciler.clusters.kubernetes.resources import (
    EXPERIMENTS,
    MODELS,
    PIPELINES,
    SERVER_CONFIGS,
    SERVERS,
    STATEFUL_SETS,
    Resource,
)
from reconciler.clusters.kubernetes.statuses import last_written
from reconciler.clusters.kubernetes.telling import Subject, Teller, config_map_name
from reconciler.clusters.kubernetes.view import Seen, View
from reconciler.clusters.kubernetes.watching import Watched
from reconciler.clusters.kubernetes.writer import Writer, kind_of, name_of
from reconciler.model.admission import Admission
from reconciler.model.live import Failure, LiveModel, LiveState
from reconciler.model.notice import Notice, Summary
from reconciler.model.plan import Action, ActionKind, Plan

LOOK = 1.0
"""Seconds after which an observation returns though nothing changed."""

POLL = 0.2
"""Seconds between two snapshots of the scheduler while somebody waits."""

_ON_SERVERS = frozenset(
    {ActionKind.CREATE_SERVER, ActionKind.UPDATE_SERVER, ActionKind.SHRINK_SERVER, ActionKind.DELETE_SERVER}
)

_KEPT = (
    "name",
    "namespace",
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
    "annotations",
)

_OWNERS = Kept()


def slim(found: Json) -> Json:
    """Returns what is needed of an object: of 10,000 of them the rest is most of the memory."""
    metadata = {name: found["metadata"][name] for name in _KEPT if name in found["metadata"]}
    metadata["managedFields"] = _OWNERS.shared(found["metadata"].get("managedFields") or [])
    metadata["written"] = last_written(found["metadata"])
    return {"metadata": metadata, "spec": found.get("spec") or {}, "status": found.get("status") or {}}


@dataclass(frozen=True, slots=True)
class Terms:
    """How a cluster is written to.

    Attributes:
        instance: who we are, for what is ours only for a moment. force_conflicts: take fields over from others.
        lease_seconds: how long the lock lasts that nobody renews.
    """

    instance: str = "default"
    force_conflicts: bool = False
    lease_seconds: float = lock.DURATION


TERMS = Terms()
"""What nobody chose otherwise."""


class KubernetesCluster:
    """Seldon Core 2 in one namespace; see `Cluster` for what each method promises.

    Args:
        api: of the API server. contact: who says what Seldon's scheduler knows; where nobody does, objects alone have
            to do (see `conditions`).
    """

    def __init__(self, api: Api, contact: Contact, terms: Terms = TERMS) -> None:
        self._api = api
        self._contact = contact
        self._conditions = Conditions()
        self._fence = fence = lock.Fence()
        self._prober = Prober(api, fence, terms.instance, lambda: contact.ask)
        self._writer = Writer(api, fence, self._prober, force_conflicts=terms.force_conflicts, say=self._said)
        self._teller = Teller(api, terms.instance)
        self._telling: set[asyncio.Task[None]] = set()
        self._terms = terms
        self._lock = lock.LeaseLock(api, api.namespace, fence, self.name, terms.lease_seconds)
        self._news = asyncio.Event()
        self._view = View()
        self._latest: LiveState | None = None
        self._generations: dict[tuple[Resource, str], int | None] = {}
        self._looked, self._took = 0.0, 0.0
        api.written = self._written
        self._models = Watched(api, MODELS, self._news.set, slim=slim)
        self._servers = Watched(api, SERVERS, self._news.set, slim=slim)
        self._stateful_sets = Watched(api, STATEFUL_SETS, self._news.set, slim=slim)
        self._configs = Watched(api, SERVER_CONFIGS, self._news.set, slim=slim, optional=True)
        self._experiments = Watched(api, EXPERIMENTS, self._news.set, slim=slim, optional=True)
        self._pipelines = Watched(api, PIPELINES, self._news.set, slim=slim, optional=True)

    @property
    def name(self) -> str:
        """How reports name it."""
        return self._api.connection.name

    async def perform(self, action: Action) -> None:
        """Writes what `action` asks for; see `Cluster.perform`."""
        if self._latest is None:
            await self._look()
        kind = self._kind_of(action)
        live, model = self._known(action)
        seen = self._generations.get((kind.resource, name_of(action)))
        if live is not None and seen is not None and live["metadata"].get("generation") != seen:
            raise Changed(f"{kind.resource.kind} {name_of(action)} changed since it was looked at")
        try:
            await self._writer.perform(action, live, model)
        except Changed:
            await kind.refresh(name_of(action))
            raise

    async def admit(self, plan: Plan) -> Admission:
        """Asks whether what `plan` writes would be taken; see `Admits.admit`."""
        carried = {action.carried.kind for action in plan.actions if action.carried is not None}
        needed = permissions.for_actions((action.kind for action in plan.actions), self._api.namespace, carried)
        if self._fence.held:
            await self._follow()  # what is asked about is about to be written: it is not listed once more
            name = config_map_name(self._terms.instance)
            await permissions.check(self._api, needed | permissions.for_telling(self._api.namespace, name))
        elif lacking := await permissions.missing(self._api, needed):
            return Admission(unasked=f"the API server was not asked: no permission to {lacking[0]}")
        return Admission(await admission.refusals(self._writer, plan.actions, self._known))

    async def tell(self, notices: tuple[Notice, ...], summary: Summary) -> None:
        """Tells people on the cluster what a pass does, as long as it is ours to tell; see `Tells.tell`."""
        if not self._fence.held:
            return
        kinds = {kind.resource.kind: kind for kind in self._kinds}
        found = {}
        for notice in notices:
            there = kinds[notice.kind].objects.get(notice.name) if notice.kind in kinds else None
            if there is not None:
                found[Subject(notice.kind, notice.name, there["metadata"]["uid"])] = notice
        await self._teller.tell(found, summary)

    def _said(self, action: Action, text: str) -> None:
        """Has people told what was taken back from others; a task of its own, since nobody waits for it."""
        kind, name = kind_of(action), name_of(action)
        notice = Notice(kind, name, "TookBack", text, warning=True)
        there = self._known(action)[0]
        if there is not None:
            subject = Subject(kind, name, there["metadata"]["uid"])
            task = asyncio.create_task(self._teller.tell({subject: notice}, None))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def _known(self, action: Action) -> tuple[Json | None, LiveModel | None]:
        """Returns the object that `action` writes to, and the model as it was observed last."""
        kind = self._kind_of(action)
        model = self._latest.model(action.subject) if self._latest is not None else None
        return kind.objects.get(name_of(action)), model

    def _kind_of(self, action: Action) -> Watched:
        if action.kind in (ActionKind.APPLY, ActionKind.REMOVE):
            return self._experiments if action.subject.startswith("Experiment/") else self._pipelines
        return self._servers if action.kind in _ON_SERVERS else self._models

    async def record_failure(self, model: str, failure: Failure | None) -> None:
        """Keeps on the model's object that a version failed to load; see `Cluster.record_failure`."""
        await self._writer.record_failure(model, failure)

    @asynccontextmanager
    async def lock(self, holder: str, timeout: float) -> AsyncIterator[None]:  # noqa: ASYNC109 - as the protocol has it
        """Returns a context in which no other reconciler writes to this cluster; see `Cluster.lock`.

        Raises ClusterUnavailable when there is a scheduler that does not answer: nothing is guessed then.
        """
        telling = permissions.for_telling(self._api.namespace, config_map_name(self._terms.instance))
        await permissions.check(self._api, permissions.for_lock(self._api.namespace) | telling)
        await self._contact.renew()
        async with self._lock.held(holder, timeout):
            try:
                await self._prober.clear()
                yield
            finally:
                await self._stop()

    @property
    def _kinds(self) -> tuple[Watched, ...]:
        return (
            self._models,
            self._servers,
            self._stateful_sets,
            self._configs,
            self._experiments,
            self._pipelines,
        )

    async def observe(self, newer_than: LiveState | None = None) -> LiveState:
        """Returns what is live now; see `Cluster.observe`."""
        if newer_than is None:
            for kind in self._kinds:
                kind.expect()
            return await self._look()
        end = time.monotonic() + LOOK
        while True:
            await self._follow()
            await self._rest()
            live = await self._look()
            if not _same(live, newer_than) or time.monotonic() >= end:
                return live
            await self._pause()

    async def _follow(self) -> None:
        await _together(*(kind.follow() for kind in self._kinds))

    async def _rest(self) -> None:
        """Waits until as much time has passed since the last look as it took, a second at most.

        A look at a large cluster keeps the processor busy, and whoever acts looks for itself as well.
        """
        await asyncio.sleep(max(0.0, self._looked + min(self._took, LOOK) - time.monotonic()))

    async def _pause(self) -> None:
        """Waits for the next look: the scheduler's news are not pushed."""
        self._news.clear()
        try:
            await asyncio.wait_for(self._news.wait(), POLL)
        except TimeoutError:
            return

    async def _look(self) -> LiveState:
        begun = time.monotonic()
        old = [kind for kind in self._kinds if not kind.up_to_date]
        await self._contact.begin()
        scheduler = self._contact.scheduler
        asked = [] if scheduler is None else [scheduler.snapshot()]
        *_, report = [None, *await _together(*(kind.list() for kind in old), *asked)]
        seen = Seen(
            self._models.objects,
            self._servers.objects,
            self._configs.objects,
            self._stateful_sets.objects,
            self._experiments.objects,
            self._pipelines.objects,
        )
        now = time.time()
        if scheduler is None:
            unconfirmed = self._view.live_state(seen, self._conditions.reported(seen, now), now)
            live = replace(unconfirmed, unverified=self._contact.unverified, room_source=ROOM_SOURCE)
        else:
            assert isinstance(report, Reported)
            told = self._view.live_state(seen, report.of(self._api.namespace), now)
            live = replace(told, room_source=self._contact.source)
        self._latest, self._looked = live, time.monotonic()
        self._took = self._looked - begun
        written = (self._models, self._servers, self._experiments, self._pipelines)
        self._generations = {
            (kind.resource, name): found["metadata"].get("generation")
            for kind in written
            for name, found in kind.objects.items()
        }
        return live

    def _written(self, resource: Resource, found: Json) -> None:
        for kind in self._kinds:
            if kind.resource == resource:
                kind.wrote(found)
                self._generations[resource, found["metadata"]["name"]] = found["metadata"].get("generation")

    async def _stop(self) -> None:
        for kind in self._kinds:
            await kind.stop()

    async def close(self) -> None:
        """Lets go of connections."""
        await asyncio.gather(*self._telling, return_exceptions=True)
        await self._stop()
        await self._contact.close()
        await self._api.connection.close()


async def _together(*asked: Awaitable[object]) -> list[object]:
    """Returns what all of them return; raises what the first of them raised, when all are over."""
    found = await asyncio.gather(*asked, return_exceptions=True)
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return found


def _same(live: LiveState, other: LiveState) -> bool:
    return replace(live, observed_at=other.observed_at) == other
