"""Servers as they are: their objects, the StatefulSets of the same names, and the replicas that the scheduler reports.

The Server's own status is not read: it stays Ready while its pods restart, and counts what is asked, not what there is
(docs/seldon.md, "Servers").
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from reconciler.clusters.kubernetes.ownership import metadata_of_ours
from reconciler.clusters.kubernetes.reported import Reported, ReportedReplica
from reconciler.clusters.kubernetes.texts import texts
from reconciler.model.codec import server_spec_from_json
from reconciler.model.live import LiveModel, LiveReplica, LiveServer, ServerConfig
from reconciler.model.manifests import INSTANCE_LABEL, ServerSpec, canonical_json

Json = Mapping[str, Any]

CAPABILITIES_VARIABLE = "SELDON_SERVER_CAPABILITIES"
"""Environment variable of the container `agent` of a ServerConfig: what its servers can load, separated by commas
(docs/seldon.md, "ServerConfig")."""

FOLLOWS = 10.0
"""Seconds within which a StatefulSet follows its Server."""

_POD_FIELDS = ("serverConfig", "podSpec", "capabilities", "extraCapabilities")
"""Fields of `Server.spec` that are part of its pods."""

_InFlight = Mapping[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class ServerObjects:
    """Objects by name.

    Attributes:
        new_pods: Servers whose pods are about to restart, though no StatefulSet says so yet.
    """

    servers: Mapping[str, Json]
    stateful_sets: Mapping[str, Json]
    configs: Mapping[str, Json]
    new_pods: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Template:
    """What the pods of a Server are made from, since when, and the StatefulSet's generation then."""

    uid: str
    fields: str
    since: float
    generation: int


class Templates:
    """Sees when what a Server says of its pods changes: the operator changes the StatefulSet only a little later."""

    def __init__(self) -> None:
        self._known: dict[str, _Template] = {}

    def pending(self, servers: Mapping[str, Json], stateful_sets: Mapping[str, Json], now: float) -> frozenset[str]:
        """Returns the Servers whose StatefulSet has not followed yet; after `FOLLOWS` seconds it is not going to."""
        found = {name: self._look(name, server, stateful_sets.get(name), now) for name, server in servers.items()}
        return frozenset(name for name, pending in found.items() if pending)

    def _look(self, name: str, server: Json, stateful_set: Json | None, now: float) -> bool:
        spec, uid = server.get("spec") or {}, str(server["metadata"].get("uid", ""))
        fields = canonical_json({field: spec.get(field) for field in _POD_FIELDS})
        generation = int(((stateful_set or {}).get("metadata") or {}).get("generation") or 0)
        known = self._known.get(name)
        if known is None or known.uid != uid:
            known = self._known[name] = _Template(uid, fields, float("-inf"), generation)
        elif known.fields != fields:
            known = self._known[name] = _Template(uid, fields, now, generation)
        return now - known.since < FOLLOWS and generation == known.generation


def live_servers(
    objects: ServerObjects, reported: Reported, models: Collection[LiveModel], in_flight: _InFlight
) -> Iterator[LiveServer]:
    """Yields every Server there is, and those without an object that the scheduler still has replicas of.

    Args:
        in_flight: bytes of the loads in flight per Server and replica: the scheduler takes them off what it reports as
            free (docs/seldon.md, "Room is not what is free").
    """
    offers = {config.name: config.capabilities for config in server_configs(objects.configs)}
    held = _held(models)
    for name, found in objects.servers.items():
        yield _server(name, found, objects, reported, held.get(name, set()), in_flight, offers)
    for name, server in reported.servers.items():
        if name not in objects.servers and server.replicas:
            replicas = tuple(_replica(name, r, in_flight, ready=False) for r in server.replicas)
            yield LiveServer(name, ServerSpec(""), frozenset(), replicas, deleting=True)


def _server(
    name: str,
    found: Json,
    objects: ServerObjects,
    reported: Reported,
    held: Set[int],
    in_flight: _InFlight,
    offers: Mapping[str, frozenset[str]],
) -> LiveServer:
    metadata, spec = found["metadata"], server_spec_of(found)
    stays = set(range(spec.wanted_replicas)) - _restarting(objects.stateful_sets.get(name), spec)
    if name in objects.new_pods:
        stays = set()
    there = {r.index: r for r in reported.servers[name].replicas} if name in reported.servers else {}
    limit = limit_of(spec, objects.configs.get(spec.server_config))
    replicas = [_replica(name, r, in_flight, ready=r.index in stays) for r in there.values()]
    replicas += [LiveReplica(i, limit, limit, ready=False) for i in range(spec.wanted_replicas) if i not in there]
    draining = held - there.keys() - set(range(spec.wanted_replicas))
    replicas += [LiveReplica(index, limit, 0, ready=False) for index in draining]
    labels, annotations = texts(metadata.get("labels")), texts(metadata.get("annotations"))
    return LiveServer(
        name=name,
        spec=spec,
        capabilities=capabilities_of(spec, offers),
        replicas=tuple(sorted(replicas, key=lambda replica: replica.index)),
        instance=labels.get(INSTANCE_LABEL),
        namespace=metadata.get("namespace"),
        labels=tuple(sorted(labels.items())),
        annotations=tuple(sorted(annotations.items())),
        deleting="deletionTimestamp" in metadata,
        owned=metadata_of_ours(found),
    )


def _replica(server: str, replica: ReportedReplica, in_flight: _InFlight, *, ready: bool) -> LiveReplica:
    room = max(0, replica.free - in_flight.get((server, replica.index), 0))
    return LiveReplica(replica.index, replica.limit, room, ready, replica.total)


def _held(models: Collection[LiveModel]) -> dict[str, set[int]]:
    """Returns, by server, the indices of the replicas on which some version still is."""
    held: dict[str, set[int]] = {}
    for model in models:
        for version in model.versions:
            held.setdefault(version.server, set()).update(version.occupied)
    return held


def _restarting(found: Json | None, spec: ServerSpec) -> set[int]:
    """Returns the indices of the replicas that are still to restart with a new pod template.

    A StatefulSet restarts its pods one after the other, the highest index first. One that has not been looked at since
    it was changed may be about to restart them all.
    """
    if found is None:
        return set()
    metadata, status = found.get("metadata") or {}, found.get("status") or {}
    if not status or status.get("currentRevision") == status.get("updateRevision"):
        return set()
    asked = int((found.get("spec") or {}).get("replicas") or 0)
    updated = int(status.get("updatedReplicas") or 0)
    if int(status.get("observedGeneration") or 0) < int(metadata.get("generation") or 0):
        updated = 0
    return set(range(max(0, max(asked, spec.wanted_replicas) - updated)))


def server_spec_of(found: Json) -> ServerSpec:
    """Returns the spec of a Server's object; what cannot be read in its podSpec counts as unset."""
    spec = found.get("spec")
    fields = spec if isinstance(spec, dict) else {}
    try:
        return server_spec_from_json(fields)
    except (ValueError, AttributeError, TypeError):
        return server_spec_from_json({name: value for name, value in fields.items() if name != "podSpec"})


def capabilities_of(spec: ServerSpec, offers: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Returns what a Server offers. `offers`: what each ServerConfig does."""
    own = offers.get(spec.server_config, frozenset()) if spec.capabilities is None else frozenset(spec.capabilities)
    return own | frozenset(spec.extra_capabilities)


def limit_of(spec: ServerSpec, config: Json | None) -> int:
    """Returns the bytes that may be scheduled on a replica that nobody reports yet."""
    pod = ((config or {}).get("spec") or {}).get("podSpec")
    usual = server_spec_of({"spec": {"serverConfig": spec.server_config, "podSpec": pod}})
    memory = usual.memory if spec.memory is None else spec.memory
    percent = usual.overcommit_percent if spec.overcommit_percent is None else spec.overcommit_percent
    return replace(spec, memory=memory, overcommit_percent=percent).limit


def server_configs(found: Mapping[str, Json]) -> Iterator[ServerConfig]:
    """Yields what new Servers of each ServerConfig would offer."""
    for name, config in found.items():
        yield ServerConfig(name, frozenset(filter(None, _capabilities(config))))


def _capabilities(config: Json) -> list[str]:
    pod = (config.get("spec") or {}).get("podSpec") or {}
    for container in pod.get("containers") or []:
        for variable in container.get("env") or [] if container.get("name") == "agent" else []:
            if variable.get("name") == CAPABILITIES_VARIABLE:
                return [part.strip() for part in str(variable.get("value") or "").split(",")]
    return []
