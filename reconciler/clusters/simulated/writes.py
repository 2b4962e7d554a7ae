"""What our actions write to a simulated cluster, as docs/seldon.md demands: only what the manifest has, our labels and
annotations, and one field that nobody reads where the scheduler must try again.

    action                                     written
    load, change, update-server, …             server-side apply of the manifest, lists in the order they have live
    load of what failed or waits, retrigger    the same apply with `spec.preloaded` turned round
    adopt                                      labels and annotations only
    probe                                      a throw-away Model, deleted when it has told what it was for
    apply                                      server-side apply of the manifest
    withdraw, decommission, remove, …          delete, without waiting
    shift, drain, unload, wait-deleted         nothing: the cluster does it by itself
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.clusters.documents import (
    NOWHERE,
    annotations_of,
    carried_document,
    model_document,
    probed,
    server_document,
)
from reconciler.clusters.simulated.records import ApiObject, Version
from reconciler.clusters.simulated.rules import Artifact
from reconciler.clusters.simulated.simulation import Simulation
from reconciler.errors import ActionRefused
from reconciler.model.codec import model_spec_from_json
from reconciler.model.live import LOADS_IN_FLIGHT, VersionState
from reconciler.model.manifests import ModelManifest
from reconciler.model.plan import Action, ActionKind

PROBE = "model-reconciler-probe"
"""Name of the throw-away Model; one writer at a time, so one name is enough."""

PROBE_SECONDS = 30.0
"""Simulated seconds after which a probe that has told nothing is given up."""

_AGAIN = (VersionState.FAILED, VersionState.SCHEDULE_FAILED)


def perform(simulation: Simulation, action: Action) -> None:
    """Writes what `action` asks for.

    Raises:
        ActionRefused: it says nothing to write, or there is no such object; or a probe found no room.
    """
    _HANDLERS[action.kind](simulation, action)


def annotate(simulation: Simulation, name: str, annotation: str, value: str | None) -> None:
    """Writes one annotation of a Model, or removes it (None). A Model that is not there is no error."""
    if f"Model/{name}" in simulation.world.objects:
        simulation.patch(f"Model/{name}", {"metadata": {"annotations": {annotation: value}}})


def _load(simulation: Simulation, action: Action) -> None:
    manifest, live = _manifest(action), _object(simulation, "Model", action.subject)
    again = action.kind is ActionKind.RETRIGGER or _waits(simulation, manifest, live)
    _apply_model(simulation, manifest, live, again=again)


def _change(simulation: Simulation, action: Action) -> None:
    manifest, live = _manifest(action), _there(simulation, "Model", action.subject)
    _apply_model(simulation, manifest, live, again=False)


def _apply_model(simulation: Simulation, manifest: ModelManifest, live: ApiObject | None, *, again: bool) -> None:
    known = None if live is None else live.spec
    simulation.apply([model_document(manifest, known, again=again)])


def _waits(simulation: Simulation, manifest: ModelManifest, live: ApiObject | None) -> bool:
    """Returns whether this very version is live and failed or was not placed: writing it once more changes nothing."""
    model = simulation.world.models.get(manifest.name)
    if live is None or model is None or model.deleted:
        return False
    same = model_spec_from_json(model.latest.definition).digest == manifest.spec.digest
    return same and model.latest.state in _AGAIN


def _adopt(simulation: Simulation, action: Action) -> None:
    written = action.model or action.server
    if written is None:
        raise _nothing_to_write(action)
    kind = "Model" if action.model is not None else "Server"
    _there(simulation, kind, action.subject)
    metadata = {"labels": dict(written.labels), "annotations": annotations_of(written)}
    simulation.patch(f"{kind}/{action.subject}", {"metadata": metadata})


def _put_server(simulation: Simulation, action: Action) -> None:
    if action.server is None:
        raise _nothing_to_write(action)
    simulation.apply([server_document(action.server)])


def _apply_carried(simulation: Simulation, action: Action) -> None:
    if action.carried is None:
        raise _nothing_to_write(action)
    simulation.apply([carried_document(action.carried)])


def _remove_carried(simulation: Simulation, action: Action) -> None:
    kind, _, name = action.subject.partition("/")
    if _object(simulation, kind, name) is not None:
        simulation.delete(action.subject)


def _probe(simulation: Simulation, action: Action) -> None:
    """Time goes on while it is asked: 0.3 s until it has told, and until it is gone without a trace.

    It is deleted only when its loads have ended everywhere: one in flight would leak its room.
    """
    simulation.set_artifact(NOWHERE, Artifact(missing=True))
    simulation.apply([{"kind": "Model", "name": PROBE, "spec": probed(_manifest(action))}])
    found = _told(simulation)
    simulation.delete(f"Model/{PROBE}")
    _until(simulation, lambda: f"Model/{PROBE}" not in simulation.world.objects)
    if found is not VersionState.FAILED:
        why = f"a throw-away model like it was {f'told {found}' if found else 'not taken in'}"
        raise ActionRefused(f"the scheduler has no room for {action.subject}", why=why)


def _told(simulation: Simulation) -> VersionState | None:
    def version() -> Version | None:
        model = simulation.world.models.get(PROBE)
        return None if model is None or model.deleted else model.latest

    def over() -> bool:
        found = version()
        return found is not None and found.state in _AGAIN and not found.on(*LOADS_IN_FLIGHT)

    _until(simulation, over)
    found = version()
    return found.state if found else None


def _until(simulation: Simulation, holds: Callable[[], bool]) -> None:
    end = simulation.now + PROBE_SECONDS
    while not holds() and (due := simulation.next_event_at()) is not None and due <= end:
        simulation.step()


def _delete(kind: str) -> Callable[[Simulation, Action], None]:
    def delete(simulation: Simulation, action: Action) -> None:
        if _object(simulation, kind, action.subject) is not None:
            simulation.delete(f"{kind}/{action.subject}")

    return delete


def _nothing(simulation: Simulation, action: Action) -> None:
    """The cluster does it by itself, or there is only to wait."""


def _manifest(action: Action) -> ModelManifest:
    if action.model is None:
        raise _nothing_to_write(action)
    return action.model


def _nothing_to_write(action: Action) -> ActionRefused:
    return ActionRefused(f"{action.kind} of {action.subject} says nothing to write")


def _object(simulation: Simulation, kind: str, name: str) -> ApiObject | None:
    return simulation.world.objects.get(f"{kind}/{name}")


def _there(simulation: Simulation, kind: str, name: str) -> ApiObject:
    found = _object(simulation, kind, name)
    if found is None:
        raise ActionRefused(f"there is no {kind} {name}", why="only what is there can be changed", fix="plan again")
    return found


_HANDLERS: Mapping[ActionKind, Callable[[Simulation, Action], None]] = {
    ActionKind.CREATE_SERVER: _put_server,
    ActionKind.UPDATE_SERVER: _put_server,
    ActionKind.SHRINK_SERVER: _put_server,
    ActionKind.DELETE_SERVER: _delete("Server"),
    ActionKind.WAIT_DELETED: _nothing,
    ActionKind.ADOPT: _adopt,
    ActionKind.CHANGE: _change,
    ActionKind.PROBE: _probe,
    ActionKind.RETRIGGER: _load,
    ActionKind.LOAD: _load,
    ActionKind.SHIFT: _nothing,
    ActionKind.DRAIN: _nothing,
    ActionKind.UNLOAD: _nothing,
    ActionKind.APPLY: _apply_carried,
    ActionKind.REMOVE: _remove_carried,
    ActionKind.WITHDRAW: _delete("Model"),
    ActionKind.DECOMMISSION: _delete("Model"),
}
