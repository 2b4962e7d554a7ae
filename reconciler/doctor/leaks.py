"""Asks the scheduler whether the room that a cluster shows is really there (docs/seldon.md, "Room leaks").

Nothing shows a leak; only a placement that is refused does. So a probe asks for what is shown: on each Server, for
every amount that some replica shows, as many replicas as show so much::

    shown             asked                                      a leak of 200k on replica 1 shows in
    800k 800k 300k    2 × 800k, 3 × 300k                         2 × 800k is refused

A probe takes what it asks for as long as it loads, 0.3 s, so nobody else should write meanwhile: the caller holds the
writer lock. A Server is left out where a probe would lie, or do harm: a load in flight counts twice, and an unload that
leaves a replica empty makes Seldon's autoscaler shrink a Server without a fixed size.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.clusters.base import Cluster
from reconciler.doctor import commands
from reconciler.doctor.examined import Examined, examined, steady
from reconciler.doctor.finding import Finding, Fix, Hazard, Severity
from reconciler.doctor.words import several
from reconciler.errors import ActionRefused
from reconciler.model.live import LiveServer, LiveState
from reconciler.model.manifests import ModelManifest, ModelSpec, Source
from reconciler.model.plan import Reason
from reconciler.model.quantity import format_bytes
from reconciler.planner.actions import probe

_MOST = 8
"""Amounts that are asked for on one Server at most, the largest first."""

_STEPS = 7
"""Probes that narrow down how much of the room is there: to less than a hundredth of what is shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the probes told: leaks, and as sentences what was not asked, and why."""

    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


async def ask(cluster: Cluster, live: LiveState) -> Asked:
    """Returns what leaked on the Servers of `live`. The caller holds the writer lock.

    Raises:
        ClusterError: the cluster did not answer, or refused for another reason than room.
    """
    if not live.traits.leaks:
        return Asked(notes=("no probe was sent: on this cluster room does not leak",))
    if live.hold:
        return Asked(notes=(f"no probe was sent: {live.hold}",))
    findings, notes, looked = [], [], examined(live)
    for server in live.servers:
        if reason := _obstacle(server, looked):
            notes.append(f"Server {server.name} was not asked for its room: {reason}")
        elif (found := await _lost(cluster, server)) is not None:
            refused, there = found
            now = await cluster.observe()
            if now.server(server.name) == server and not _obstacle(server, examined(now)):
                findings.append(_finding(live, server, refused, there))
            else:
                notes.append(f"Server {server.name} changed while it was asked for its room: ask again")
    return Asked(tuple(findings), tuple(notes))


def _obstacle(server: LiveServer, looked: Examined) -> str:
    """Why a probe on `server` would lie or do harm, empty if it would not."""
    on = {index: placed for (name, index), placed in looked.on.items() if name == server.name}
    if server.deleting:
        return "it is being deleted"
    if any(version.loading for placed in on.values() for _, version in placed):
        return "a load is in flight on it, which counts twice"
    if not steady(server, looked.live) and any(not on.get(replica.index) for replica in server.replicas):
        return "the autoscaler could shrink it, because a replica is empty; give it minReplicas = replicas first"
    return ""


async def _lost(cluster: Cluster, server: LiveServer) -> tuple[tuple[int, int], int] | None:
    """Returns (bytes, replicas) that were refused though shown, and the bytes that were given; None if all is there."""
    shown = [replica.room for replica in server.replicas if replica.ready]
    for amount in sorted({room for room in shown if room > 0}, reverse=True)[:_MOST]:
        count = sum(room >= amount for room in shown)
        if not await _given(cluster, server, amount, count):
            there, refused = 0, amount
            for _ in range(_STEPS):
                middle = (there + refused) // 2
                given = middle == 0 or await _given(cluster, server, middle, count)
                there, refused = (middle, refused) if given else (there, middle)
            return (amount, count), there
    return None


async def _given(cluster: Cluster, server: LiveServer, amount: int, replicas: int) -> bool:
    spec = ModelSpec("probe", memory=amount, replicas=replicas, server=server.name)
    manifest = ModelManifest(server.name, spec, Source("", 0), namespace=server.namespace)
    try:
        await cluster.perform(probe(manifest, Reason.LEAK, amount))
    except ActionRefused:
        return False
    return True


def _finding(live: LiveState, server: LiveServer, refused: tuple[int, int], there: int) -> Finding:
    amount, count = refused
    short = amount - there
    return Finding(
        Hazard.LEAK,
        Severity.NEXT_CHANGE,
        "Server",
        server.name,
        "has less room than it shows",
        f"{several(count, 'replica')} show{'s' if count == 1 else ''} room for {format_bytes(amount)}, and a probe for "
        f"that was refused; {_about(there)} were given: about {_about(short)} leaked",
        "an update that should fit is refused: off the air at once, for good",
        (
            Fix(
                "restart the scheduler: no request is interrupted, and what waits is tried again",
                commands.restart_scheduler(live, server.namespace),
            ),
        ),
        namespace=server.namespace,
    )


def _about(count: int) -> str:
    """Bytes in two digits that count: more was not asked for."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return format_bytes((count + unit // 2) // unit * unit)
