"""Who answers: the routes that the scheduler wants, and those that Envoy has.

docs/seldon.md, "The rule behind every outage" and "Experiments".
"""

from __future__ import annotations

from reconciler.clusters.simulated.records import Json, Model, Target, Version, World, key
from reconciler.clusters.simulated.versions import last_available
from reconciler.model.live import ReplicaState

Routes = dict[str, list[Target]]


def update(world: World) -> None:
    """Envoy takes the wanted routes, all or none: one whose weights are all 0 makes it keep every old one.

    After a restart of the scheduler it keeps the old ones until it has connected again.
    """
    if world.now < world.routes_held_until:
        return
    new = wanted(world)
    if all(sum(target.weight for target in targets) > 0 for targets in new.values()):
        world.routes = new


def wanted(world: World) -> Routes:
    """Returns the routes there should be: those of models, and of experiments. One without targets is left out."""
    by_default = {spec["default"]: spec for spec in world.experiments.values() if spec.get("default")}
    found: Routes = {}
    for name, model in world.models.items():
        weighted = _of_experiment(world, by_default[name]) if name in by_default else None
        found[name] = _of_model(model, 1.0) if weighted is None else weighted
    for name, spec in world.experiments.items():
        found[f"{name}.experiment"] = _of_experiment(world, spec) or []
    return {route: targets for route, targets in found.items() if targets}


def _of_experiment(world: World, spec: Json) -> list[Target] | None:
    """Returns the targets of an experiment, None when one of its candidates (or its mirror) cannot serve."""
    if not can_serve(world, spec):
        return None
    weighted = [(world.models[c["name"]], float(c.get("weight") or 0)) for c in spec["candidates"]]
    return [target for model, weight in weighted for target in _of_model(model, weight)]


def can_serve(world: World, spec: Json) -> bool:
    """Returns whether every model of an experiment is there and its latest version placed."""
    return all(present(world, name) and placed(world, name) for name in members(spec))


def members(spec: Json) -> list[str]:
    """Returns the models of an experiment: its candidates, and its mirror if it has one."""
    mirror = [spec["mirror"]["name"]] if spec.get("mirror") else []
    return [candidate["name"] for candidate in spec["candidates"]] + mirror


def present(world: World, name: str) -> bool:
    """Returns whether the scheduler knows a model, and it is not being deleted."""
    return name in world.models and not world.models[name].deleted


def placed(world: World, name: str) -> bool:
    """Returns whether the latest version of a model belongs to a Server that exists."""
    return world.models[name].latest.server in world.servers


def _of_model(model: Model, weight: float) -> list[Target]:
    """Returns the targets of a model: of its latest version, if that is placed, and beside it of the last
    ModelAvailable one; by their numbers of replicas."""
    if model.deleted or not model.latest.server:
        return []
    keeps = last_available(model)
    versions = [keeps, model.latest] if keeps and keeps is not model.latest else [model.latest]
    replicas = [(version, index) for version in versions for index in _serving(version)]
    return [_target(model, version, index, weight / len(replicas)) for version, index in replicas]


def _serving(version: Version) -> list[int]:
    """Returns the replicas that serve a version; those that drain only if there is no other."""
    return version.on(ReplicaState.AVAILABLE) or version.on(ReplicaState.DRAINING)


def _target(model: Model, version: Version, index: int, weight: float) -> Target:
    uri = str(version.definition.get("storageUri", ""))
    return Target(model.name, version.number, uri, version.server, index, weight)


def answers(world: World, route: str) -> dict[tuple[str, str, int] | int, float]:
    """Returns who answers a request to `route` now, with which share: (storageUri, server, replica), or a status.

    Envoy's routes can be older than what is loaded: then it is 404 from a replica that has the version no more, and
    503 where there is no replica any more.
    """
    targets = world.routes.get(route, [])
    total = sum(target.weight for target in targets)
    shares: dict[tuple[str, str, int] | int, float] = {}
    for target in targets:
        who = _who(world, target)
        if target.weight:
            shares[who] = shares.get(who, 0.0) + target.weight / total
    return shares or {404: 1.0}


def serving(world: World, route: str) -> dict[tuple[str, int], float]:
    """Returns which versions, by model and number, answer requests to `route` now, with which share of them.

    What is missing to 1 is not answered.
    """
    targets = world.routes.get(route, [])
    total = sum(target.weight for target in targets)
    shares: dict[tuple[str, int], float] = {}
    for target in targets:
        if target.weight and not isinstance(_who(world, target), int):
            version = (target.model, target.version)
            shares[version] = shares.get(version, 0.0) + target.weight / total
    return shares


def _who(world: World, target: Target) -> tuple[str, str, int] | int:
    replica = world.replica(target.server, target.replica)
    if replica is None:
        return 503
    loaded = key(target.model, target.version) in replica.loaded
    return (target.uri, target.server, target.replica) if loaded else 404
