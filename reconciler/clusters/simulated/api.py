"""The API server: objects are applied, patched and deleted, and the operator takes in what changed.

Only a change of the spec, or a deletion, raises the generation and reaches the scheduler; labels and annotations do not
(docs/seldon.md, "When the scheduler tries again"). An object that is being deleted takes in nothing more: what is
applied then is lost with it ("Deleting").
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.clusters.simulated import timing
from reconciler.clusters.simulated.records import ApiObject, Json, World
from reconciler.clusters.simulated.versions import definition
from reconciler.model.codec import server_spec_from_json

FINALIZED = frozenset({"Model", "Experiment", "Pipeline"})
"""Kinds whose objects stay, with a deletion timestamp, until their end is carried out. A Server goes at once."""

_PARTS = ("spec", "labels", "annotations")


def apply(world: World, manifests: Sequence[Mapping[str, Any]]) -> None:
    """Applies `manifests` server-side, all together; the choices say in which order they are taken in.

    Raises:
        KeyError: one has no kind or no name. ValueError: what the API server would not take, such as a memory that is
            no quantity; then nothing is applied.
    """
    wanted = [_read(manifest) for manifest in manifests]
    rank = {name: i for i, name in enumerate(world.choices.order([found.name for found in wanted]))}
    for found in sorted(wanted, key=lambda found: rank[found.name]):
        existing = world.objects.get(found.ref)
        if existing is None:
            found.applied = {part: copy.deepcopy(getattr(found, part)) for part in _PARTS}
            world.objects[found.ref] = found
            announce(world, found)
        else:
            _apply_to(world, existing, found)


def _read(manifest: Mapping[str, Any]) -> ApiObject:
    """Returns the object of a manifest, whose name may stand at its top or in its metadata."""
    metadata = manifest.get("metadata") or {}
    spec = copy.deepcopy(dict(manifest.get("spec") or {}))
    _check(str(manifest["kind"]), spec)
    return ApiObject(
        kind=str(manifest["kind"]),
        name=str(manifest.get("name") or metadata["name"]),
        namespace=metadata.get("namespace"),
        spec=spec,
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(metadata.get("annotations") or {}),
    )


def _check(kind: str, spec: Mapping[str, Any]) -> None:
    if kind == "Model":
        definition(spec)
    elif kind == "Server":
        server_spec_from_json(spec)


def _apply_to(world: World, existing: ApiObject, wanted: ApiObject) -> None:
    before = copy.deepcopy(existing.spec)
    for part in _PARTS:
        new = getattr(wanted, part)
        setattr(existing, part, _merged(getattr(existing, part), existing.applied.get(part, {}), new))
        existing.applied[part] = copy.deepcopy(new)
    _changed(world, existing, before)


def _merged(current: Mapping[str, Any], applied: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    """Returns `current` with all of `wanted`, without what was `applied` before and is wanted no more."""
    merged = {name: value for name, value in current.items() if name in wanted or name not in applied}
    for name in sorted(applied.keys() - wanted.keys()):
        old, was = current.get(name), applied[name]
        if isinstance(old, Mapping) and isinstance(was, Mapping) and (left := _merged(old, was, {})):
            merged[name] = left
    for name, value in wanted.items():
        old, was = current.get(name), applied.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[name] = _merged(old, was if isinstance(was, Mapping) else {}, value)
        else:
            merged[name] = copy.deepcopy(value)
    return merged


def patch(world: World, ref: str, merge: Mapping[str, Any]) -> None:
    """Applies a JSON merge patch of `spec` and of `metadata`'s labels and annotations.

    Raises:
        KeyError: there is no object `ref`. ValueError: see `apply`.
    """
    existing = world.objects[ref]
    before = existing.spec
    metadata = merge.get("metadata") or {}
    parts = {part: merge.get(part) if part == "spec" else metadata.get(part) for part in _PARTS}
    after = {part: _patched(getattr(existing, part), change or {}) for part, change in parts.items()}
    _check(existing.kind, after["spec"])
    for part, content in after.items():
        existing.applied[part] = _still_owned(existing.applied.get(part, {}), getattr(existing, part), content)
        setattr(existing, part, content)
    _changed(world, existing, before)


def _still_owned(applied: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
    """Returns `applied` without the fields whose value somebody else has changed: they are his, and an apply that lacks
    them leaves them alone."""
    left: Json = {}
    for name, value in applied.items():
        old, new = before.get(name), after.get(name)
        if all(isinstance(each, Mapping) for each in (value, old, new)):
            left[name] = _still_owned(value, old or {}, new or {})
        elif old == new:
            left[name] = value
    return left


def _patched(current: Mapping[str, Any], merge: Mapping[str, Any]) -> Json:
    patched = {name: value for name, value in current.items() if merge.get(name, value) is not None}
    for name, value in merge.items():
        if isinstance(value, Mapping):
            old = current.get(name)
            patched[name] = _patched(old if isinstance(old, Mapping) else {}, value)
        elif value is not None:
            patched[name] = copy.deepcopy(value)
    return patched


def _changed(world: World, found: ApiObject, before: Json) -> None:
    if found.spec != before:
        found.generation += 1
        if not found.deleting:
            announce(world, found)


def delete(world: World, ref: str) -> None:
    """Deletes an object and does not wait.

    Raises:
        KeyError: there is no object `ref`.
    """
    found = world.objects[ref]
    if found.deleting:
        return
    if found.kind in FINALIZED:
        found.deleting, found.deleting_since = True, world.now
        found.generation += 1
    else:
        del world.objects[ref]
    announce(world, found)


def observed(world: World, event: ApiObject) -> None:
    """Takes in an object as a real API server has it now, generation included: a stand-in for Seldon hands on what it
    sees there. The operator notices a new object, a changed spec and a deletion; labels and annotations only stand.

    An event that is older than what is known here, because the simulation has written to the object since, tells
    nothing.

    Raises:
        ValueError: see `apply`.
    """
    _check(event.kind, event.spec)
    known = world.objects.get(event.ref)
    if known is None:
        world.objects[event.ref] = event
        announce(world, event)
    elif event.generation >= known.generation:
        notices = event.deleting > known.deleting or (event.spec != known.spec and not known.deleting)
        known.generation, known.deleting, known.spec = event.generation, event.deleting, event.spec
        known.labels, known.annotations = event.labels, event.annotations
        if notices:
            announce(world, known)


def vanished(world: World, ref: str) -> None:
    """An object is gone from the real API server. One that is not known (any more) is no error."""
    found = world.objects.pop(ref, None)
    if found is not None:
        announce(world, found)


def announce(world: World, found: ApiObject) -> None:
    """The operator notices an object: it takes in one after the other."""
    world.taken_in = max(world.now + timing.TAKE_IN, world.taken_in + world.rules.take_in_every)
    world.at(world.taken_in, "take in", found.ref)
