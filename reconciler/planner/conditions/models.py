"""Models: what stands in the way of an action, and how far it is. Pure; asked through the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler import health
from reconciler.model.codec import model_policy
from reconciler.model.live import LiveModel, LiveServer, LiveState, LiveVersion, VersionState
from reconciler.model.manifests import PREFIX, ModelSpec, Strategy
from reconciler.model.plan import Action, ActionKind
from reconciler.model.quantity import format_bytes
from reconciler.planner.conditions.answers import Obstacle, Patience, Progress, Stage, being_deleted, counted, gone
from reconciler.planner.conditions.carried import still_named
from reconciler.planner.conditions.metadata import not_ours, same_metadata


def version_meant(action: Action, model: LiveModel) -> LiveVersion | None:
    """Returns the version of `model` that `action` is about, the last of its digest.

    An old version to drain or unload is known by its number: a later version of the same digest is another load.
    """
    same = [v for v in model.versions if v.digest == action.digest] if action.digest else []
    if action.kind in (ActionKind.DRAIN, ActionKind.UNLOAD) and action.number is not None:
        old = model.version(action.number)
        return old if old is None or old in same or old.digest is None or not action.digest else None
    return same[-1] if same else None


def absent(action: Action) -> LiveModel:
    """Returns what is live of a model that the cluster does not have."""
    return LiveModel(name=action.subject, spec=_spec(action))


def _spec(action: Action) -> ModelSpec:
    return ModelSpec(storage_uri="") if action.model is None else action.model.spec


def _may_load(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    if model.deleting:
        return being_deleted()
    newest = model.live_version
    if newest is not None and newest.digest == action.digest and _under_way(newest):
        return None
    return _may_ask(action, live, model)


def _may_ask(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    """What stands in the way of a new version, and of asking for it."""
    if model.deleting:
        return being_deleted()
    return _superseding(action, model) or _unhealthy(action, live, model) or _no_room(action, live, model)


def _may_retrigger(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    newest = model.live_version
    if newest is not None and newest.digest == action.digest and newest.loading:
        return None
    return _may_ask(action, live, model)


def _under_way(version: LiveVersion) -> bool:
    return version.state in (VersionState.PROGRESSING, VersionState.AVAILABLE)


def _superseding(action: Action, model: LiveModel) -> Obstacle | None:
    newest = model.live_version
    if newest is not None and newest.digest and model.spec.digest not in (newest.digest, action.digest):
        return Obstacle("something else was written to it, and is not taken in yet", Patience.BRIEF)
    if newest is None or newest.digest == action.digest or not newest.loading:
        return None
    return Obstacle(
        f"version {newest.number} is still loading, and a load in flight is never superseded", Patience.BRIEF
    )


def _unhealthy(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    """Where the scheduler moves the route, a version that is not whole loses it to one that is on its way."""
    serving = health.serving_version(model)
    if serving is None or serving.digest == action.digest or live.traits.commands_traffic:
        return None
    if health.is_whole(serving) or (serving == model.live_version and _loaded(serving, model.spec)):
        return None
    return Obstacle(f"version {serving.number} serves, but is not whole: {_replicas(serving)}", Patience.BRIEF)


def _no_room(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    spec, wanted = _spec(action), _spec(action).wanted_replicas
    if action.kind is ActionKind.PROBE and action.takes:
        wanted = action.takes[0].replicas
    amount = action.takes[0].amount if action.takes else spec.memory or 0
    matching = [s for s in live.servers if matches(s, spec)]
    if not matching:
        return Obstacle(f"no server can take it: {_needs(spec)}", Patience.BRIEF)
    newest = model.live_version
    mine = newest if newest is not None and newest.digest == action.digest else None
    room = {s.name: len(_places(s, amount, mine)) for s in matching}
    enough = min(spec.min_replicas, wanted) if spec.min_replicas else wanted
    if max(room.values()) >= enough:
        return None
    found = ", ".join(f"{name} on {count}" for name, count in room.items())
    return Obstacle(
        f"needs {format_bytes(amount)} on {counted(enough, 'replica')} of one server; there is room on {found}",
        Patience.BRIEF,
    )


def matches(server: LiveServer, spec: ModelSpec) -> bool:
    """Returns whether the scheduler may place `spec` on `server`, room apart."""
    return not server.deleting and spec.needs <= server.capabilities and spec.server in (None, server.name)


def _needs(spec: ModelSpec) -> str:
    pinned = f"server {spec.server}" if spec.server else "any server"
    return f"it needs {pinned} with {', '.join(sorted(spec.needs)) or 'no special capability'}"


def _places(server: LiveServer, amount: int, mine: LiveVersion | None) -> list[int]:
    held = mine.occupied if mine is not None and mine.server == server.name else ()
    return [r.index for r in server.replicas if r.ready and (r.room >= amount or r.index in held)]


def _may_shift(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    version = version_meant(action, model)
    if version is None:
        return Obstacle(f"version {action.digest} is not there any more")
    spec = model.spec if version == model.live_version else _spec(action)
    if _loaded(version, spec):
        return None
    return Obstacle(f"version {version.number} is not whole: {_replicas(version)}", Patience.BRIEF)


def _may_drain(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    version = version_meant(action, model)
    if version is None or _gap_allowed(action) or not _weight(model, version):
        return None
    return Obstacle(f"version {version.number} still carries traffic", Patience.BRIEF)


def _may_unload(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    if _gap_allowed(action):
        return None
    serving = health.serving_version(model)
    return _may_drain(action, live, model) or (
        Obstacle("no other version answers, and the last one that could is not taken away", Patience.BRIEF)
        if serving is None or serving == version_meant(action, model)
        else None
    )


def _gap_allowed(action: Action) -> bool:
    return action.model is not None and action.model.policy.strategy is Strategy.RECREATE


def _weight(model: LiveModel, version: LiveVersion) -> int:
    return sum(weight for number, weight in model.route if number == version.number)


def _may_change(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    if model.deleting:
        return being_deleted()
    version = version_meant(action, model)
    if version is None:
        return Obstacle(f"version {action.digest} is not there any more")
    return _superseding(action, model) or _may_shrink(action, version) or _no_room_to_grow(action, live, version)


def _may_shrink(action: Action, version: LiveVersion) -> Obstacle | None:
    """While a replica is on its way, the scheduler might keep that one and give up one that answers."""
    if _spec(action).wanted_replicas < len(version.occupied) and version.available < len(version.occupied):
        return Obstacle(f"version {version.number} has a replica that is on its way", Patience.TIME_LIMIT)
    return None


def _no_room_to_grow(action: Action, live: LiveState, version: LiveVersion) -> Obstacle | None:
    spec, server = _spec(action), live.server(version.server)
    if spec.wanted_replicas <= max(version.wanted, len(version.occupied)):
        return None
    places = [] if server is None else _places(server, version.memory, version)
    enough = min(spec.min_replicas, spec.wanted_replicas) if spec.min_replicas else spec.wanted_replicas
    if len(places) >= enough:
        return None
    what = f"needs {format_bytes(version.memory)} on {counted(enough, 'replica')} of {version.server or 'its server'}"
    return Obstacle(f"{what}; there is room on {len(places)}", Patience.BRIEF)


def _may_adopt(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    return being_deleted() if model.deleting else None


def _may_withdraw(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    if model.deleting:
        return None
    if health.on_the_air(model) and not _gap_allowed(action):
        return Obstacle(f"{model.name} is on the air again")
    loading = next((v for v in model.versions if v.loading), None)
    return None if loading is None else _in_flight(loading)


def _in_flight(version: LiveVersion) -> Obstacle:
    why = f"version {version.number} is still loading; deleted in flight, its room would leak"
    return Obstacle(why, Patience.TIME_LIMIT)


def _may_decommission(action: Action, live: LiveState, model: LiveModel) -> Obstacle | None:
    if model.deleting:
        return None
    if (found := not_ours(model)) is not None:
        return found
    if not model_policy(dict(model.annotations))[0].prune:
        return Obstacle(f"{model.name} is protected by its annotation {PREFIX}prune")
    if (named := still_named(f"Model/{model.name}", live)) is not None:
        return named
    loading = next((v for v in model.versions if v.loading), None)
    return None if loading is None else _in_flight(loading)


_ModelCheck = Callable[[Action, LiveState, LiveModel], Obstacle | None]
CHECKS: Mapping[ActionKind, _ModelCheck] = {
    ActionKind.PROBE: _may_ask,
    ActionKind.RETRIGGER: _may_retrigger,
    ActionKind.LOAD: _may_load,
    ActionKind.SHIFT: _may_shift,
    ActionKind.DRAIN: _may_drain,
    ActionKind.UNLOAD: _may_unload,
    ActionKind.WITHDRAW: _may_withdraw,
    ActionKind.CHANGE: _may_change,
    ActionKind.ADOPT: _may_adopt,
    ActionKind.DECOMMISSION: _may_decommission,
}


def _loaded(version: LiveVersion, spec: ModelSpec) -> bool:
    """Returns whether `version` is whole, or as whole as `minReplicas` lets it be (docs/seldon.md, "Capacity")."""
    if health.is_whole(version):
        return True
    partly = bool(spec.min_replicas) and version.available >= min(spec.min_replicas or 0, version.wanted)
    return partly and version.state is VersionState.AVAILABLE and not version.loading


def _load_progress(action: Action, model: LiveModel | None) -> Progress:
    version = None if model is None else model.live_version
    if model is None or version is None or version.digest != action.digest:
        return Progress(Stage.PENDING, "not taken in yet")
    return _version_progress(version, model.spec)


def _retrigger_progress(action: Action, model: LiveModel | None) -> Progress:
    version = None if model is None else model.live_version
    if model is None or version is None or version.digest != action.digest:
        return Progress(Stage.PENDING, "not taken in yet")
    if health.is_whole(version):
        return Progress(Stage.DONE, _replicas(version))
    if version.state is VersionState.AVAILABLE and not version.loading:
        return Progress(Stage.FAILED, f"no more were placed: {_replicas(version)}", refused=True)
    return _version_progress(version, model.spec)


def _probe_progress(action: Action, model: LiveModel | None) -> Progress:
    """A probe leaves nothing to be seen: it is over when it was performed."""
    return Progress(Stage.PENDING, "the scheduler has not answered yet")


def _version_progress(version: LiveVersion, spec: ModelSpec) -> Progress:
    """`spec`: of the object; the scheduler takes it in a little later (docs/seldon.md, "Status: what to believe")."""
    if version.wanted != spec.wanted_replicas:
        return Progress(Stage.PENDING, "not taken in yet")
    if _loaded(version, spec):
        return Progress(Stage.DONE, _replicas(version))
    if health.load_failed(version):
        return Progress(Stage.FAILED, version.reason or "the load failed, no cause was given", version_failed=True)
    if version.state is VersionState.SCHEDULE_FAILED:
        why = f"it was not placed: {version.reason or 'no cause was given'}"
        return Progress(Stage.FAILED, why, refused=True)
    return Progress(Stage.PENDING, _replicas(version))


def _shift_progress(action: Action, model: LiveModel | None) -> Progress:
    version = None if model is None else version_meant(action, model)
    if model is None or version is None:
        return Progress(Stage.PENDING, "the version is not there")
    if health.carries_all_traffic(model, version.number):
        return Progress(Stage.DONE, f"version {version.number} carries all traffic")
    total = sum(weight for _, weight in model.route)
    share = f"{100 * _weight(model, version) // total} %" if total else "nothing"
    return Progress(Stage.PENDING, f"version {version.number} carries {share} of the traffic")


def _drain_progress(action: Action, model: LiveModel | None) -> Progress:
    version = None if model is None else version_meant(action, model)
    if version is None or not version.occupied:
        return Progress(Stage.DONE, "it is gone")
    if model is not None and _gap_allowed(action) and version.in_flight is not None and _weight(model, version):
        return Progress(Stage.PENDING, "it still has the route")
    if version.in_flight:
        return Progress(Stage.PENDING, f"{counted(version.in_flight, 'request')} in flight")
    return Progress(Stage.DONE, "the cluster drains by itself" if version.in_flight is None else "no request in flight")


def _unload_progress(action: Action, model: LiveModel | None) -> Progress:
    version = None if model is None else version_meant(action, model)
    if version is None or not version.occupied:
        return Progress(Stage.DONE, "its memory is free")
    if version.state is VersionState.TERMINATE_FAILED:
        return Progress(Stage.FAILED, version.reason or "the unload failed, no cause was given")
    return Progress(Stage.PENDING, f"still takes memory on {counted(len(version.occupied), 'replica')}")


def _change_progress(action: Action, model: LiveModel | None) -> Progress:
    version = None if model is None else model.live_version
    if model is None or version is None:
        return Progress(Stage.PENDING, "the model is not there")
    if version.digest != action.digest or not _same_in_place(model, action):
        return Progress(Stage.PENDING, "not taken in yet")
    seen = _version_progress(version, model.spec)
    grown = seen.state is Stage.DONE and len(version.occupied) > version.wanted
    return Progress(Stage.PENDING, "replicas are being unloaded") if grown else seen


def _same_in_place(model: LiveModel, action: Action) -> bool:
    wanted, found = _spec(action), model.spec
    fields = ("wanted_replicas", "min_replicas", "max_replicas", "logger_percent", "schema_uri", "dedicated")
    return all(getattr(wanted, f) == getattr(found, f) for f in fields) and same_metadata(model, action)


def _adopt_progress(action: Action, model: LiveModel | None) -> Progress:
    if model is not None and model.instance is not None and same_metadata(model, action):
        return Progress(Stage.DONE, f"owned by instance {model.instance}")
    return Progress(Stage.PENDING, "not labelled yet")


def _absence_progress(action: Action, model: LiveModel | None) -> Progress:
    return gone(model is None)


PROGRESS: Mapping[ActionKind, Callable[[Action, LiveModel | None], Progress]] = {
    ActionKind.PROBE: _probe_progress,
    ActionKind.RETRIGGER: _retrigger_progress,
    ActionKind.LOAD: _load_progress,
    ActionKind.SHIFT: _shift_progress,
    ActionKind.DRAIN: _drain_progress,
    ActionKind.UNLOAD: _unload_progress,
    ActionKind.CHANGE: _change_progress,
    ActionKind.ADOPT: _adopt_progress,
    ActionKind.WITHDRAW: _absence_progress,
    ActionKind.DECOMMISSION: _absence_progress,
    ActionKind.WAIT_DELETED: _absence_progress,
}


def _replicas(version: LiveVersion) -> str:
    return f"{version.available} of {counted(version.wanted, 'replica')} available"
