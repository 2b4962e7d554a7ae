"""One action on its way: wait for its predecessors, check, perform, wait until it is seen to be done."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from reconciler.clusters.base import Cluster
from reconciler.errors import ActionRefused, ClusterError, ClusterUnavailable
from reconciler.executor.ledger import Ledger
from reconciler.executor.view import View, back_off
from reconciler.model.clean import clean, secret_values
from reconciler.model.codec import format_duration
from reconciler.model.live import Failure, LiveState, LiveVersion
from reconciler.model.manifests import ModelPolicy
from reconciler.model.outcome import Status
from reconciler.model.plan import Action, ActionKind
from reconciler.planner.conditions import Patience, Progress, Stage, obstacle, progress, version_of

SETTLE = 15.0
"""Seconds that an obstacle which may go away by itself is given: room seen late, a server process that restarts."""

STALE = 10.0
"""Seconds for which what was there before the action was performed may be the old state still."""

RECORD_LIMIT = 20.0
"""Seconds in which a failed load must be on record."""

_ALWAYS_WRITTEN = frozenset(
    {ActionKind.CHANGE, ActionKind.ADOPT, ActionKind.UPDATE_SERVER, ActionKind.RETRIGGER, ActionKind.APPLY}
)
"""Written even if it looks done: a label that Git no longer has cannot be told from one that somebody else added, and a
version that `minReplicas` lets be partly there asks for its rest only when it is scheduled once more."""

_ASKING = ActionKind.PROBE
"""Leaves nothing to be seen: performing it is all, and the cluster refuses it where there is no room."""

_LOADS = frozenset({ActionKind.LOAD, ActionKind.RETRIGGER})

_ON_RECORD = _LOADS | {ActionKind.PROBE, ActionKind.CHANGE}
"""Kinds whose failure is kept on the model's object, for the next pass to know."""


@dataclass(frozen=True, slots=True)
class _End:
    status: Status
    detail: str
    version_failed: bool = False
    refused: bool = False


class Step:
    """Runs one action once.

    Args:
        instance: who we are. view: what is live. ledger: where the action's outcome is noted.
    """

    def __init__(self, action: Action, instance: str, cluster: Cluster, view: View, ledger: Ledger) -> None:
        self._action = action
        self._instance = instance
        self._cluster = cluster
        self._view = view
        self._ledger = ledger
        self._before: LiveVersion | None = None
        self._seen: Progress | None = None

    async def run(self) -> None:
        """Runs the action; whatever becomes of it is in the ledger, not raised."""
        await self._ledger.predecessors_over(self._action)
        missing = self._ledger.missing(self._action)
        if missing is not None:
            self._ledger.close(self._action, Status.NOT_RUN, missing)
            return
        self._ledger.running(self._action)
        try:
            end = await self._attempt()
        except ClusterError as error:
            refused = self._action.kind is _ASKING and isinstance(error, ActionRefused)
            end = _End(Status.FAILED, _told(error), refused=refused)
        note = await self._keep_on_record(end) if self._action.kind in _ON_RECORD else ""
        self._ledger.close(self._action, end.status, end.detail + note)

    async def _attempt(self) -> _End:
        limit = max(self._action.time_limit, SETTLE)
        try:
            async with self._view.clock.limit(limit) as scope:
                early = await self._start()
        except TimeoutError:
            if not scope.expired():
                raise
            return _End(Status.FAILED, f"could not be started within {format_duration(limit)}{self._trouble()}")
        if early is None and self._action.kind is _ASKING:
            await self._view.fresh(oldest=0)  # time has passed on the cluster: what follows looks anew
            return _End(Status.DONE, "there is room")
        return await self._finish() if early is None else early

    async def _start(self) -> _End | None:
        """Performs the action as soon as it may run; returns how it ended if it is done already or may not run."""
        pauses = back_off()
        while True:
            early = await self._may_run()
            if early is not None:
                return early
            try:
                await self._cluster.perform(self._action)
            except ClusterUnavailable as error:
                self._ledger.running(self._action, f"trying again: {error.what}")
                await asyncio.sleep(next(pauses))
            else:
                return None

    async def _may_run(self) -> _End | None:
        since = self._now()
        live = await self._view.fresh()
        while True:
            seen = self._seen = progress(self._action, live)
            if seen.state is Stage.DONE and self._action.kind not in _ALWAYS_WRITTEN:
                return _End(Status.DONE, seen.detail)
            found = obstacle(self._action, live, instance=self._instance)
            if found is None:
                self._before = version_of(self._action, live)
                return None
            waited = self._now() - since
            if found.patience is Patience.NONE or (found.patience is Patience.BRIEF and waited >= SETTLE):
                return _End(Status.NOT_RUN, found.why)
            self._ledger.running(self._action, found.why)
            live = await self._view.newer()

    async def _finish(self) -> _End:
        performed = self._now()
        try:
            async with self._view.clock.limit(self._action.time_limit) as scope:
                live = await self._view.fresh(oldest=0)
                while True:
                    seen = self._seen = progress(self._action, live)
                    stale = self._stale(live, performed)
                    if seen.state is Stage.DONE and not (stale and self._action.kind is ActionKind.RETRIGGER):
                        return _End(Status.DONE, seen.detail)
                    if seen.state is Stage.FAILED and not stale:
                        return _End(Status.FAILED, seen.detail, seen.version_failed, seen.refused)
                    self._ledger.running(self._action, seen.detail if seen.state is Stage.PENDING else "")
                    live = await self._view.newer()
        except TimeoutError:
            if not scope.expired():
                raise
            return self._overdue()

    def _stale(self, live: LiveState, performed: float) -> bool:
        """Returns whether what is seen may be that of an earlier attempt: the cluster has shown nothing newer yet."""
        return version_of(self._action, live) == self._before and self._now() - performed < STALE

    def _overdue(self) -> _End:
        limit, seen = format_duration(self._action.time_limit), self._seen
        if self._action.kind is ActionKind.DRAIN and not self._view.trouble:
            return _End(Status.DONE, f"went on after {limit} with {seen.detail if seen else 'requests in flight'}")
        live = self._view.latest
        taken_in = live is not None and version_of(self._action, live) is not None and not self._view.trouble
        detail = f"not done within {limit}{f': {seen.detail}' if seen and seen.detail else ''}{self._trouble()}"
        return _End(Status.FAILED, detail, version_failed=self._action.kind in _LOADS and taken_in)

    async def _keep_on_record(self, end: _End) -> str:
        """Keeps a failed load on record, or clears the record after a good one; returns what went wrong.

        On the way back from the version that failed the record stays: that version must still be held.
        """
        model = None if self._view.latest is None else self._view.latest.model(self._action.subject)
        known = None if model is None else model.failure
        loaded = end.status is Status.DONE and self._action.kind in _LOADS
        bad = end.version_failed or end.refused
        back = model is not None and model.rollout is not None and model.rollout.previous.digest == self._action.digest
        if not bad and (not loaded or known is None or (back and known.digest != self._action.digest)):
            return ""
        failure = self._failure(end, known) if bad else None
        try:
            async with asyncio.timeout(RECORD_LIMIT):
                await self._record(failure)
        except (ClusterError, TimeoutError) as error:
            why = _told(error) if isinstance(error, ClusterError) else "no answer"
            return f" (the record of failures could not be written: {why})"
        return ""

    def _failure(self, end: _End, known: Failure | None) -> Failure:
        again = known is not None and known.digest == self._action.digest
        count = known.count + 1 if known is not None and again else 1
        policy = ModelPolicy() if self._action.model is None else self._action.model.policy
        live = self._view.latest
        when = self._ledger.now() if live is None else live.observed_at
        secrets = () if self._action.model is None else secret_values(self._action.model.spec.parameters)
        why, terms = clean(end.detail, secrets), policy.load_terms  # whoever may read models may read annotations
        return Failure(self._action.digest, count, when, why, policy.retry, terms, end.refused)

    async def _record(self, failure: Failure | None) -> None:
        for pause in back_off():
            try:
                await self._cluster.record_failure(self._action.subject, failure)
            except ClusterUnavailable:
                await asyncio.sleep(pause)
            else:
                return

    def _trouble(self) -> str:
        return f" (the cluster cannot be observed: {self._view.trouble})" if self._view.trouble else ""

    def _now(self) -> float:
        return self._view.clock.now


def _told(error: ClusterError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
