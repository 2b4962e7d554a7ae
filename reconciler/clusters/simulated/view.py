"""What a simulated cluster shows of itself, in the words of `LiveState`. Pure.

It shows what the real one's scheduler, API server and Envoy show, and no more: room that leaked is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.clusters.simulated.records import ApiObject, Model, Replica, Scheduler, Server, Target, Version, World
from reconciler.clusters.simulated.servers import memory_of, offered
from reconciler.model.carried import LiveExperiment, LivePipeline
from reconciler.model.codec import model_spec_from_json, server_spec_from_json
from reconciler.model.experiments import experiment_spec_from_json
from reconciler.model.live import (
    LOADS_IN_FLIGHT,
    SELDON_TRAITS,
    LiveModel,
    LiveReplica,
    LiveServer,
    LiveState,
    LiveVersion,
    ServerConfig,
    VersionState,
)
from reconciler.model.manifests import INSTANCE_LABEL
from reconciler.model.pipelines import pipeline_spec_from_json
from reconciler.model.records import records

_Texts = tuple[tuple[str, str], ...]

_OVER = (VersionState.TERMINATED, VersionState.SCALED_DOWN)


def live_state(world: World, epoch: float) -> LiveState:
    """Returns `world` as everybody else sees it. `epoch`: Unix time of its beginning, in seconds."""
    objects = world.objects.values()
    return LiveState(
        observed_at=epoch + world.now,
        models=tuple(_model(world, found, epoch) for found in objects if found.kind == "Model"),
        servers=tuple(_servers(world)),
        server_configs=tuple(
            ServerConfig(name, frozenset(offers)) for name, offers in world.rules.capabilities.items()
        ),
        traits=SELDON_TRAITS,
        hold=_hold(world),
        experiments=tuple(
            LiveExperiment(found.name, experiment_spec_from_json(found.spec), *_carried(found))
            for found in objects
            if found.kind == "Experiment"
        ),
        pipelines=tuple(
            LivePipeline(found.name, pipeline_spec_from_json(found.spec), *_carried(found))
            for found in objects
            if found.kind == "Pipeline"
        ),
    )


def _carried(found: ApiObject) -> tuple[str | None, str | None, _Texts, _Texts, bool, bool | None, str]:
    """Returns instance, namespace, labels, annotations, deleting, ready and message, as those records have them."""
    state, _, message = found.status.get("Ready") or ("", "", "")
    ready = None if not state else state == "True"
    instance = found.labels.get(INSTANCE_LABEL)
    return (
        instance,
        found.namespace,
        _sorted(found.labels),
        _sorted(found.annotations),
        found.deleting,
        ready,
        "" if ready else message,
    )


def _hold(world: World) -> str:
    late = world.scheduler is not Scheduler.UP or world.now < world.routes_held_until
    return "Seldon's scheduler has just restarted: routes take up to 10 s to follow" if late else ""


def _model(world: World, found: ApiObject, epoch: float) -> LiveModel:
    known = world.models.get(found.name)
    model = None if known is None or known.deleted else known
    kept = records(found.annotations)
    return LiveModel(
        name=found.name,
        spec=model_spec_from_json(found.spec),
        instance=found.labels.get(INSTANCE_LABEL),
        namespace=found.namespace,
        labels=_sorted(found.labels),
        annotations=_sorted(found.annotations),
        versions=tuple(_version(version) for version in _shown(model)),
        route=() if model is None else _route(world, model),
        deleting=found.deleting,
        failure=kept.failure,
        rollout=kept.rollout,
        deleting_since=None if found.deleting_since is None else epoch + found.deleting_since,
    )


def _shown(model: Model | None) -> list[Version]:
    """Returns the versions that still matter: the latest, and those that are not over."""
    versions = [] if model is None else model.versions
    return [version for version in versions if version is versions[-1] or version.state not in _OVER]


def _version(version: Version) -> LiveVersion:
    return LiveVersion(
        number=version.number,
        digest=model_spec_from_json(version.definition).digest,
        memory=version.memory,
        server=version.server,
        state=version.state,
        replicas=tuple(sorted(version.replicas.items())),
        wanted=version.asked,
        reason=version.reason,
    )


def _route(world: World, model: Model) -> tuple[tuple[int, int], ...]:
    """Returns which of a model's own versions answer on its route, in percent.

    In an experiment others answer there as well; that is not a rollout of this model, and its own share counts as all.
    """
    weights: dict[int, float] = {}
    for target in _own_targets(world, model):
        weights[target.version] = weights.get(target.version, 0.0) + target.weight
    total = sum(weights.values())
    return tuple((number, max(1, round(100 * weight / total))) for number, weight in sorted(weights.items()))


def _own_targets(world: World, model: Model) -> list[Target]:
    targets = world.routes.get(model.name, [])
    own = [target for target in targets if target.model == model.name]
    answering = [target for target in own if target.weight > 0]
    # A default with weight 0 in its experiment answers nobody, and could at any time: it is not off the air.
    return answering or [Target(t.model, t.version, t.uri, t.server, t.replica, 1.0) for t in own]


def _servers(world: World) -> Iterator[LiveServer]:
    for found in world.objects.values():
        if found.kind == "Server":
            yield _server(world, found, world.servers.get(found.name))
    for name, server in world.servers.items():
        if f"Server/{name}" not in world.objects:
            yield _server(world, ApiObject("Server", name, spec=server.spec, deleting=True), server)


def _server(world: World, found: ApiObject, server: Server | None) -> LiveServer:
    connected = {} if server is None else server.replicas
    starting = [] if server is None else [index for index in server.starting if index not in connected]
    memory, limit = memory_of(found.spec, world.rules)
    stays = set(range(found.spec.get("replicas", 1))) - set(server.restarting if server is not None else ())
    replicas = [
        LiveReplica(r.index, r.limit, _room(world, found.name, r), not r.draining and r.index in stays, r.memory)
        for r in connected.values()
    ]
    replicas += [LiveReplica(index, limit, limit, ready=False, memory=memory) for index in starting]
    return LiveServer(
        name=found.name,
        spec=server_spec_from_json(found.spec),
        capabilities=frozenset(offered(found.spec, world.rules)),
        replicas=tuple(sorted(replicas, key=lambda replica: replica.index)),
        instance=found.labels.get(INSTANCE_LABEL),
        namespace=found.namespace,
        labels=_sorted(found.labels),
        annotations=_sorted(found.annotations),
        deleting=found.deleting,
    )


def _room(world: World, server: str, replica: Replica) -> int:
    """Returns the reported free memory less the loads that are seen to be in flight (docs/seldon.md, "Room is not what
    is free"). The scheduler may think less: what leaked is seen by nobody."""
    in_flight = sum(
        version.memory
        for model in world.models.values()
        if not model.deleted
        for version in model.versions
        if version.server == server and version.replicas.get(replica.index) in LOADS_IN_FLIGHT
    )
    return max(0, replica.reported - in_flight)


def _sorted(texts: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(texts.items()))
