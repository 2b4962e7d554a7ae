"""Plans for tests, built by hand the way the planner builds them."""

from __future__ import annotations

from reconciler.model.manifests import ModelManifest, ModelPolicy, ModelSpec, Source
from reconciler.model.plan import Action, ActionKind, Edge, EdgeKind, Plan, Reason


def model(
    name: str, version: str = "1", *, memory: int = 100_000, replicas: int = 1, **policy: object
) -> ModelManifest:
    spec = ModelSpec(f"models/{name}/{version}", requirements=("sklearn",), memory=memory, replicas=replicas)
    return ModelManifest(name, spec, Source("models.yaml", 1), ModelPolicy(**policy))  # type: ignore[arg-type] # tests


def action(
    kind: ActionKind, manifest: ModelManifest, *after: Edge, limit: float = 600.0, number: int | None = None
) -> Action:
    digest = manifest.spec.digest
    name = f"{kind.value}:{manifest.name}:{digest}"
    return Action(
        name,
        kind,
        manifest.name,
        Reason.NEW,
        limit,
        tuple(sorted(after)),
        digest,
        number,
        manifest,
        source=manifest.source,
    )


def load(manifest: ModelManifest, *after: Edge, limit: float = 600.0) -> Action:
    return action(ActionKind.LOAD, manifest, *after, limit=limit)


def needs(before: Action, kind: EdgeKind = EdgeKind.ROLLOUT) -> Edge:
    return Edge(before.id, kind)


def rollout(
    old: ModelManifest, new: ModelManifest, *, drain_limit: float = 60.0
) -> tuple[Action, Action, Action, Action]:
    """Load, shift, drain and unload, from version number 1."""
    first = load(new)
    shift = action(ActionKind.SHIFT, new, needs(first))
    drain = action(ActionKind.DRAIN, old, needs(shift), limit=drain_limit, number=1)
    return first, shift, drain, action(ActionKind.UNLOAD, old, needs(drain), number=1)


def plan(*actions: Action) -> Plan:
    return Plan("default", "c" * 40, "desired", "live", actions=actions)
