"""Servers: what becomes of each, and what that leaves for models to be placed on.

Servers are created, grown and given more before the loads that may need it (*early*); they lose replicas, memory or
capabilities, or go, after the models on them have moved or gone (*late*, see `retirement`).
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field

from reconciler.model.codec import SERVER_ANNOTATIONS, server_policy_annotations
from reconciler.model.live import SELDON_TRAITS, LiveServer, LiveState, ServerConfig, Traits
from reconciler.model.manifests import ServerManifest, ServerSpec, Source
from reconciler.model.plan import Action, ActionKind, Decision, Guards, Reason, Verb
from reconciler.model.quantity import format_bytes
from reconciler.planner.ownership import marked, metadata_differs
from reconciler.planner.restarts import restarts
from reconciler.planner.unit import action_id

START_TIME = 300.0
"""Seconds a server may take until all its replicas are ready."""

_NOWHERE = Source("", 0)


@dataclass(frozen=True, slots=True)
class ReplicaOutlook:
    """One server replica as loads of this plan will find it. `limit` and `room` are in bytes."""

    limit: int
    room: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """One server as loads of this plan will find it.

    Attributes:
        replicas: by index, those that are ready, or will be once `early` is done.
        early: id of the action that brings it there; None when it is there already.
        gains: bytes by which that action gives a replica more room, by index.
        steady: whether nothing but us changes its number of replicas; on Seldon an autoscaler takes emptied ones away
            unless `minReplicas` = `replicas` (docs/seldon.md, "Servers"). steadied: whether `early` makes it so.
        least: replicas below which that autoscaler does not go.
    """

    name: str
    capabilities: frozenset[str]
    replicas: dict[int, ReplicaOutlook]
    early: str | None = None
    gains: dict[int, int] = field(default_factory=dict)
    steady: bool = True
    steadied: bool = False
    least: int = 1


@dataclass(frozen=True, slots=True)
class ServerVerdict:
    """What becomes of one server: `early` to do before loads, or `late` for `retirement` to judge."""

    decision: Decision
    early: Action | None = None
    late: Action | None = None


def decide_server(
    name: str,
    desired: ServerManifest | None,
    live: LiveServer | None,
    guards: Guards,
    commit: str,
    configs: tuple[ServerConfig, ...] = (),
    traits: Traits = SELDON_TRAITS,
) -> ServerVerdict:
    """Returns what becomes of the server `name`; prune guards that count are in `guards`, not here.

    Args:
        configs: what the cluster can run; empty when it does not say.
        traits: how the cluster differs from Seldon, where other pods come one after the other.
    """
    if desired is None:
        return _not_in_git(name, live, guards)
    spec = effective_spec(desired.spec, live)
    leaves = _leaves_replicas(desired.spec, live)
    written = marked(dataclasses.replace(desired, spec=spec, leaves_replicas=leaves), guards.instance, commit)
    say = functools.partial(Decision, "Server", name, source=desired.source)
    obstacle = _obstacle(desired, written, live, guards) or _unknown_config(spec, configs)
    if obstacle is not None:
        verb, reason, detail, fixes = obstacle
        return ServerVerdict(say(verb, reason, detail=detail, fixes=fixes))
    if live is None:
        return _early(
            ServerVerdict(say(Verb.CREATE, Reason.NEW, detail=_size(spec))), ActionKind.CREATE_SERVER, written
        )
    adopted = "; adopted, nobody owned it" if live.instance is None else ""
    change = say(Verb.CHANGE, Reason.SERVER_SPEC, detail=_difference(live.spec, spec) + adopted)
    if not traits.commands_traffic and restarts(live.spec, spec) and not _loses(live.spec, spec):
        told = dataclasses.replace(change, detail=f"{change.detail}; its pods restart one after the other")
        return ServerVerdict(told, late=_action(ActionKind.UPDATE_SERVER, written, told))
    return _existing(written, desired, live, ServerVerdict(change))


def _obstacle(
    desired: ServerManifest, written: ServerManifest, live: LiveServer | None, guards: Guards
) -> tuple[Verb, Reason, str, tuple[str, ...]] | None:
    """What keeps the server from being touched at all."""
    if live is not None and live.instance not in (None, guards.instance):
        fix = f"remove the manifest, or take the server out of instance {live.instance}"
        return Verb.REFUSED, Reason.OTHER_INSTANCE, f"the owner is instance {live.instance}", (fix,)
    if desired.policy.suspend:
        return Verb.HOLD, Reason.SUSPENDED, "", ()
    if live is not None and live.deleting:
        return Verb.WAIT, Reason.BEING_DELETED, "it is created when the deletion is over", ()
    if live is not None and live.spec.server_config != written.spec.server_config:
        fix = f"delete Server {live.name} first, or give the new one another name"
        return Verb.BLOCKED, Reason.SERVER_SPEC, "serverConfig cannot be changed on a live server", (fix,)
    return None


def _unknown_config(
    spec: ServerSpec, configs: tuple[ServerConfig, ...]
) -> tuple[Verb, Reason, str, tuple[str, ...]] | None:
    names = [config.name for config in configs]
    if not names or spec.server_config in names:
        return None
    fix = f"write one that it has: {', '.join(names)}"
    return Verb.BLOCKED, Reason.NO_SERVER_CONFIG, f"the cluster has no serverConfig {spec.server_config}", (fix,)


def effective_spec(spec: ServerSpec, live: LiveServer | None) -> ServerSpec:
    """Returns `spec` as it is applied: a fixed size gets `minReplicas` = `replicas`, a range keeps its live replicas.

    Without the first, Seldon's own autoscaler would shrink the server; to write replicas within a range would fight it.
    Where `minReplicas` is `replicas` and there is no more, nothing scales it (docs/seldon.md, "Servers").
    """
    if spec.fixed_size:
        return dataclasses.replace(spec, replicas=spec.wanted_replicas, min_replicas=spec.wanted_replicas)
    if live is not None and _leaves_replicas(spec, live):
        return dataclasses.replace(spec, replicas=_within(spec, live.spec.wanted_replicas))
    return spec


def _leaves_replicas(spec: ServerSpec, live: LiveServer | None) -> bool:
    """Whether the number of replicas is left to whatever scales the server within the manifest's range."""
    if spec.fixed_size:
        return False
    return spec.replicas is None or (live is not None and not _held(spec))


def _held(spec: ServerSpec) -> bool:
    """Whether min and max leave nothing to scale."""
    least, most = spec.min_replicas, spec.max_replicas
    return least is not None and least == (spec.replicas if most is None else most)


def _within(spec: ServerSpec, replicas: int) -> int:
    least = max(replicas, spec.min_replicas or 0)
    return least if spec.max_replicas is None else min(least, spec.max_replicas)


def outlook(live: LiveState, verdicts: tuple[ServerVerdict, ...]) -> tuple[Outlook, ...]:
    """Returns every server that loads of this plan may land on, sorted by name."""
    early = {verdict.early.subject: verdict.early for verdict in verdicts if verdict.early is not None}
    configs = {config.name: config.capabilities for config in live.server_configs}
    result = [_live_outlook(server, early.get(server.name)) for server in live.servers if not server.deleting]
    if not live.traits.commands_traffic:
        result = [_steadied(item, live.server(item.name), early.get(item.name)) for item in result]
        result = [item if item.steady else _about_to_shrink(item, live) for item in result]
    known = {server.name for server in live.servers}
    for name, action in early.items():
        if name not in known and action.server is not None:
            result.append(_future_outlook(name, action, configs))
    return tuple(sorted(result, key=lambda item: item.name))


def _steadied(item: Outlook, server: LiveServer | None, action: Action | None) -> Outlook:
    now = server is not None and _steady(server.spec)
    spec = action.server.spec if action is not None and action.server is not None else server.spec if server else None
    then = spec is not None and _steady(spec)
    least = (spec.min_replicas if spec is not None else None) or 1
    return dataclasses.replace(item, steady=then, steadied=then and not now, least=least)


def _about_to_shrink(item: Outlook, live: LiveState) -> Outlook:
    """Without the replicas that the autoscaler takes away once what is being unloaded now is gone."""
    versions = [version for model in live.models for version in model.versions if version.server == item.name]
    if all(version.staying == version.occupied for version in versions):
        return item
    used = {index for version in versions for index in version.staying}
    left = max(item.least, len(item.replicas) - len(item.replicas.keys() - used))
    return dataclasses.replace(item, replicas={i: replica for i, replica in item.replicas.items() if i < left})


def _steady(spec: ServerSpec) -> bool:
    return spec.min_replicas is not None and spec.min_replicas >= spec.wanted_replicas


def _live_outlook(server: LiveServer, action: Action | None) -> Outlook:
    if action is None or action.server is None:
        ready = {r.index: ReplicaOutlook(r.limit, r.room) for r in server.replicas if r.ready}
        return Outlook(server.name, server.capabilities, ready)
    spec = action.server.spec
    now = {r.index: r for r in server.replicas}
    replicas, gains = {}, {}
    for index in sorted({*range(spec.wanted_replicas), *(i for i, replica in now.items() if replica.ready)}):
        current = now.get(index)
        room = spec.limit if current is None else current.room + spec.limit - current.limit
        replicas[index] = ReplicaOutlook(spec.limit, room)
        gains[index] = room - (current.room if current is not None and current.ready else 0)
    added = frozenset(spec.capabilities or ()) | frozenset(spec.extra_capabilities)
    if not added <= server.capabilities:
        gains = {index: outlook.room for index, outlook in replicas.items()}
    return Outlook(server.name, server.capabilities | added, replicas, action.id, gains)


def _future_outlook(name: str, action: Action, configs: dict[str, frozenset[str]]) -> Outlook:
    assert action.server is not None
    spec = action.server.spec
    own = configs.get(spec.server_config, frozenset()) if spec.capabilities is None else frozenset(spec.capabilities)
    replicas = {index: ReplicaOutlook(spec.limit, spec.limit) for index in range(spec.wanted_replicas)}
    gains = dict.fromkeys(replicas, spec.limit)
    return Outlook(name, own | frozenset(spec.extra_capabilities), replicas, action.id, gains)


def _not_in_git(name: str, live: LiveServer | None, guards: Guards) -> ServerVerdict:
    assert live is not None
    if live.instance != guards.instance:
        detail = f"owned by instance {live.instance}" if live.instance else ""
        return ServerVerdict(Decision("Server", name, Verb.UNMANAGED, Reason.NOT_IN_GIT, 0, detail))
    if live.deleting:
        return ServerVerdict(Decision("Server", name, Verb.WAIT, Reason.BEING_DELETED))
    manifest = ServerManifest(
        name, live.spec, _NOWHERE, namespace=live.namespace, labels=live.labels, annotations=live.annotations
    )
    decision = Decision("Server", name, Verb.DELETE, Reason.REMOVED)
    return ServerVerdict(decision, late=_action(ActionKind.DELETE_SERVER, manifest, decision))


def _existing(
    written: ServerManifest, desired: ServerManifest, live: LiveServer, verdict: ServerVerdict
) -> ServerVerdict:
    policy = server_policy_annotations(desired.policy)
    metadata = metadata_differs(desired, policy, SERVER_ANNOTATIONS, live)
    if live.spec != written.spec:
        if _loses(live.spec, written.spec):
            return dataclasses.replace(verdict, late=_action(ActionKind.SHRINK_SERVER, written, verdict.decision))
        return _early(verdict, ActionKind.UPDATE_SERVER, written)
    if sum(replica.ready for replica in live.replicas) < written.spec.wanted_replicas:
        ready = sum(replica.ready for replica in live.replicas)
        detail = f"{ready} of {written.spec.wanted_replicas} replicas ready"
        waiting = dataclasses.replace(verdict.decision, verb=Verb.CONTINUE, reason=Reason.STARTING, detail=detail)
        return _early(ServerVerdict(waiting), ActionKind.UPDATE_SERVER, written)
    if live.instance is None:
        adopted = dataclasses.replace(verdict.decision, verb=Verb.ADOPT, reason=Reason.NOT_OURS_YET, detail="")
        return _early(ServerVerdict(adopted), ActionKind.UPDATE_SERVER, written)
    if metadata:
        changed = dataclasses.replace(verdict.decision, detail="labels and annotations")
        return _early(ServerVerdict(changed), ActionKind.UPDATE_SERVER, written)
    return ServerVerdict(dataclasses.replace(verdict.decision, verb=Verb.IN_SYNC, reason=Reason.SAME, detail=""))


def _early(verdict: ServerVerdict, kind: ActionKind, written: ServerManifest) -> ServerVerdict:
    return dataclasses.replace(verdict, early=_action(kind, written, verdict.decision))


def _action(kind: ActionKind, manifest: ServerManifest, decision: Decision) -> Action:
    return Action(
        id=action_id(kind, manifest.name),
        kind=kind,
        subject=manifest.name,
        reason=decision.reason,
        detail=decision.detail,
        time_limit=START_TIME,
        server=manifest,
        source=manifest.source if manifest.source.file else None,
    )


def _loses(live: ServerSpec, wanted: ServerSpec) -> bool:
    """Returns whether models on the server could be worse off afterwards."""
    fewer = wanted.wanted_replicas < live.wanted_replicas
    offered = (
        None if wanted.capabilities is None else frozenset(wanted.capabilities) | frozenset(wanted.extra_capabilities)
    )
    had = frozenset(live.capabilities or ()) | frozenset(live.extra_capabilities)
    narrower = offered is not None and (live.capabilities is None or not had <= offered)
    dropped = not frozenset(live.extra_capabilities) <= frozenset(wanted.extra_capabilities) | (offered or frozenset())
    return fewer or wanted.limit < live.limit or narrower or dropped


def _size(spec: ServerSpec) -> str:
    fixed = f", minReplicas {spec.min_replicas}" if spec.min_replicas == spec.replicas else ""
    return f"{spec.wanted_replicas} × {format_bytes(spec.limit)}{fixed}"


def _difference(live: ServerSpec, wanted: ServerSpec) -> str:
    texts = []
    for name in (item.name for item in dataclasses.fields(ServerSpec)):
        before, after = getattr(live, name), getattr(wanted, name)
        if before != after:
            texts.append("podSpec or other fields" if name == "rest" else _step(name, before, after))
    return ", ".join(texts)


def _step(field: str, before: object, after: object) -> str:
    name = "".join(word.capitalize() if number else word for number, word in enumerate(field.split("_")))
    return f"{name} {_text(field, before)} → {_text(field, after)}"


def _text(field: str, value: object) -> str:
    if value is None:
        return "unset"
    if field == "memory" and isinstance(value, int):
        return format_bytes(value)
    return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)
