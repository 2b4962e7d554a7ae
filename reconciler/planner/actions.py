"""Builds the single actions of a model's plan. What belongs together is said in `forms`; room is not known here."""

from __future__ import annotations

from reconciler.model.live import LiveVersion
from reconciler.model.manifests import ModelManifest, Source
from reconciler.model.plan import Action, ActionKind, MemoryUse, Reason
from reconciler.planner.unit import Release, action_id

SHIFT_TIME = 60.0
"""Seconds a route may take to move: Envoy needs up to 10 s after a scheduler restart (docs/seldon.md, "Servers")."""

UNLOAD_TIME = 120.0
"""Seconds an unload may take until its memory is seen to be free: the grace period is 2 s by default."""

DELETION_TIME = 120.0
"""Seconds until an object that is being deleted must be gone; finalizers take 2-3 s (docs/seldon.md, "Deleting")."""

PROBE_TIME = 60.0
"""Seconds until a probe must have answered; it takes 0.3 s (docs/seldon.md, "Capacity")."""


def load(manifest: ModelManifest, reason: Reason, memory: int | None, number: int | None = None) -> Action:
    """A load of the manifest's version; `memory` in bytes per replica, None when it is in flight already."""
    spec = manifest.spec
    return Action(
        id=action_id(ActionKind.LOAD, manifest.name, spec.digest),
        kind=ActionKind.LOAD,
        subject=manifest.name,
        reason=reason,
        time_limit=manifest.policy.load_timeout,
        digest=spec.digest,
        number=number,
        model=manifest,
        takes=_uses(spec.server or "", spec.wanted_replicas, memory),
        source=_source(manifest),
        detail=spec.storage_uri,
    )


def retrigger(
    manifest: ModelManifest, reason: Reason, memory: int, missing: int, version: LiveVersion | None
) -> Action:
    """The same version scheduled once more, for the `missing` replicas that it lacks."""
    spec = manifest.spec
    return Action(
        id=action_id(ActionKind.RETRIGGER, manifest.name, spec.digest),
        kind=ActionKind.RETRIGGER,
        subject=manifest.name,
        reason=reason,
        time_limit=manifest.policy.load_timeout,
        digest=spec.digest,
        number=version.number if version is not None else None,
        model=manifest,
        takes=_uses((version.server if version and version.occupied else spec.server) or "", missing, memory),
        source=_source(manifest),
        detail=f"{spec.storage_uri} once more",
    )


def probe(manifest: ModelManifest, reason: Reason, memory: int | None) -> Action:
    """A throw-away model that only asks whether `manifest` would be placed (docs/seldon.md, "Capacity")."""
    spec = manifest.spec
    return Action(
        id=action_id(ActionKind.PROBE, manifest.name, spec.digest),
        kind=ActionKind.PROBE,
        subject=manifest.name,
        reason=reason,
        time_limit=PROBE_TIME,
        digest=spec.digest,
        model=manifest,
        source=_source(manifest),
        detail="asks the scheduler whether there is room",
        takes=_uses(spec.server or "", spec.wanted_replicas, memory),
    )


def shift(manifest: ModelManifest, reason: Reason, number: int | None = None) -> Action:
    """The whole route to the manifest's version."""
    return Action(
        id=action_id(ActionKind.SHIFT, manifest.name, manifest.spec.digest),
        kind=ActionKind.SHIFT,
        subject=manifest.name,
        reason=reason,
        time_limit=SHIFT_TIME,
        digest=manifest.spec.digest,
        number=number,
        model=manifest,
        source=_source(manifest),
    )


def retire(manifest: ModelManifest, versions: list[LiveVersion], reason: Reason) -> list[Action]:
    """Drains and unloads `versions`, oldest first."""
    actions: list[Action] = []
    for version in versions:
        label = _label(version)
        drain = Action(
            id=action_id(ActionKind.DRAIN, manifest.name, label),
            kind=ActionKind.DRAIN,
            subject=manifest.name,
            reason=reason,
            time_limit=manifest.policy.drain_timeout,
            digest=version.digest or "",
            number=version.number,
            model=manifest,
            source=_source(manifest),
        )
        unload = Action(
            id=action_id(ActionKind.UNLOAD, manifest.name, label),
            kind=ActionKind.UNLOAD,
            subject=manifest.name,
            reason=reason,
            time_limit=UNLOAD_TIME,
            digest=version.digest or "",
            number=version.number,
            model=manifest,
            frees=_uses(version.server, len(version.occupied), version.memory),
            source=_source(manifest),
        )
        actions += [drain, unload]
    return actions


def change(
    manifest: ModelManifest,
    reason: Reason,
    version: LiveVersion,
    memory: int,
    held: int | None = None,
    label: str = "",
    detail: str = "",
) -> Action:
    """`version` changed in place to what `manifest` says: replicas, min, max, logger, metadata.

    Args:
        memory: bytes on each replica. held: replicas that it takes now, `version.occupied` when None.
        label: tells two changes of one version in one plan apart. detail: one sentence for people.
    """
    before = len(version.occupied) if held is None else held
    wanted = manifest.spec.wanted_replicas
    digest = version.digest or manifest.spec.digest
    return Action(
        id=action_id(ActionKind.CHANGE, manifest.name, digest + label),
        kind=ActionKind.CHANGE,
        subject=manifest.name,
        reason=reason,
        time_limit=manifest.policy.load_timeout + manifest.policy.drain_timeout,
        digest=digest,
        number=version.number,
        model=manifest,
        takes=_uses(version.server, max(0, wanted - before), memory),
        frees=_uses(version.server, max(0, before - wanted), memory),
        source=_source(manifest),
        detail=detail,
    )


def grow_back(manifest: ModelManifest, reason: Reason, memory: int, held: int) -> Action:
    """The version that `manifest` says, loaded on `held` replicas by then, gets the rest of its replicas."""
    wanted = manifest.spec.wanted_replicas
    return Action(
        id=action_id(ActionKind.CHANGE, manifest.name, manifest.spec.digest),
        kind=ActionKind.CHANGE,
        subject=manifest.name,
        reason=reason,
        time_limit=manifest.policy.load_timeout + manifest.policy.drain_timeout,
        digest=manifest.spec.digest,
        model=manifest,
        takes=_uses(manifest.spec.server or "", wanted - held, memory),
        source=_source(manifest),
        detail=f"replicas {held} → {wanted}" if held < wanted else "the stepped rollout is over",
    )


def adopt(manifest: ModelManifest, reason: Reason) -> Action:
    """Our label on a live object, and nothing else."""
    return Action(
        id=action_id(ActionKind.ADOPT, manifest.name),
        kind=ActionKind.ADOPT,
        subject=manifest.name,
        reason=reason,
        time_limit=SHIFT_TIME,
        digest=manifest.spec.digest,
        model=manifest,
        source=_source(manifest),
    )


def remove(kind: ActionKind, manifest: ModelManifest, reason: Reason, versions: tuple[LiveVersion, ...]) -> Action:
    """The object deleted and its `versions` unloaded: for good (decommission), or to be written anew (withdraw)."""
    version = versions[-1] if versions else None
    occupied = [v for v in versions if v.occupied]
    return Action(
        id=action_id(kind, manifest.name),
        kind=kind,
        subject=manifest.name,
        reason=reason,
        time_limit=manifest.policy.drain_timeout + UNLOAD_TIME,
        digest=(version.digest if version else None) or manifest.spec.digest,
        number=version.number if version else None,
        model=manifest,
        frees=tuple(use for v in occupied for use in _uses(v.server, len(v.occupied), v.memory)),
        source=_source(manifest) if kind is ActionKind.WITHDRAW else None,
    )


def wait_until_deleted(name: str, reason: Reason, source: Source | None) -> Action:
    """Waits until an object being deleted is gone."""
    return Action(
        id=action_id(ActionKind.WAIT_DELETED, name),
        kind=ActionKind.WAIT_DELETED,
        subject=name,
        reason=reason,
        time_limit=DELETION_TIME,
        source=source,
    )


def release(action: str, version: LiveVersion) -> Release:
    """What `action` frees when it takes `version` off all its replicas."""
    return Release(action, version.server, version.occupied, version.memory)


def unloads(actions: list[Action], versions: list[LiveVersion]) -> tuple[Release, ...]:
    """What the unloads among `actions` free, each for the one of `versions` that it is about."""
    ids = {action.number: action.id for action in actions if action.kind is ActionKind.UNLOAD}
    return tuple(release(ids[version.number], version) for version in versions)


def _label(version: LiveVersion) -> str:
    """An older version in an action's id: two versions of one model may have the same digest (a revert, on Seldon)."""
    return f"{version.digest or 'unknown'}#{version.number}"


def _uses(server: str, replicas: int, amount: int | None) -> tuple[MemoryUse, ...]:
    return (MemoryUse(server, replicas, amount),) if replicas and amount else ()


def _source(manifest: ModelManifest) -> Source | None:
    return manifest.source if manifest.source.file else None
