"""The table of hazards: one function each, from one observation to findings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.doctor import experiments, objects, off_the_air, servers, serving, untold
from reconciler.doctor.examined import Examined, examined
from reconciler.doctor.finding import Diagnosis, Finding
from reconciler.doctor.fleet import together
from reconciler.doctor.standing import Standing, standing
from reconciler.doctor.words import told
from reconciler.model.live import LiveState

HAZARDS: tuple[Callable[[Examined], Iterator[Finding]], ...] = (
    off_the_air.loaded_off_the_air,
    off_the_air.not_placed,
    off_the_air.load_failed,
    off_the_air.off_the_air,
    untold.cannot_tell,
    serving.not_whole,
    serving.too_many_replicas,
    serving.no_room_beside,
    servers.autoscaler,
    servers.last_replica,
    servers.going,
    servers.not_all_ready,
    servers.overcommitted,
    experiments.frozen_routes,
    experiments.bad_default,
    experiments.bad_candidate,
    objects.no_such_server,
    objects.stuck_deletion,
    objects.refused,
    objects.not_taken_in,
    objects.unknown_memory,
    objects.probe_left,
)
"""Each tells only what none of the others tells of the same object, so that a person reads everything once."""


def examine(live: LiveState, cluster: str) -> Diagnosis:
    """Returns what is hazardous in `live`; `cluster` is how that is named. Asks nothing and nobody."""
    looked = examined(live)
    return Diagnosis(
        cluster=cluster,
        observed_at=live.observed_at,
        models=sum(standing(model) is not Standing.PROBE for model in live.models),
        servers=len(live.servers),
        findings=tuple(finding for hazard in HAZARDS for finding in hazard(looked)),
        notes=tuple(together(looked)),
        unverified=told(live.unverified),
    )
