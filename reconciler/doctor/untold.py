"""Models of which nobody can tell whether they answer, because the scheduler was not asked. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.doctor.examined import Examined
from reconciler.doctor.finding import Finding, Fix, Hazard, Severity
from reconciler.doctor.off_the_air import UNTOLD
from reconciler.doctor.standing import Standing, standing
from reconciler.doctor.words import artifact, ended
from reconciler.model.live import LiveModel, VersionState

_ASK = Fix("have the scheduler asked: --seldon-scheduler HOST:PORT, or from where it is within reach")
_ELSEWHERE = (Standing.LEAVING, Standing.PROBE, Standing.ASLEEP, Standing.FAILED)


def cannot_tell(examined: Examined) -> Iterator[Finding]:
    """Models whose latest version does not answer, or not yet, while the version before may answer all requests, and
    may not (docs/kubernetes.md, "Without the scheduler").

    An outage is not claimed on a guess, and neither is it passed over.
    """
    for model in examined.live.models:
        if not examined.untold(model) or standing(model) in _ELSEWHERE:
            continue
        yield Finding(
            Hazard.UNTOLD,
            Severity.RISK,
            "Model",
            model.name,
            "may be off the air: nobody can tell",
            _seen(model),
            UNTOLD,
            (_ASK, Fix("or look again when the update is over, at least 10 s after it was written")),
            namespace=model.namespace,
        )


def _seen(model: LiveModel) -> str:
    live = model.live_version
    assert live is not None
    if live.state is not VersionState.PROGRESSING:
        return ended(model, live)
    return f"{artifact(model)} is on its way, or was written a moment ago and its status is still that of before"
