"""What is wrong with objects themselves: stuck, left over, unknown, or naming what does not exist. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.doctor import commands
from reconciler.doctor.examined import Examined
from reconciler.doctor.finding import Finding, Fix, Hazard, Severity
from reconciler.doctor.standing import Standing, standing
from reconciler.doctor.words import artifact, places, several, told
from reconciler.health import on_the_air, serving_version
from reconciler.model.live import LiveModel, VersionState

LONG = 60.0
"""Seconds after which a deletion counts as stuck: it takes 2-3 s (docs/seldon.md, "Deleting")."""


def stuck_deletion(examined: Examined) -> Iterator[Finding]:
    """Models whose deletion does not end: its finalizer waits for the model and the model gateway
    (docs/seldon.md, "Deleting")."""
    for model in examined.live.models:
        since = model.deleting_since
        if not model.deleting or since is None or examined.live.observed_at - since < LONG:
            continue
        held = [version for version in model.versions if version.occupied]
        loaded = f"version {held[-1].number} is still on {places(held[-1])}" if held else "nothing of it is loaded"
        yield Finding(
            Hazard.STUCK_DELETION,
            Severity.RISK,
            "Model",
            model.name,
            "is stuck being deleted",
            f"since {_duration(examined.live.observed_at - since)}; {loaded}",
            "it does not answer, and whatever is applied under its name is lost with it",
            tuple(_release(examined, model, loaded=bool(held))),
            namespace=model.namespace,
        )


def _release(examined: Examined, model: LiveModel, *, loaded: bool) -> Iterator[Fix]:
    yield Fix(
        "see whether Seldon's operator, scheduler and model gateway run: they end it by themselves",
        commands.pods(examined.live, model.namespace),
    )
    if not loaded:
        yield Fix(
            "if they run and it stays, take its finalizers off: nothing is loaded any more",
            commands.kubectl(
                examined.live,
                "patch",
                "model",
                model.name,
                model.namespace,
                merge={"metadata": {"finalizers": None}},
            ),
        )


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return several(minutes, "minute") if minutes < 120 else several(minutes // 60, "hour")


def refused(examined: Examined) -> Iterator[Finding]:
    """Models of which a placement was refused against all reckoning, as our annotation keeps it (docs/seldon.md, "Room
    leaks")."""
    for model in examined.live.models:
        failure = model.failure
        if failure is None or not failure.refused or model.deleting:
            continue
        yield Finding(
            Hazard.REFUSED,
            Severity.RISK,
            "Model",
            model.name,
            "was refused room that the cluster shows",
            f"{told(failure.why)} ({_duration(max(0.0, examined.live.observed_at - failure.when))} ago)",
            "room seems to have leaked: updates that should fit are refused, and a plain one is then off the air",
            (
                Fix(
                    "restart the scheduler: no request is interrupted, and what waits is tried again",
                    commands.restart_scheduler(examined.live, model.namespace),
                ),
            ),
            namespace=model.namespace,
        )


def no_such_server(examined: Examined) -> Iterator[Finding]:
    """Models that answer from, or ask for, a Server that does not exist."""
    for model in examined.live.models:
        serving, pinned = serving_version(model), model.spec.server
        if serving is None or standing(model) in (Standing.LEAVING, Standing.PROBE):
            continue
        gone = next((name for name in (serving.server, pinned) if name and name not in examined.servers), None)
        if gone is None:
            continue
        on_it = gone == serving.server
        yield Finding(
            Hazard.NO_SUCH_SERVER,
            Severity.NEXT_CHANGE,
            "Model",
            model.name,
            "is on a Server that does not exist" if on_it else "asks for a Server that does not exist",
            f"there is no Server {gone}" + (", its pods still answer" if on_it else ""),
            "it is off the air when these pods end, and updates find no place"
            if on_it
            else "any update finds no place: off the air at once, for good",
            (Fix(f"create Server {gone}, or name another one in spec.server"),),
            namespace=model.namespace,
        )


def not_taken_in(examined: Examined) -> Iterator[Finding]:
    """Models that answer while the scheduler has not taken in what was written last, or says nothing of their state
    (docs/seldon.md, "Status: what to believe")."""
    for model in examined.live.models:
        live = model.live_version
        if live is None or not on_the_air(model) or standing(model) in (Standing.LEAVING, Standing.PROBE):
            continue
        unknown = live.state is VersionState.UNKNOWN
        if not unknown and live.digest in (None, model.spec.digest):
            continue
        what = (
            f"the state of version {live.number} is not known"
            if unknown
            else f"the object asks for {artifact(model)} ({model.spec.digest}), version {live.number} is another one"
        )
        yield Finding(
            Hazard.NOT_TAKEN_IN,
            Severity.RISK,
            "Model",
            model.name,
            "is not what its object says",
            what,
            "its Ready is stale; a moment after a write that is usual, later the operator may be down",
            (Fix("look at Seldon's operator and scheduler", commands.pods(examined.live, model.namespace)),),
            namespace=model.namespace,
        )


def unknown_memory(examined: Examined) -> Iterator[Finding]:
    """Models without `spec.memory`, which the scheduler counts as nothing (docs/seldon.md, "Memory and overcommit")."""
    for model in examined.live.models:
        if model.spec.memory or standing(model) in (Standing.LEAVING, Standing.PROBE):
            continue
        yield Finding(
            Hazard.UNKNOWN_MEMORY,
            Severity.RISK,
            "Model",
            model.name,
            "does not say how much memory it takes",
            "spec.memory is not set",
            "it is reckoned as 0 and placed where it may not fit; a server replica that runs out of memory takes "
            "all of its models with it",
            (Fix("set spec.memory to what one replica takes: that is a new version, which must fit beside this one"),),
            namespace=model.namespace,
        )


def probe_left(examined: Examined) -> Iterator[Finding]:
    """Throw-away models that a killed reconciler left (docs/seldon.md, "A probe tells")."""
    for model in examined.live.models:
        if standing(model) is not Standing.PROBE:
            continue
        yield Finding(
            Hazard.PROBE_LEFT,
            Severity.RISK,
            "Model",
            model.name,
            "is a probe that was left behind",
            "it only asks whether there is room, and is deleted at once unless its reconciler is killed",
            "it may be scheduled again and again, and says nothing any more",
            (Fix("unless a reconciler is asking right now, delete it", commands.delete_model(examined.live, model)),),
            namespace=model.namespace,
        )
