"""The `Cluster` protocol: how the executor sees and acts on whatever serves the models.

A backend does three things: it *observes* (versions, placements, routes, room: `LiveState`), it *performs* single
actions, and it keeps one writer at a time. It decides nothing and waits for nothing: whether an action may run, and
whether it is done, are pure functions of what is observed (`planner.conditions`), the same for all backends.

Where a cluster shifts, drains and unloads by itself (`Traits.commands_traffic` is False), performing `shift`, `drain`
and `unload` does nothing, and the executor verifies by observing that they happen.

The recorded `shrink-first-fixed-size` in these calls, on Seldon (S) and on the local cluster (L)::

    action              perform                                      done when observed
    change  m 2 → 1     S: apply replicas 1   L: change the object   1 replica available, the other's room is back
    load    m v2 (1)    S: apply v2           L: place and load v2   v2 ModelAvailable with 1 replica
    shift   m to v2     S: nothing            L: set the route       route is v2:100
    drain   m v1        S: nothing            L: nothing, counted    v1 has no request in flight (or its time is up)
    unload  m v1        S: nothing            L: unload v1           v1 terminated, its room is back
    change  m 1 → 2     S: apply replicas 2   L: change the object   v2 ModelAvailable with 2 replicas

What else an action may ask of a cluster::

    probe       a throw-away model with the manifest's memory, requirements, server and replicas, and an artifact
                that does not exist: returns when the scheduler had room for it, raises ActionRefused when it had none,
                and leaves nothing behind in either case. It is the one action that is over when it was performed.
    retrigger   the version that is live already is scheduled once more (on Seldon: a field that nobody reads, changed
                in the same apply). withdraw: the object is deleted, to be written anew by the load that follows.

The annotations in `model.records.RECORDS` stay as they are when an object is written, with one exception: `rollout` is
ours to write with a manifest that has it, and to remove with one that has not.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from reconciler.model.admission import Admission
from reconciler.model.live import Failure, LiveState
from reconciler.model.notice import Notice, Summary
from reconciler.model.plan import Action, Plan


class Cluster(Protocol):
    """A place where models are served. Implementations pass the contract suite in `tests/contract/`."""

    @property
    def name(self) -> str:
        """How reports name it, such as `local` or `kubernetes (context prod)`. Never holds a secret."""
        ...

    async def observe(self, newer_than: LiveState | None = None) -> LiveState:
        """Returns what is live now.

        Args:
            newer_than: return as soon as something differs from this state, and after about a second in any case.

        Raises:
            ClusterUnavailable: no answer; another try may succeed.
            ClusterError: anything else.
        """
        ...

    async def perform(self, action: Action) -> None:
        """Starts `action` and returns when the cluster has taken it in, not when it is done. Idempotent.

        Raises:
            ActionRefused: the cluster says no. ClusterUnavailable: no answer, so that the action may or may not have
                begun; or what it is about changed since it was observed: observe, check and try again.
        """
        ...

    async def record_failure(self, model: str, failure: Failure | None) -> None:
        """Keeps on the model's object that a version failed to load; None clears it. A missing model is no error."""
        ...

    def lock(self, holder: str, timeout: float) -> AbstractAsyncContextManager[None]:
        """Returns a context in which nobody else writes to this cluster.

        Args:
            holder: who we are, shown to others. timeout: seconds to wait for another holder.

        Raises:
            LockHeld: on entering, when another reconciler still holds it after `timeout`.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections; the cluster itself goes on."""
        ...


@runtime_checkable
class Admits(Protocol):
    """A cluster that can be asked beforehand whether it would take what a plan writes; the others are not asked."""

    async def admit(self, plan: Plan) -> Admission:
        """Asks about every object that `plan` writes; writes nothing.

        Under our lock, when the plan is about to be executed, everything that it needs to be allowed is checked first.

        Raises:
            ClusterUnavailable: no answer. ActionRefused: something is not allowed that the plan cannot do without.
        """
        ...


@runtime_checkable
class Tells(Protocol):
    """A cluster on which people can be told what a pass does, as Events on the objects and a summary."""

    async def tell(self, notices: tuple[Notice, ...], summary: Summary) -> None:
        """Tells it as well as it can be done at the moment; raises nothing and takes seconds at most."""
        ...
