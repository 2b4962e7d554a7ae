"""What somebody asks for, as pure functions from state to state (`perform`): refused or done, idempotent.

What an action starts is only written down here (`LoadRequested`, `Draining`, …); the engine does it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from reconciler.clusters.local import scheduler, servers
from reconciler.clusters.local.facts import settle
from reconciler.clusters.local.records import ModelRecord, ReplicaKey, State, VersionRecord
from reconciler.errors import ActionRefused
from reconciler.model.codec import model_policy_annotations
from reconciler.model.live import LOADS_IN_FLIGHT, ReplicaState
from reconciler.model.manifests import ModelManifest, ModelPolicy, Strategy
from reconciler.model.plan import Action, ActionKind
from reconciler.model.records import FAILED_ANNOTATION

_S = ReplicaState
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class World:
    """What an action sees beside the state: the replicas that answer, and what is installed."""

    up: Collection[ReplicaKey]
    installed: scheduler.Installed


def perform(state: State, world: World, action: Action) -> State:
    """Returns the state after `action` was taken in; the same state when there is nothing to do.

    Raises:
        ActionRefused: it cannot be done, and nothing changed.
    """
    if _NAME.fullmatch(action.subject) is None:
        raise ActionRefused(f"{action.subject!r} is not a name", why="names become folders and paths")
    return settle(_HANDLERS[action.kind](state, world, action))


def load(state: State, world: World, action: Action) -> State:
    """A new version, placed and requested; nothing new if the live version is the same and did not fail."""
    manifest, model = _manifest(action), state.models.get(action.subject)
    digest = action.digest or manifest.spec.digest
    if model is not None:
        if model.deleting:
            raise ActionRefused(
                f"model {model.name} is being deleted", why="it would go with the old object", fix="wait"
            )
        if _carries(model.live, digest):
            return state.with_model(_described(model, manifest))
        if model.live.digest == digest and model.live.loading and not model.live.ending:
            return state  # it has failed in part already: its end is waited for, then it may be tried again
        if model.live.loading:
            why = f"version {model.live.number} is still loading, and a load in flight is never superseded"
            raise ActionRefused(f"model {model.name} cannot be loaded now", why=why, fix="wait for its end")
    if manifest.spec.explainer or manifest.spec.llm:
        raise ActionRefused(
            "the local cluster serves neither explainers nor LLM components", why="spec.explainer or spec.llm is set"
        )
    memory = _memory(action)
    server, indices = scheduler.place(state, world.up, world.installed, manifest.spec, memory)
    number = state.numbers.get(action.subject, 0) + 1
    version = VersionRecord(
        number=number,
        spec=manifest.spec,
        digest=digest,
        memory=memory,
        server=server,
        replicas=tuple((index, _S.LOAD_REQUESTED) for index in indices),
        wanted=manifest.spec.wanted_replicas,
    )
    changed = _described(model or ModelRecord(action.subject), manifest).with_version(version)
    return replace(state.with_model(changed), numbers={**state.numbers, action.subject: number})


def shift(state: State, world: World, action: Action) -> State:
    """The whole route to one version, which must be available on every replica."""
    model, version = _model(state, action), _version(state, action)
    if model.route == ((version.number, 100),):
        return state
    ready = bool(version.replicas) and all(was is _S.AVAILABLE for _, was in version.replicas)
    if model.deleting or version.hidden or version.failed or version.ending or not ready:
        counts = f"{version.available} of {version.wanted} replicas are available"
        raise ActionRefused(f"version {version.number} of {model.name} cannot take the route", why=counts, fix="wait")
    return state.with_model(replace(model, route=((version.number, 100),)))


def drain(state: State, world: World, action: Action) -> State:
    """Takes a version out of the route if the strategy is `recreate`, which allows the gap; else there is only to wait.

    Requests on their way are answered; whoever drains watches their number fall.
    """
    model = state.models.get(action.subject)
    version = _find(model, action) if model else None
    if model is None or version is None or _policy(model, action).strategy is not Strategy.RECREATE:
        return state
    return state.with_model(_unrouted(model, version.number))


def unload(state: State, world: World, action: Action) -> State:
    """One version gone from every replica; refused while it is routed, unless the strategy is `recreate`.

    What was routed until now is drained first: a request may have come since somebody looked.
    """
    model = state.models.get(action.subject)
    version = _find(model, action) if model else None
    if model is None or version is None or not version.occupied or version.ending:
        return state
    if model.routed(version.number):
        policy = _policy(model, action)
        if policy.strategy is not Strategy.RECREATE:
            why = f"version {version.number} still has the route, and the strategy is {policy.strategy}"
            raise ActionRefused(
                f"model {model.name} would go off the air", why=why, fix="shift to another version first"
            )
        model = _unrouted(model, version.number)
        version = version.with_states({i: _S.DRAINING for i, was in version.replicas if was is _S.AVAILABLE})
    return state.with_model(model.with_version(replace(version, ending=True)))


def change(state: State, world: World, action: Action) -> State:
    """Replicas, labels, annotations and policy in place; or back to an older version that is still loaded."""
    manifest, model = _manifest(action), _model(state, action)
    if model.deleting:
        raise ActionRefused(f"model {model.name} is being deleted", fix="wait until it is gone")
    digest = action.digest or manifest.spec.digest
    if model.live.digest != digest:
        model = _revived(model, digest)
    version = replace(model.live, spec=manifest.spec, wanted=manifest.spec.wanted_replicas)
    model = _described(model, manifest).with_version(version)
    state = state.with_model(model)
    if version.ending or not version.occupied:
        return state
    return state.with_model(model.with_version(_resized(state, world, version)))


def retrigger(state: State, world: World, action: Action) -> State:
    """The live version tried once more: the replicas that it lacks, or all of it anew where no load of it succeeded."""
    manifest, model = _manifest(action), _model(state, action)
    digest = action.digest or manifest.spec.digest
    return change(state, world, action) if _carries(model.live, digest) else load(state, world, action)


def adopt(state: State, world: World, action: Action) -> State:
    """Labels and annotations only, of a model or a server."""
    if action.server is not None:
        server = state.servers.get(action.subject)
        if server is None:
            raise ActionRefused(f"there is no Server {action.subject}")
        return state.with_server(servers.described(server, action.server))
    return state.with_model(_described(_model(state, action), _manifest(action)))


def decommission(state: State, world: World, action: Action) -> State:
    """The route gone at once, then every version drained and unloaded, then the object gone."""
    model = state.models.get(action.subject)
    if model is None or model.deleting:
        return state
    began = {_S.AVAILABLE: _S.DRAINING, _S.LOAD_REQUESTED: _S.UNLOADED, _S.LOADED_UNAVAILABLE: _S.UNLOADED}
    versions = [
        replace(version.with_states({i: began.get(was, was) for i, was in version.replicas}), ending=True)
        for version in model.versions
    ]
    return state.with_model(replace(model, versions=tuple(versions), route=(), deleting=True))


def withdraw(state: State, world: World, action: Action) -> State:
    """What takes an object off to write it anew; here versions are unloaded one by one, so nothing asks for it."""
    return decommission(state, world, action)


def probe(state: State, world: World, action: Action) -> State:
    """Asks whether a load would find room now, and loads nothing. Raises ActionRefused when it would not."""
    scheduler.place(state, world.up, world.installed, _manifest(action).spec, _memory(action))
    return state


def annotated(state: State, name: str, annotation: str, value: str | None) -> State:
    """Returns the state with an annotation set on a model, or removed (None); nothing when the model is gone."""
    model = state.models.get(name)
    if model is None:
        return state
    rest = {key: text for key, text in model.annotations.items() if key != annotation}
    return state.with_model(replace(model, annotations=rest if value is None else {**rest, annotation: value}))


def _resized(state: State, world: World, version: VersionRecord) -> VersionRecord:
    """Returns `version` on its way to `wanted` replicas: failed ones again, draining ones kept, then new ones."""
    tried = tuple((i, was) for i, was in version.replicas if was is not _S.LOAD_FAILED)
    if version.proven:
        version = replace(version, replicas=tried, failed=False, reason="")
    elif version.failed:
        return version
    leaving = (_S.DRAINING, _S.UNLOAD_REQUESTED, _S.UNLOADING)
    usable = scheduler.usable(state, world.up, state.servers[version.server])
    staying = [i for i, was in version.replicas if i in version.occupied and was not in leaving]
    staying = [i for i in staying if _stays(state, version.server, i)]
    missing = version.wanted - len(staying)
    if missing > 0:
        back = [i for i, was in version.replicas if was is _S.DRAINING and i in usable][:missing]
        version = version.with_states(dict.fromkeys(back, _S.AVAILABLE))
        return _grown(state, world, version, missing - len(back))
    if missing < 0:
        kept = replace(version, replicas=tuple((i, was) for i, was in version.replicas if i in staying))
        given_up = scheduler.surplus(state, kept, version.wanted)
        return version.with_states({i: _given_up(version.on(i)) for i in given_up})
    return version


def _stays(state: State, server: str, index: int) -> bool:
    record = state.replica(ReplicaKey(server, index))
    return record is not None and not record.retiring


def _grown(state: State, world: World, version: VersionRecord, count: int) -> VersionRecord:
    if count <= 0:
        return version
    try:
        more = scheduler.place_more(state, world.up, version, count)
    except ActionRefused:
        if not version.spec.min_replicas:
            raise
        return version
    return version.with_states(dict.fromkeys(more, _S.LOAD_REQUESTED))


def _given_up(was: ReplicaState | None) -> ReplicaState:
    if was in LOADS_IN_FLIGHT:
        raise ActionRefused("a replica is still loading", why="a load in flight is waited for", fix="wait for its end")
    return _S.DRAINING if was is _S.AVAILABLE else _S.UNLOADED


def _revived(model: ModelRecord, digest: str) -> ModelRecord:
    """Returns the model with the older version of that digest live again and newer ones given up."""
    older = next((v for v in reversed(model.versions) if v.digest == digest and v.available and not v.ending), None)
    if older is None:
        why = f"no version {digest} is loaded"
        raise ActionRefused(f"model {model.name} cannot be changed in place", why=why, fix="load it")
    for version in model.versions:
        if version.number <= older.number:
            continue
        if version.loading or model.routed(version.number):
            why = f"version {version.number} is {'loading' if version.loading else 'in the route'}"
            raise ActionRefused(f"model {model.name} cannot go back to version {older.number} now", why=why, fix="wait")
        model = model.with_version(replace(version, ending=True, hidden=True))
    return model


def _described(model: ModelRecord, manifest: ModelManifest) -> ModelRecord:
    """Returns the model with the manifest's labels and annotations.

    The record of a failure is nobody's to write but `record_failure`'s; that of a stepped rollout is the manifest's.
    """
    kept = {k: v for k, v in model.annotations.items() if k == FAILED_ANNOTATION}
    written = {k: v for k, v in manifest.annotations if k != FAILED_ANNOTATION}
    annotations = {**written, **kept, **model_policy_annotations(manifest.policy)}
    return replace(model, namespace=manifest.namespace, labels=dict(manifest.labels), annotations=annotations)


def _policy(model: ModelRecord, action: Action) -> ModelPolicy:
    return action.model.policy if action.model else model.policy


def _unrouted(model: ModelRecord, number: int) -> ModelRecord:
    return replace(model, route=tuple(pair for pair in model.route if pair[0] != number))


def _carries(version: VersionRecord, digest: str) -> bool:
    return version.digest == digest and bool(version.occupied) and not version.ending and not _hopeless(version)


def _hopeless(version: VersionRecord) -> bool:
    return version.failed and not version.available


def _memory(action: Action) -> int:
    spec = _manifest(action).spec
    if spec.memory is not None:
        return spec.memory
    return max((use.amount for use in action.takes), default=0)


def _manifest(action: Action) -> ModelManifest:
    if action.model is None:
        raise ActionRefused(f"{action.kind} of {action.subject} says nothing to write")
    return action.model


def _model(state: State, action: Action) -> ModelRecord:
    model = state.models.get(action.subject)
    if model is None:
        raise ActionRefused(f"there is no model {action.subject}", fix="load it first")
    return model


def _find(model: ModelRecord, action: Action) -> VersionRecord | None:
    if action.number is not None:
        return model.version(action.number)
    return next((v for v in reversed(model.versions) if v.digest == action.digest and not v.hidden), None)


def _version(state: State, action: Action) -> VersionRecord:
    version = _find(_model(state, action), action)
    if version is None:
        what = f"model {action.subject} has no version {action.number or action.digest}"
        raise ActionRefused(what, fix="load it first")
    return version


def _nothing(state: State, world: World, action: Action) -> State:
    return state


def _no_such_kind(state: State, world: World, action: Action) -> State:
    why = "the local cluster has neither experiments nor pipelines"
    raise ActionRefused(f"{action.subject} cannot be written", why=why, fix="plan again")


def _put_server(state: State, world: World, action: Action) -> State:
    return servers.put(state, world.up, action)


def _delete_server(state: State, world: World, action: Action) -> State:
    return servers.delete(state, action)


_HANDLERS: Mapping[ActionKind, Callable[[State, World, Action], State]] = {
    ActionKind.CREATE_SERVER: _put_server,
    ActionKind.UPDATE_SERVER: _put_server,
    ActionKind.SHRINK_SERVER: _put_server,
    ActionKind.DELETE_SERVER: _delete_server,
    ActionKind.WAIT_DELETED: _nothing,
    ActionKind.ADOPT: adopt,
    ActionKind.CHANGE: change,
    ActionKind.PROBE: probe,
    ActionKind.RETRIGGER: retrigger,
    ActionKind.LOAD: load,
    ActionKind.SHIFT: shift,
    ActionKind.DRAIN: drain,
    ActionKind.UNLOAD: unload,
    ActionKind.APPLY: _no_such_kind,
    ActionKind.REMOVE: _no_such_kind,
    ActionKind.WITHDRAW: withdraw,
    ActionKind.DECOMMISSION: decommission,
}
