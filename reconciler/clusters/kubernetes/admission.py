"""Asks the API server, by server-side dry-run, whether it would take what a plan writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.clusters.kubernetes.writer import Writer, kind_of, name_of
from reconciler.errors import ActionRefused
from reconciler.model.admission import Refusal
from reconciler.model.live import LiveModel
from reconciler.model.plan import Action, ActionKind

AT_ONCE = 16
"""Dry-runs under way at one time."""

ASKED = frozenset(
    {
        ActionKind.CREATE_SERVER,
        ActionKind.UPDATE_SERVER,
        ActionKind.SHRINK_SERVER,
        ActionKind.ADOPT,
        ActionKind.CHANGE,
        ActionKind.RETRIGGER,
        ActionKind.LOAD,
        ActionKind.APPLY,
    }
)
"""Actions that apply a document."""

_GONE_FIRST = frozenset({ActionKind.WITHDRAW, ActionKind.WAIT_DELETED})
"""What comes after these is written to an object that is not there yet, and cannot be asked about."""

Known = Callable[[Action], tuple[Mapping[str, Any] | None, LiveModel | None]]
"""Returns the object that an action writes to, and the model as it was observed."""


def to_ask(actions: tuple[Action, ...]) -> list[Action]:
    """Returns the actions whose writes can be tried now."""
    gone = {action.subject for action in actions if action.kind in _GONE_FIRST}
    return [action for action in actions if action.kind in ASKED and action.subject not in gone]


async def refusals(writer: Writer, actions: tuple[Action, ...], known: Known) -> tuple[Refusal, ...]:
    """Returns what would not be taken, one refusal per object. Raises ClusterUnavailable without an answer."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(action: Action) -> Refusal | None:
        async with turn:
            try:
                await writer.admitted(action, *known(action))
            except ActionRefused as error:
                kind = kind_of(action)
                detail = f"{error.what}: {error.why}" if error.why else error.what
                return Refusal(kind, name_of(action), detail, error.fix)
            return None

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(ask(action)) for action in to_ask(actions)]
    found = [refusal for task in asked if (refusal := task.result()) is not None]
    return tuple(sorted({(each.kind, each.name): each for each in reversed(found)}.values()))
