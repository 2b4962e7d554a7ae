"""What happened, as pure functions from state to state; each ends in `settle`, which draws the consequences.

One version on one replica goes LoadRequested → Loading → Available → (Draining →) UnloadRequested → Unloading →
Unloaded. The engine starts whatever is LoadRequested, UnloadRequested or Draining and reports back here. A process that
dies turns Available into LoadedUnavailable, and that into LoadRequested when its successor answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from reconciler.clusters.local.records import LoadKey, ModelRecord, Process, ReplicaKey, State, VersionRecord
from reconciler.model.live import ReplicaState

_S = ReplicaState
_Change = Callable[[LoadKey, VersionRecord, ReplicaState], VersionRecord]


def moved(state: State, key: LoadKey, to: ReplicaState) -> State:
    """Returns the state after one version reached `to` on one replica; nothing when it is gone."""
    version = state.version(key)
    if version is None or version.on(key.replica.index) is None:
        return state
    return settle(_put(state, key, version.with_states({key.replica.index: to})))


def load_failed(state: State, key: LoadKey, reason: str) -> State:
    """Returns the state after a load failed: a version never whole before is given up on every replica."""
    version = state.version(key)
    if version is None or version.on(key.replica.index) is None:
        return state
    failed = version.with_states({key.replica.index: _S.LOAD_FAILED})
    return settle(_put(state, key, replace(failed, failed=True, reason=reason)))


def replica_down(state: State, replica: ReplicaKey) -> State:
    """Returns the state after the process of a replica died: what it held is gone from its memory."""
    became = {
        _S.AVAILABLE: _S.LOADED_UNAVAILABLE,
        _S.LOADING: _S.LOAD_REQUESTED,
        _S.DRAINING: _S.UNLOADED,
        _S.UNLOAD_REQUESTED: _S.UNLOADED,
        _S.UNLOADING: _S.UNLOADED,
    }

    def change(_: LoadKey, version: VersionRecord, was: ReplicaState) -> VersionRecord:
        reason = f"the process of server replica {replica} ended" if was is _S.AVAILABLE else version.reason
        return replace(version.with_states({replica.index: became.get(was, was)}), reason=reason)

    return settle(_each_on(state, replica, change))


def replica_up(state: State, replica: ReplicaKey) -> State:
    """Returns the state after a new process of a replica answers: what its predecessor held is to be loaded again."""

    def change(_: LoadKey, version: VersionRecord, was: ReplicaState) -> VersionRecord:
        became = _S.LOAD_REQUESTED if was is _S.LOADED_UNAVAILABLE else was
        return version.with_states({replica.index: became})

    return settle(_each_on(state, replica, change))


def resumed(state: State) -> State:
    """Returns the state as a new gateway takes it over: what was being done is to be done again."""
    again = {_S.LOADING: _S.LOAD_REQUESTED, _S.UNLOADING: _S.UNLOAD_REQUESTED}
    for key, was in list(state.loads()):
        version = state.version(key)
        if version is not None and was in again:
            state = _put(state, key, version.with_states({key.replica.index: again[was]}))
    return settle(state)


def process_started(state: State, replica: ReplicaKey, process: Process | None) -> State:
    """Returns the state after a process was started for a replica, or was found to be gone (None)."""
    server = state.servers.get(replica.server)
    record = server.replica(replica.index) if server else None
    if server is None or record is None:
        return state
    return state.with_server(server.with_replica(replace(record, process=process)))


def replica_stopped(state: State, replica: ReplicaKey) -> State:
    """Returns the state after the process of a retiring replica ended: it goes, a deleted server with its last one."""
    state = process_started(state, replica, None)
    server = state.servers.get(replica.server)
    record = server.replica(replica.index) if server else None
    if server is None or record is None or not (record.retiring or server.deleting):
        return state
    left = tuple(r for r in server.replicas if r.index != replica.index)
    return settle(state.with_server(replace(server, replicas=left)))


def settle(state: State) -> State:
    """Returns the state with all consequences drawn: what is proven, to be unloaded, or gone for good."""
    models = {
        name: model for name, model in ((m.name, _settle_model(state, m)) for m in state.models.values()) if model
    }
    servers = {s.name: s for s in state.servers.values() if s.replicas or not s.deleting}
    return replace(state, models=models, servers=servers)


def _settle_model(state: State, model: ModelRecord) -> ModelRecord | None:
    versions = [_settle_version(state, version) for version in model.versions]
    if model.deleting and not any(version.occupied for version in versions):
        return None
    live = model.live.number
    kept = [v for v in versions if v.occupied or v.number == live or model.routed(v.number)]
    return replace(model, versions=tuple(kept))


def _settle_version(state: State, version: VersionRecord) -> VersionRecord:
    if not version.failed and version.replicas and all(s is _S.AVAILABLE for _, s in version.replicas):
        version = replace(version, proven=True, reason="")
    if version.ending or (version.failed and not version.proven):
        states = {index: _ended(was) for index, was in version.replicas}
        return version.with_states(states)
    return _without_unloaded(_off_retiring(state, version))


def _ended(was: ReplicaState) -> ReplicaState:
    """What a state becomes in a version that is given up; a load in flight is waited for."""
    if was in (_S.AVAILABLE, _S.LOADED):
        return _S.UNLOAD_REQUESTED
    return _S.UNLOADED if was in (_S.LOAD_REQUESTED, _S.LOADED_UNAVAILABLE) else was


def _off_retiring(state: State, version: VersionRecord) -> VersionRecord:
    """A version leaves retiring replicas as soon as as many others are available as it holds beside them."""
    server = state.servers.get(version.server)
    retiring = {r.index for r in server.replicas if r.retiring} if server else set()
    here = [index for index, was in version.replicas if index in retiring and was is _S.AVAILABLE]
    elsewhere = [was for index, was in version.replicas if index not in retiring]
    if here and elsewhere and len(elsewhere) >= version.wanted and all(was is _S.AVAILABLE for was in elsewhere):
        return version.with_states(dict.fromkeys(here, _S.DRAINING))
    return version


def _without_unloaded(version: VersionRecord) -> VersionRecord:
    left = tuple((index, was) for index, was in version.replicas if was is not _S.UNLOADED)
    return replace(version, replicas=left) if left else version


def _put(state: State, key: LoadKey, version: VersionRecord) -> State:
    return state.with_model(state.models[key.model].with_version(version))


def _each_on(state: State, replica: ReplicaKey, change: _Change) -> State:
    for key, was in list(state.loads()):
        version = state.version(key)
        if version is not None and key.replica == replica:
            state = _put(state, key, change(key, version, was))
    return state


def wanted_folders(state: State) -> frozenset[str]:
    """Returns the names of the version folders that are still needed."""
    return frozenset(key.loaded_as for key, was in state.loads() if was not in (_S.UNLOADED, _S.LOAD_FAILED))


def idle_retiring(state: State) -> Iterable[ReplicaKey]:
    """Yields the replicas that are to end and hold no version any more."""
    busy: Collection[ReplicaKey] = {
        key.replica for key, was in state.loads() if was not in (_S.UNLOADED, _S.LOAD_FAILED)
    }
    for key, record in state.replicas():
        if (record.retiring or state.servers[key.server].deleting) and key not in busy:
            yield key
