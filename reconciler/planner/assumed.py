"""The live state that is assumed where no cluster is asked: what the manifests of one commit say, all of it whole.

Where the models are is worked out by the scheduler's rule (`assumed_places`); `doubts` names what could be otherwise.
"""

from __future__ import annotations

import dataclasses

from reconciler.model.carried import LiveExperiment, LivePipeline
from reconciler.model.codec import carried_policy_annotations, model_policy_annotations, server_policy_annotations
from reconciler.model.live import (
    SELDON_TRAITS,
    LiveModel,
    LiveReplica,
    LiveServer,
    LiveState,
    LiveVersion,
    ReplicaState,
    ServerConfig,
    Traits,
    VersionState,
)
from reconciler.model.manifests import CarriedManifest, DesiredState, ModelManifest
from reconciler.model.plan import Guards
from reconciler.planner.assumed_places import Ground, Places, candidates, grounds, memory, places, some
from reconciler.planner.ownership import Pairs, marked
from reconciler.planner.servers import effective_spec

_DEFAULT_CAPABILITIES = {
    "mlserver": "mlserver alibi-detect alibi-explain huggingface lightgbm mlflow python sklearn spark-mlib xgboost",
    "triton": "triton dali fil onnx openvino python pytorch tensorflow tensorrt",
}
"""What the two kinds of server of Seldon's default install offer (docs/seldon.md, "Server")."""


def assumed_configs(*states: DesiredState) -> tuple[ServerConfig, ...]:
    """Returns every `serverConfig` that `states` name, with what it offers in Seldon's default install.

    Of one that is not in the default install nothing is known: what it offers is what its Server's manifest says.
    """
    names = sorted({server.spec.server_config for state in states for server in state.servers})
    return tuple(ServerConfig(name, frozenset(_DEFAULT_CAPABILITIES.get(name, "").split())) for name in names)


def whole(
    desired: DesiredState,
    guards: Guards,
    *,
    configs: tuple[ServerConfig, ...] = (),
    traits: Traits = SELDON_TRAITS,
    observed_at: float = 0.0,
) -> LiveState:
    """Returns the live state in which `desired` was applied by us and every model of it is whole.

    Args:
        desired: what is taken to be live. guards: give the owner, and the memory of models that say none.
        configs: what the cluster's kinds of server offer, as from `assumed_configs`.
        traits: the kind of cluster. observed_at: Unix time in seconds.

    Raises:
        UsageError: some model finds no place on the servers of `desired`; says which and why.
    """
    servers = grounds(desired, configs)
    placed = places(desired, servers, guards)
    experiments, pipelines = (desired.experiments, desired.pipelines) if traits.carries else ((), ())
    return LiveState(
        observed_at,
        tuple(_model(model, *placed[model.name], desired.commit, guards) for model in desired.models),
        tuple(_server(s, _taken(s, desired, placed, guards), desired.commit, guards) for s in servers),
        configs,
        traits,
        experiments=tuple(LiveExperiment(e.name, e.spec, *_carried(e, desired.commit, guards)) for e in experiments),
        pipelines=tuple(LivePipeline(p.name, p.spec, *_carried(p, desired.commit, guards)) for p in pipelines),
    )


def _carried(
    manifest: CarriedManifest, commit: str, guards: Guards
) -> tuple[str, str | None, Pairs, Pairs, bool, bool]:
    """Returns instance, namespace, labels, annotations, deleting and ready, as the live records have them."""
    written = marked(manifest, guards.instance, commit)
    annotations = dict(written.annotations) | carried_policy_annotations(manifest.policy)
    pairs = tuple(sorted(annotations.items()))
    return guards.instance, manifest.namespace, written.labels, pairs, False, True


def doubts(desired: DesiredState, guards: Guards, configs: tuple[ServerConfig, ...]) -> tuple[str, ...]:
    """Returns what could be otherwise on a real cluster than `whole` assumes, as sentences for people."""
    kinds = {config.name for config in configs if config.capabilities}
    servers = grounds(desired, configs)
    several = [model.name for model in desired.models if len(candidates(model, servers, guards)) > 1]
    unknown = [model.name for model in desired.models if memory(model, guards) is None]
    strange = sorted({s.spec.server_config for s in desired.servers if s.spec.capabilities is None} - kinds)
    said = []
    if several:
        said.append(f"several servers could have {some(several)}: one was assumed; pin `server` to be sure")
    if unknown:
        said.append(f"no memory is set for {some(unknown)}: reckoned as none, as Seldon's scheduler does")
    if strange:
        said.append(
            f"what serverConfig {some(strange)} offers is not known without a cluster: "
            "only the capabilities in the Server's manifest count"
        )
    return tuple(said)


def _taken(ground: Ground, desired: DesiredState, placed: Places, guards: Guards) -> list[int]:
    """Returns the bytes that are taken on each replica of a server."""
    taken = [0] * ground.size
    for model in desired.models:
        name, indices = placed[model.name]
        for index in indices if name == ground.name else ():
            taken[index] += memory(model, guards) or 0
    return taken


def _model(manifest: ModelManifest, server: str, indices: tuple[int, ...], commit: str, guards: Guards) -> LiveModel:
    spec = dataclasses.replace(manifest.spec, replicas=manifest.spec.wanted_replicas)
    written = marked(manifest, guards.instance, commit)
    version = LiveVersion(
        number=1,
        digest=spec.digest,
        memory=memory(manifest, guards) or 0,
        server=server,
        state=VersionState.AVAILABLE,
        replicas=tuple((index, ReplicaState.AVAILABLE) for index in indices),
        wanted=spec.wanted_replicas,
    )
    return LiveModel(
        name=manifest.name,
        spec=spec,
        instance=guards.instance,
        namespace=manifest.namespace,
        labels=written.labels,
        annotations=_with(written.annotations, model_policy_annotations(manifest.policy)),
        versions=(version,),
        route=((1, 100),),
    )


def _server(ground: Ground, taken: list[int], commit: str, guards: Guards) -> LiveServer:
    spec = effective_spec(ground.manifest.spec, None)
    written = marked(ground.manifest, guards.instance, commit)
    return LiveServer(
        name=ground.name,
        spec=spec,
        capabilities=ground.offered,
        replicas=tuple(LiveReplica(index, spec.limit, spec.limit - used) for index, used in enumerate(taken)),
        instance=guards.instance,
        namespace=ground.manifest.namespace,
        labels=written.labels,
        annotations=_with(written.annotations, server_policy_annotations(ground.manifest.policy)),
    )


def _with(annotations: Pairs, more: dict[str, str]) -> Pairs:
    return tuple(sorted((dict(annotations) | more).items()))
