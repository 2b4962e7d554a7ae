"""Servers created, grown, shrunk and deleted: pure functions from state to state, used by `actions`.

Shrinking takes the highest indices. A version on a replica that goes is loaded on another one first, then routed away,
drained and unloaded, then the process ends; if what is displaced does not fit, the whole action is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from reconciler.clusters.local import scheduler
from reconciler.clusters.local.records import ReplicaKey, ReplicaRecord, ServerRecord, State, VersionRecord
from reconciler.errors import ActionRefused
from reconciler.model.codec import server_policy_annotations
from reconciler.model.live import GONE, ReplicaState
from reconciler.model.manifests import ServerManifest
from reconciler.model.plan import Action

SERVER_CONFIG = "mlserver"
"""The only serverConfig the local cluster runs."""


def put(state: State, up: Collection[ReplicaKey], action: Action) -> State:
    """Returns the state with the Server as the action's manifest has it; its versions move off replicas that go.

    Raises:
        ActionRefused: another serverConfig, a Server being deleted, or displaced versions that do not fit.
    """
    manifest = action.server
    if manifest is None:
        raise ActionRefused(f"{action.kind} of {action.subject} says nothing to write")
    _check(manifest)
    server = state.servers.get(action.subject, ServerRecord(action.subject, manifest.spec))
    if server.deleting:
        raise ActionRefused(f"server {server.name} is being deleted", fix="wait until it is gone")
    wanted = manifest.spec.wanted_replicas
    records = {r.index: replace(r, retiring=r.index >= wanted) for r in server.replicas}
    for index in range(wanted):
        records.setdefault(index, ReplicaRecord(index))
    server = replace(
        described(server, manifest), spec=manifest.spec, replicas=tuple(records[i] for i in sorted(records))
    )
    return _moved_off(state.with_server(server), up, server)


def delete(state: State, action: Action) -> State:
    """Returns the state with the Server going away.

    Raises:
        ActionRefused: versions are on it.
    """
    server = state.servers.get(action.subject)
    if server is None or server.deleting:
        return state
    holding = sorted(
        m.name for m in state.models.values() if any(v.server == server.name and v.occupied for v in m.versions)
    )
    if holding:
        why = f"these models are on it: {', '.join(holding)}"
        raise ActionRefused(f"server {server.name} cannot be deleted", why=why, fix="move or remove them first")
    return state.with_server(replace(server, deleting=True))


def described(server: ServerRecord, manifest: ServerManifest) -> ServerRecord:
    """Returns the Server with the manifest's labels and annotations."""
    annotations = {**dict(manifest.annotations), **server_policy_annotations(manifest.policy)}
    return replace(server, namespace=manifest.namespace, labels=dict(manifest.labels), annotations=annotations)


def _check(manifest: ServerManifest) -> None:
    if manifest.spec.server_config != SERVER_CONFIG:
        raise ActionRefused(
            f"server {manifest.name} cannot run here",
            why=f"the local cluster has no serverConfig {manifest.spec.server_config!r}",
            fix=f"set spec.serverConfig to {SERVER_CONFIG}, or use Kubernetes",
        )
    if manifest.spec.wanted_replicas < 0:
        raise ActionRefused(f"server {manifest.name} asks for fewer than 0 replicas")


def _moved_off(state: State, up: Collection[ReplicaKey], server: ServerRecord) -> State:
    """Requests loads elsewhere for what is on retiring replicas, the biggest first."""
    retiring = {r.index for r in server.replicas if r.retiring}
    displaced = [
        (model.name, version)
        for model in state.models.values()
        for version in model.versions
        if version.server == server.name and retiring.intersection(version.occupied) and not version.ending
    ]
    for name, version in sorted(displaced, key=lambda pair: (-pair[1].memory, pair[0], pair[1].number)):
        state = _relocated(state, up, name, version, retiring)
    return state


def _relocated(
    state: State, up: Collection[ReplicaKey], name: str, version: VersionRecord, retiring: set[int]
) -> State:
    retried = tuple((i, was) for i, was in version.replicas if was not in GONE)
    version = replace(version, replicas=retried, failed=version.failed and not version.proven)
    staying = [i for i in version.occupied if i not in retiring]
    missing = version.wanted - len(staying)
    if missing <= 0:
        return state.with_model(state.models[name].with_version(version))
    try:
        targets = scheduler.place_more(state, up, version, missing)
    except ActionRefused as refusal:
        what = f"server {version.server} cannot shrink: version {version.number} of model {name} does not fit elsewhere"
        raise ActionRefused(
            what, why=f"{refusal.what}; {refusal.why}", fix="keep the replicas, or lower the model's"
        ) from refusal
    changed = version.with_states(dict.fromkeys(targets, ReplicaState.LOAD_REQUESTED))
    return state.with_model(state.models[name].with_version(changed))
