"""Servers that will take models off the air when they lose something. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.doctor import commands
from reconciler.doctor.examined import Examined, least, steady
from reconciler.doctor.finding import Finding, Fix, Hazard, Severity
from reconciler.doctor.words import several, some
from reconciler.model.live import LiveServer
from reconciler.model.quantity import format_bytes
from reconciler.planner.retirement import stranded
from reconciler.planner.room import Rooms
from reconciler.planner.unit import Need


def autoscaler(examined: Examined) -> Iterator[Finding]:
    """Servers that Seldon's autoscaler will shrink: it is on by default (docs/seldon.md, "Servers").

    One whose `maxReplicas` asks for scaling is told only if models would be stranded.
    """
    for server in examined.live.servers:
        size = server.spec.wanted_replicas
        if server.deleting or steady(server, examined.live):
            continue
        empty = [r.index for r in server.replicas if r.ready and not examined.on.get((server.name, r.index))]
        left = max(least(server), size - len(empty))
        lost = _lost(examined, server, left) if empty else ()
        if server.spec.max_replicas is not None and not lost:
            continue
        yield Finding(
            Hazard.AUTOSCALER,
            Severity.NEXT_CHANGE if lost else Severity.RISK,
            "Server",
            server.name,
            "will be shrunk by Seldon's autoscaler",
            f"it has {several(size, 'replica')} and minReplicas {server.spec.min_replicas or 'unset'}; "
            f"{_emptied(examined, server, empty)}",
            _shrunk(server, left if empty else None, lost),
            (_fixed_size(examined, server, size),),
            models=lost,
            namespace=server.namespace,
        )


def _emptied(examined: Examined, server: LiveServer, empty: list[int]) -> str:
    """Which replicas are empty now, else which become so when one model is updated."""
    if empty:
        return f"{_replicas(server, empty)} {'is' if len(empty) == 1 else 'are'} empty now"
    alone = {
        r.index: next(iter(names))
        for r in server.replicas
        if len(names := {model.name for model, _ in examined.on.get((server.name, r.index), ())}) == 1
    }
    if not alone:
        return "no replica is empty now"
    who = some(sorted(set(alone.values())))
    return f"{_replicas(server, list(alone))} would be, once {who} moved or went: nothing else is there"


def _shrunk(server: LiveServer, left: int | None, lost: tuple[str, ...]) -> str:
    if left is None:
        return "an unload that leaves a replica empty, as most updates do, takes replicas away, the highest first"
    end = f"; {some(lost)} may find no room then: off the air for good" if lost else ""
    return f"the next unload on it, as in any update, may shrink it to {several(left, 'replica')}{end}"


def _fixed_size(examined: Examined, server: LiveServer, size: int) -> Fix:
    text = "give it a fixed size: minReplicas = replicas stops the autoscaler"
    return Fix(text, commands.patch_server(examined.live, server, {"minReplicas": size}))


def last_replica(examined: Examined) -> Iterator[Finding]:
    """Servers that cannot do without their last replica, the one with the highest index, which goes first
    (docs/seldon.md, "Servers")."""
    for server in examined.live.servers:
        last = max((replica.index for replica in server.replicas if replica.ready), default=-1)
        lost = _lost(examined, server, last) if last >= 0 and not server.deleting else ()
        if not lost:
            continue
        only = last == 0
        what = (
            f"it has only one{' left' if server.spec.wanted_replicas > 1 else ''}, with {some(lost)} on it"
            if only
            else f"{some(lost)} may find no room on the others"
        )
        consequence = (
            "whenever its pod restarts or its node is drained: off the air until it is back"
            if only
            else "when it is scaled down, or its pod or node is lost: off the air until it is back"
        )
        yield Finding(
            Hazard.LAST_REPLICA,
            Severity.RISK,
            "Server",
            server.name,
            "cannot do without its last replica",
            what,
            consequence,
            (_one_more(examined, server, "" if only else ", or make room on the others"),),
            models=lost,
            namespace=server.namespace,
        )


def _one_more(examined: Examined, server: LiveServer, other: str = "") -> Fix:
    if sum(replica.ready for replica in server.replicas) < server.spec.wanted_replicas:
        return Fix("bring back the replicas that it lacks")
    size = server.spec.wanted_replicas + 1
    spec = {"replicas": size, "minReplicas": size}
    if server.spec.max_replicas is not None and server.spec.max_replicas < size:
        spec["maxReplicas"] = size
    return Fix(f"grow it to {several(size, 'replica')}{other}", commands.patch_server(examined.live, server, spec))


def going(examined: Examined) -> Iterator[Finding]:
    """Servers that are being deleted while models are on them: a Server has no finalizer (docs/seldon.md,
    "Servers")."""
    for server in examined.live.servers:
        lost = _elsewhere(examined, server, examined.models_on(server.name)) if server.deleting else ()
        if lost:
            yield Finding(
                Hazard.SERVER_GOING,
                Severity.OUTAGE,
                "Server",
                server.name,
                "is being deleted with models on it",
                f"{some(lost)} can go to no other Server",
                "they answer until its pods have drained, then every request for them gets 404",
                (Fix("apply the Server again; when its replicas connect, what waits is tried again"),),
                models=lost,
                namespace=server.namespace,
            )


def not_all_ready(examined: Examined) -> Iterator[Finding]:
    """Servers of which a replica is missing: lost, or not up yet (docs/seldon.md, "Servers")."""
    for server in examined.live.servers:
        ready, size = sum(replica.ready for replica in server.replicas), server.spec.wanted_replicas
        if server.deleting or ready >= size:
            continue
        yield Finding(
            Hazard.SERVER_NOT_WHOLE,
            Severity.RISK,
            "Server",
            server.name,
            "lacks replicas",
            f"{ready} of {several(size, 'replica')} {'is' if ready == 1 else 'are'} ready",
            "what needs more than these is not placed, and an update that is not placed is off the air",
            (
                Fix(
                    "see why the pods do not start; when one connects, what waits is tried again",
                    commands.pods(examined.live, server.namespace),
                ),
            ),
            namespace=server.namespace,
        )


def overcommitted(examined: Examined) -> Iterator[Finding]:
    """Servers that hold more than fits in memory at one time (docs/seldon.md, "Memory and overcommit")."""
    for server in examined.live.servers:
        over: dict[int, int] = {}
        for replica in server.replicas:
            taken = sum(version.memory for _, version in examined.on.get((server.name, replica.index), ()))
            if replica.memory is not None and taken > replica.memory:
                over[replica.index] = taken - replica.memory
        if not over:
            continue
        yield Finding(
            Hazard.OVERCOMMITTED,
            Severity.RISK,
            "Server",
            server.name,
            "holds more than fits in memory",
            f"{_replicas(server, over)} {'is' if len(over) == 1 else 'are'} up to {format_bytes(max(over.values()))} "
            "over: overcommit is in use",
            "models are evicted and reloaded on demand: some requests wait, and about one in 300 was seen to get 404",
            (
                Fix(
                    "grow the Server, move models away, or give its replicas more memory",
                    _one_more(examined, server).command,
                ),
            ),
            models=tuple(sorted({m.name for i in over for m, _ in examined.on[server.name, i]})),
            namespace=server.namespace,
        )


def _lost(examined: Examined, server: LiveServer, size: int) -> tuple[str, ...]:
    """The models that would be off the air if `server` had only its first `size` replicas: there is no place for them,
    on other Servers neither. Those that keep a replica are not: they go on answering (docs/seldon.md, "Servers")."""
    kept = {m.name for i in range(size) for m, v in examined.on.get((server.name, i), ()) if v.answering}
    return _elsewhere(examined, server, examined.answering.intersection(stranded(server, size, examined.live)) - kept)


def _elsewhere(examined: Examined, server: LiveServer, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that surely find no room on any other Server, where they would go as new versions, one after
    the other; sorted."""
    left, specs = Rooms((o for o in examined.outlooks if o.name != server.name), 0), {}
    for model in examined.live.models:
        specs[model.name] = model.spec
    lost = []
    for name in sorted(names):
        spec = specs[name]
        need = Need("", spec.memory or 0, spec.wanted_replicas, spec.needs, spec.server)
        if not left.fits(need):
            lost.append(name)
            continue
        for replica in left.reach(need):
            left.shift(replica, low=-need.amount)
    return tuple(lost)


def _replicas(server: LiveServer, indices: Iterable[int]) -> str:
    found = sorted(indices)
    return f"replica{'' if len(found) == 1 else 's'} {some(f'{server.name}/{index}' for index in found)}"
