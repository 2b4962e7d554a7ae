"""Models that answer, and for which the next update would be an outage. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.doctor import commands
from reconciler.doctor.examined import Examined, steady
from reconciler.doctor.finding import Finding, Fix, Hazard, Severity
from reconciler.doctor.placing import fewer, growth, placing
from reconciler.doctor.standing import Standing, standing
from reconciler.doctor.words import several, told
from reconciler.health import is_whole, serving_version
from reconciler.model.live import LiveModel, LiveVersion, VersionState

_LOSES = "any update, however good, takes it off the air until the new version is loaded"


def not_whole(examined: Examined) -> Iterator[Finding]:
    """Models that answer and are not whole (docs/seldon.md, "The rule behind every outage")."""
    for model in examined.live.models:
        stands = standing(model)
        if stands not in (Standing.NOT_WHOLE, Standing.FEWER) or _too_many(examined, model):
            continue
        serving, live = serving_version(model), model.live_version
        assert serving is not None
        assert live is not None
        title, consequence, fixes = _course(examined, model, serving, live)
        reason = f": {told(live.reason)}" if live.reason else ""
        yield Finding(
            Hazard.NOT_WHOLE,
            Severity.NEXT_CHANGE if stands is Standing.NOT_WHOLE else Severity.RISK,
            "Model",
            model.name,
            title,
            f"{_count(serving)}, state {live.state}{reason}",
            consequence,
            fixes,
            namespace=model.namespace,
        )


def _course(
    examined: Examined, model: LiveModel, serving: LiveVersion, live: LiveVersion
) -> tuple[str, str, tuple[Fix, ...]]:
    """Title, consequence and fixes, by how it came to be not whole."""
    if live.state is VersionState.AVAILABLE:
        verdict = placing(examined, model)
        return "on fewer replicas than asked", f"nothing brings the missing ones. {verdict.told}", verdict.fixes[:1]
    if live.state is VersionState.PROGRESSING:
        wait = Fix("wait until it is ModelAvailable, then look again; write nothing to it meanwhile")
        return "answers, and is still growing or moving", f"until then {_LOSES}", (wait,)
    if live.available:
        shared = "two versions share the requests, and " if serving != live else ""
        return "answers, and is not whole", f"{shared}{_LOSES}", (_heal(examined, model, live.available),)
    again = Fix("have it scheduled once more", commands.retrigger(examined.live, model))
    return "answers, and is not whole", _LOSES, (again,)


def _heal(examined: Examined, model: LiveModel, available: int) -> Fix:
    text = f"ask for {several(available, 'replica')}, which it has: it is whole within a second, and updates are safe"
    return Fix(text, commands.patch_model(examined.live, model, fewer(model, available)))


def too_many_replicas(examined: Examined) -> Iterator[Finding]:
    """Models that ask for more replicas than any Server that could take them has (docs/seldon.md, "Placement")."""
    for model in examined.live.models:
        serving, live = serving_version(model), model.live_version
        most = _too_many(examined, model)
        if serving is None or live is None or not most or standing(model) in (Standing.LEAVING, Standing.PROBE):
            continue
        whole = live.state is VersionState.AVAILABLE
        grow = growth(examined, model, beside=False)
        fixes = [_heal(examined, model, live.available)] if live.available else []
        yield Finding(
            Hazard.TOO_MANY_REPLICAS,
            Severity.RISK if whole else Severity.NEXT_CHANGE,
            "Model",
            model.name,
            "asks for more replicas than its Server has",
            f"it asks for {model.spec.wanted_replicas}, the largest Server that can take it has {most}; "
            f"{_count(serving)}",
            "the missing ones never come" if whole else _LOSES,
            (*fixes, *([grow] if grow else [])),
            namespace=model.namespace,
        )


def _too_many(examined: Examined, model: LiveModel) -> int:
    """The size of the largest Server that could take `model`, if that is less than it asks for; else 0."""
    sizes = [
        max(server.spec.wanted_replicas, len(server.replicas))
        for server in examined.live.servers
        if model.spec.server in (None, server.name) and model.spec.needs <= server.capabilities and not server.deleting
    ]
    most = max(sizes, default=0)
    return most if most < model.spec.wanted_replicas else 0


def no_room_beside(examined: Examined) -> Iterator[Finding]:
    """Models that could not be updated beside themselves: an update that finds no place is an outage at once and for
    good (docs/seldon.md, "The rule behind every outage")."""
    for model in examined.live.models:
        serving = serving_version(model)
        settled = serving is not None and serving == model.live_version and is_whole(serving)
        if serving is None or not settled or standing(model) is not Standing.WELL:
            continue
        if not model.spec.memory or not _candidates(examined, model) or examined.fits(model.spec):
            continue
        attempt = examined.second_version(model)
        if attempt.fits and not attempt.stepped:
            continue
        yield Finding(
            Hazard.NO_ROOM_BESIDE,
            Severity.NEXT_CHANGE,
            "Model",
            model.name,
            "has no room for a second version beside it",
            attempt.detail,
            "an update applied as it is finds no place: off the air at once and for good, though still loaded",
            tuple(_ways(examined, model, stepped=attempt.stepped)),
            namespace=model.namespace,
        )


def _ways(examined: Examined, model: LiveModel, *, stepped: bool) -> Iterator[Fix]:
    server = serving.server if (serving := serving_version(model)) is not None else ""
    home = examined.servers.get(server)
    if stepped:
        yield Fix(
            "update it stepped: replicas down, update with those, replicas up again, each when the one before is over "
            "(`reconciler sync` does it so)"
        )
    elif home is not None and not steady(home, examined.live) and examined.second_version(model, fixed_size=True).fits:
        text = f"give Server {home.name} a fixed size; then a stepped update can do with what there is"
        size = home.spec.wanted_replicas
        yield Fix(text, commands.patch_server(examined.live, home, {"minReplicas": size}))
    if (grow := growth(examined, model, beside=True)) is not None:
        yield grow


def _candidates(examined: Examined, model: LiveModel) -> bool:
    """Whether any Server could take it at all: if not, room is not what is missing."""
    return any(
        model.spec.server in (None, outlook.name) and model.spec.needs <= outlook.capabilities
        for outlook in examined.outlooks
    )


def _count(version: LiveVersion) -> str:
    return f"version {version.number} has {version.available} of {several(version.wanted, 'replica')}"
