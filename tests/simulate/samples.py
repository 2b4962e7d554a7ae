"""Small stories: models of one Server, and a commit that changes them."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.clusters.simulated import Artifact, Simulation
from reconciler.model.codec import model_spec_from_json, server_spec_from_json
from reconciler.model.manifests import DesiredState, ModelManifest, ServerManifest, Source
from reconciler.simulate.assumed import whole
from reconciler.simulate.plain import applied
from reconciler.simulate.story import Commit, Incident, Story

INSTANCE = "default"


def model(name: str, artifact: str, memory: str = "300k", replicas: int = 1) -> ModelManifest:
    spec = {"storageUri": artifact, "requirements": ["sklearn"], "memory": memory, "replicas": replicas}
    return ModelManifest(name, model_spec_from_json(spec), Source(f"{name}.yaml", 1))


def server(memory: str = "1M", replicas: int = 1, name: str = "mlserver") -> ServerManifest:
    agent = {"name": "agent", "env": [{"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": "0"}]}
    pod = {"containers": [{"name": "mlserver", "resources": {"requests": {"memory": memory}}}, agent]}
    spec = {"serverConfig": "mlserver", "replicas": replicas, "podSpec": pod}
    return ServerManifest(name, server_spec_from_json(spec), Source("servers.yaml", 1))


def state(*models: ModelManifest, servers: tuple[ServerManifest, ...] = (server(),), commit: str = "c") -> DesiredState:
    return DesiredState(commit * 40, models, servers)


def story(
    before: DesiredState,
    *after: tuple[float, DesiredState],
    seconds: float = 60.0,
    load: float = 1.0,
    artifacts: dict[str, Artifact] | None = None,
    incidents: tuple[tuple[float, Callable[[Simulation], None]], ...] = (),
) -> Story:
    """Returns the story in which `before` is live and `after` comes at those seconds."""
    simulation = whole(before, INSTANCE)
    for desired in (before, *(one for _, one in after)):
        for manifest in desired.models:
            simulation.set_artifact(manifest.spec.storage_uri, Artifact(load_seconds=load))
    for uri, artifact in (artifacts or {}).items():
        simulation.set_artifact(uri, artifact)
    return Story(
        simulation.dump(),
        tuple(Commit(at, desired) for at, desired in after),
        tuple(applied(at, desired, INSTANCE) for at, desired in after),
        tuple(Incident(at, do) for at, do in incidents),
        seconds,
    )
