"""What an action writes as labels and annotations, compared with what a live object has."""

from __future__ import annotations

from reconciler.model.carried import LiveCarried
from reconciler.model.live import LiveModel, LiveServer
from reconciler.model.manifests import COMMIT_ANNOTATION, INSTANCE_LABEL, PREFIX
from reconciler.model.plan import Action
from reconciler.planner.conditions.answers import Obstacle

_NOT_COMPARED = frozenset({COMMIT_ANNOTATION, PREFIX + "failed", PREFIX + "rollout"})


def instance_written(action: Action) -> str | None:
    """Returns the owner that `action` writes to its object, None when it writes none."""
    written = action.model or action.server or action.carried
    return None if written is None else dict(written.labels).get(INSTANCE_LABEL)


def foreign(live: LiveModel | LiveServer | LiveCarried | None, ours: str | None) -> Obstacle | None:
    """Returns an obstacle if `live` is owned by another instance than `ours`."""
    if live is not None and ours is not None and live.instance not in (None, ours):
        return Obstacle(f"{live.name} is owned by instance {live.instance}")
    return None


def not_ours(live: LiveModel | LiveServer | LiveCarried) -> Obstacle | None:
    """Returns an obstacle if nobody owns `live` (any more): what is not ours is never taken away."""
    return (
        Obstacle(f"{live.name} is not ours any more: its label {INSTANCE_LABEL} is gone") if not live.instance else None
    )


def same_metadata(live: LiveModel | LiveServer | LiveCarried, action: Action) -> bool:
    """Returns whether `live` has every label and annotation that `action` writes; others may have added more."""
    written = action.model or action.server or action.carried
    if written is None:
        return True
    annotations = {pair for pair in written.annotations if pair[0] not in _NOT_COMPARED}
    return set(written.labels) <= set(live.labels) and annotations <= set(live.annotations)
