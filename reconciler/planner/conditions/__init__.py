"""When an action may run, and when it is done: pure functions of an action and of what is live.

The executor asks them with every observation, for every kind of cluster alike. Nothing here acts, waits or tells time,
and nothing here plans: an obstacle found here means that the world is no longer what the plan thought.
"""

from __future__ import annotations

from reconciler.model.live import LiveState, LiveVersion
from reconciler.model.plan import Action, ActionKind
from reconciler.planner.conditions import carried, models, servers
from reconciler.planner.conditions.answers import Obstacle, Patience, Progress, Stage, gone
from reconciler.planner.conditions.metadata import foreign, instance_written

__all__ = [
    "Obstacle",
    "Patience",
    "Progress",
    "Stage",
    "obstacle",
    "precondition",
    "progress",
    "version_of",
]


def precondition(action: Action, live: LiveState, *, instance: str | None = None) -> str | None:
    """Returns why `action` may not run now, None when it may.

    Args:
        instance: who we are (`Plan.instance`); None takes it from the labels that the action writes.
    """
    found = obstacle(action, live, instance=instance)
    return None if found is None else found.why


def obstacle(action: Action, live: LiveState, *, instance: str | None = None) -> Obstacle | None:
    """Returns why `action` may not run now and whether waiting may help, None when it may run."""
    if action.kind is ActionKind.WAIT_DELETED:
        return None
    if live.hold:
        return Obstacle(live.hold, Patience.TIME_LIMIT)
    ours = instance or instance_written(action)
    if action.kind in servers.CHECKS:
        server = live.server(action.subject)
        return foreign(server, ours) or servers.CHECKS[action.kind](action, live, server)
    if action.kind in carried.CHECKS:
        item = live.one_carried(action.subject)
        return foreign(item, ours) or carried.CHECKS[action.kind](action, live, item)
    model = live.model(action.subject)
    if model is None and action.kind not in (ActionKind.LOAD, ActionKind.PROBE):
        return Obstacle(f"there is no model {action.subject} on the cluster any more")
    return foreign(model, ours) or models.CHECKS[action.kind](action, live, model or models.absent(action))


def progress(action: Action, live: LiveState) -> Progress:
    """Returns how far the postcondition of `action` is."""
    if action.kind in servers.PROGRESS:
        return servers.PROGRESS[action.kind](action, live.server(action.subject))
    if action.kind in carried.PROGRESS:
        return carried.PROGRESS[action.kind](action, live.one_carried(action.subject))
    if action.kind is ActionKind.WAIT_DELETED and action.server is not None:
        return gone(live.server(action.subject) is None)
    return models.PROGRESS[action.kind](action, live.model(action.subject))


def version_of(action: Action, live: LiveState) -> LiveVersion | None:
    """Returns the live version that a model's action is about, None when there is none (yet, or any more)."""
    model = live.model(action.subject)
    return None if model is None else models.version_meant(action, model)
