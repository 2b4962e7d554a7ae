"""Models that no version answers for, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.doctor import commands
from reconciler.doctor.examined import Examined
from reconciler.doctor.experiments import freezing
from reconciler.doctor.finding import Finding, Fix, Hazard, Severity
from reconciler.doctor.placing import placing
from reconciler.doctor.standing import Standing, standing
from reconciler.doctor.words import artifact, ended, places, some, told
from reconciler.model.live import LiveModel, LiveVersion, VersionState

NOT_FOUND = "every request for it gets 404"
UNTOLD = f"whether the version before answers cannot be told without the scheduler; if it does not, {NOT_FOUND}"


def loaded_off_the_air(examined: Examined) -> Iterator[Finding]:
    """Models off the air though a version is loaded: what an update that found no place leaves (docs/seldon.md, "The
    rule behind every outage")."""
    for model in examined.live.models:
        if standing(model) is Standing.LOADED and not examined.untold(model):
            yield _held(examined, model) if examined.live.hold else _loaded(examined, model)


def _held(examined: Examined, model: LiveModel) -> Finding:
    return Finding(
        Hazard.LOADED_OFF_THE_AIR,
        Severity.OUTAGE,
        "Model",
        model.name,
        "off the air for the moment",
        f"{told(examined.live.hold)}; {_loaded_versions(model)}",
        f"{NOT_FOUND} until then; if it still does after half a minute, look again",
        namespace=model.namespace,
    )


def _loaded(examined: Examined, model: LiveModel) -> Finding:
    live = model.live_version
    assert live is not None
    consequence = f"{NOT_FOUND}, until somebody acts"
    fixes: tuple[Fix, ...] = (_retrigger(examined, model),)
    if live.state is VersionState.SCHEDULE_FAILED:
        verdict = placing(examined, model)
        consequence = f"{NOT_FOUND}, for good: nothing tries again. {verdict.told}"
        fixes = verdict.fixes
    elif frozen := [experiment.name for experiment in freezing(examined.live)]:
        consequence = f"{NOT_FOUND}: Experiment {some(frozen)} freezes every route of the cluster"
        fixes = (Fix(f"repair Experiment {some(frozen)}, as told below; then it answers by itself"),)
    return Finding(
        Hazard.LOADED_OFF_THE_AIR,
        Severity.OUTAGE,
        "Model",
        model.name,
        "off the air though a version is loaded",
        f"{ended(model, live)}; {_loaded_versions(model)}",
        consequence,
        fixes,
        namespace=model.namespace,
    )


def not_placed(examined: Examined) -> Iterator[Finding]:
    """Models that wait for a place while nothing will try again (docs/seldon.md, "When the scheduler tries again")."""
    for model in examined.live.models:
        live, stands = model.live_version, standing(model)
        older = stands is Standing.OLDER and live is not None and live.state is VersionState.SCHEDULE_FAILED
        if live is None or not (older or stands is Standing.NOT_PLACED):
            continue
        verdict = placing(examined, model)
        meanwhile = "an older version answers meanwhile" if older else NOT_FOUND
        yield Finding(
            Hazard.NOT_PLACED,
            Severity.NEXT_CHANGE if older else Severity.OUTAGE,
            "Model",
            model.name,
            "waits for a place, and nothing will try again",
            ended(model, live),
            f"{meanwhile}; freed memory alone retries nothing. {verdict.told}",
            verdict.fixes,
            namespace=model.namespace,
        )


def load_failed(examined: Examined) -> Iterator[Finding]:
    """Models whose live version failed to load on every replica (docs/seldon.md, "The rule behind every outage")."""
    for model in examined.live.models:
        live, stands = model.live_version, standing(model)
        older = stands is Standing.OLDER and live is not None and live.state is VersionState.FAILED
        if live is None or not (older or stands is Standing.FAILED):
            continue
        untold = examined.untold(model)
        meanwhile = UNTOLD if untold else "an older version answers all requests" if older else NOT_FOUND
        yield Finding(
            Hazard.LOAD_FAILED,
            Severity.RISK if older or untold else Severity.OUTAGE,
            "Model",
            model.name,
            "its version failed to load",
            ended(model, live),
            f"{meanwhile}; nothing tries the load again",
            _mend(examined, model, live),
            namespace=model.namespace,
        )


def _mend(examined: Examined, model: LiveModel, live: LiveVersion) -> tuple[Fix, ...]:
    server = examined.servers.get(live.server)
    most = max((r.memory for r in server.replicas if r.memory is not None), default=None) if server else None
    if most is not None and live.memory > most:
        text = "it is bigger than a replica without overcommit: lower spec.memory, or give the Server more memory"
        return (Fix(text),)
    return (_retrigger(examined, model, "mend the artifact or the spec; if it was the artifact, try again"),)


def off_the_air(examined: Examined) -> Iterator[Finding]:
    """Models off the air for any other cause: between two versions, or unknown to the scheduler."""
    for model in examined.live.models:
        stands, live = standing(model), model.live_version
        if examined.untold(model):
            continue
        if stands is Standing.GAP and live is not None:
            yield _off(
                model,
                "off the air until its new version is loaded",
                f"version {live.number} loads; {_loaded_versions(model)}",
                f"{NOT_FOUND} until the load ends; another change meanwhile makes it worse, so wait",
            )
        elif stands is Standing.OFF and live is None and examined.live.hold:
            yield _off(
                model,
                "not known to the scheduler for the moment",
                told(examined.live.hold),
                "what it answers cannot be told; look again in half a minute",
            )
        elif stands is Standing.OFF and live is None:
            yield _off(
                model,
                "not known to the scheduler",
                "the object is there, the scheduler has no version of it",
                f"{NOT_FOUND}; a moment after it was written that is usual, later the operator may be down",
                Fix("look at Seldon's operator and scheduler", commands.pods(examined.live, model.namespace)),
            )
        elif stands is Standing.OFF and live is not None:
            what = f"version {live.number} ({artifact(model)}) is {live.state}"
            yield _off(model, "off the air", what, f"{NOT_FOUND}, until somebody acts", _retrigger(examined, model))


def _off(model: LiveModel, title: str, what: str, consequence: str, *fixes: Fix) -> Finding:
    return Finding(
        Hazard.OFF_THE_AIR,
        Severity.OUTAGE,
        "Model",
        model.name,
        title,
        what,
        consequence,
        fixes,
        namespace=model.namespace,
    )


def _retrigger(examined: Examined, model: LiveModel, text: str = "have it scheduled once more") -> Fix:
    return Fix(text, commands.retrigger(examined.live, model))


def _loaded_versions(model: LiveModel) -> str:
    """Which versions are loaded, and answer nobody."""
    loaded = [version for version in model.versions if version.available or (version.staying and not version.loading)]
    names = " and ".join(f"version {v.number} on {places(v)}" for v in loaded)
    return f"{names} {'is' if len(loaded) == 1 else 'are'} loaded and answer{'s' if len(loaded) == 1 else ''} nobody"
