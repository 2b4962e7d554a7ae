"""Who owns which field of an object: `metadata.managedFields`, read; and what a conflict of owners says. Pure.

A field is named as the API server names it in a conflict: `.spec.replicas`, `.metadata.labels.team`. What is inside a
list, or inside a field that the schema leaves open, belongs to the field as a whole.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from reconciler.clusters.kubernetes.api import FIELD_MANAGER
from reconciler.errors import ActionRefused

Json = dict[str, Any]

HANDOVER = "model-reconciler-handover"
"""Field manager that keeps the value of what leaves Git until somebody else takes it (docs/decisions/0012)."""

RECORDS_MANAGER = "model-reconciler-records"
"""Field manager of the annotation `failed`, which is in no manifest: an apply of ours neither has nor drops it."""

REPLICAS = ".spec.replicas"

_SHOWN = ("replicas", "minReplicas", "maxReplicas", "memory", "server", "modelType", "serverConfig", "labels")
"""Fields whose values are told; of the others only the name, since they may hold what is secret."""


@dataclass(frozen=True, slots=True)
class Owner:
    """One field manager. `applies`: whether by server-side apply, which gives up what it no longer says."""

    manager: str
    applies: bool


OURS = Owner(FIELD_MANAGER, True)


class Shared(list[Json]):
    """The managedFields of objects, without times: most objects of a kind have the same ones, kept only once."""

    @functools.cached_property
    def owners(self) -> dict[str, frozenset[Owner]]:
        """As the function `owners`."""
        return _owners(self)

    @functools.cached_property
    def metadata_of_ours(self) -> frozenset[str]:
        """As the function `metadata_of_ours`."""
        return _metadata_of_ours(self.owners)


class Kept:
    """Managed fields seen so far, so that equal ones are the same object."""

    _MOST = 5000

    def __init__(self) -> None:
        self._known: dict[bytes, Shared] = {}

    def shared(self, managed_fields: list[Json]) -> Shared:
        """Returns `managed_fields` as kept."""
        timeless = [{name: value for name, value in entry.items() if name != "time"} for entry in managed_fields]
        key = orjson.dumps(timeless)
        if len(self._known) > self._MOST:
            self._known.clear()
        return self._known.setdefault(key, Shared(timeless))


def owners(found: Mapping[str, Any]) -> dict[str, frozenset[Owner]]:
    """Returns the owners of each field of a live object that has any; those of its subresources are left out."""
    entries = (found.get("metadata") or {}).get("managedFields") or []
    return entries.owners if isinstance(entries, Shared) else _owners(entries)


def _owners(entries: Iterable[Json]) -> dict[str, frozenset[Owner]]:
    result: dict[str, set[Owner]] = {}
    for entry in entries:
        if entry.get("subresource") == "status":
            continue
        owner = Owner(str(entry.get("manager", "")), entry.get("operation") == "Apply" and not entry.get("subresource"))
        for path in _paths(entry.get("fieldsV1") or {}):
            result.setdefault(_named(path), set()).add(owner)
    return {path: frozenset(who) for path, who in result.items()}


def _paths(fields: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    inner = {name[2:]: value for name, value in fields.items() if name.startswith("f:")}
    if above and not inner:
        yield above
    for name, value in inner.items():
        yield from _paths(value if isinstance(value, dict) else {}, (*above, name))


def _named(path: tuple[str, ...]) -> str:
    return "".join(f".{name}" for name in path)


def owned(found: Mapping[str, Any], owner: Owner = OURS) -> frozenset[str]:
    """Returns the fields of a live object that `owner` owns."""
    return frozenset(path for path, who in owners(found).items() if owner in who)


def metadata_of_ours(found: Mapping[str, Any]) -> frozenset[str]:
    """Returns the labels and annotations of a live object that we own, such as `.metadata.labels.team`."""
    entries = (found.get("metadata") or {}).get("managedFields")
    return entries.metadata_of_ours if isinstance(entries, Shared) else _metadata_of_ours(owners(found))


def _metadata_of_ours(known: Mapping[str, frozenset[Owner]]) -> frozenset[str]:
    return frozenset(path for path, who in known.items() if OURS in who and path.startswith(".metadata."))


def solely_owned(found: Mapping[str, Any], owner: Owner = OURS) -> frozenset[str]:
    """Returns the fields that nobody but `owner` owns: without it they would be gone."""
    return frozenset(path for path, who in owners(found).items() if who == {owner})


def within(fields: Iterable[str], above: str) -> bool:
    """Returns whether one of `fields` is the field `above`, or inside it."""
    return any(field == above or field.startswith(f"{above}.") for field in fields)


def leaves(document: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Returns every field of an object that holds no other field, with its value."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        path = f"{above}.{name}"
        found |= leaves(value, path) if isinstance(value, dict) and value else {path: value}
    return found


@dataclass(frozen=True, slots=True)
class Contested:
    """A field that others own and that we would write otherwise.

    Attributes:
        wanted, live: values, None where there is none.
    """

    field: str
    managers: tuple[str, ...]
    wanted: Any
    live: Any


def contested(fields: Iterable[str], document: Mapping[str, Any], found: Mapping[str, Any] | None) -> list[Contested]:
    """Returns who owns `fields` of the live object beside us, and what both sides say."""
    known, wanted, live = owners(found or {}), leaves(document), leaves(found or {})
    result = []
    for field in sorted(set(fields)):
        inside = [who for path, who in known.items() if path == field or path.startswith(f"{field}.")]
        managers = {owner.manager for who in inside for owner in who if owner != OURS}
        result.append(Contested(field, tuple(sorted(managers)), wanted.get(field), live.get(field)))
    return result


def left_by_others(document: Mapping[str, Any], found: Mapping[str, Any]) -> list[Contested]:
    """Returns fields of the live spec that others own and `document` has not: an apply of it would not remove them."""
    wanted, spec, known = document.get("spec") or {}, found.get("spec") or {}, owners(found)
    extra = [f".spec.{name}" for name in spec if name not in wanted]
    return [
        each
        for each in contested(extra, document, found)
        if each.managers and not within((path for path, who in known.items() if OURS in who), each.field)
    ]


def refusal(kind: str, name: str, fields: list[Contested]) -> ActionRefused:
    """Returns the error that names every contested field, who owns it, what both sides say, and how to settle it."""
    count = len(fields)
    what = f"{kind} {name}: {count} field{'' if count == 1 else 's'} of it belong{'s' if count == 1 else ''} to others"
    said = "; ".join(_said(each) for each in fields[:10]) + (f"; and {count - 10} more" if count > 10 else "")
    fix = "take them over with --force-conflicts, or make Git say what is live, or leave out of Git what others decide"
    return ActionRefused(what, why=said, fix=fix)


def _said(each: Contested) -> str:
    who = ", ".join(each.managers) or "somebody else"
    if not any(part in _SHOWN for part in each.field.split(".")):
        return f"{each.field} is {who}'s" + (", and Git has none" if each.wanted is None else "")
    live = "is unset" if each.live is None else f"is {each.live}"
    return f"{each.field} {live} by {who}, would become {'unset' if each.wanted is None else each.wanted}"


def seized(found: Mapping[str, Any], fields: Iterable[str]) -> list[Json]:
    """Returns the managedFields of a live object with `fields` taken from everybody else and given to us.

    Only so can an apply of ours remove what others wrote.
    """
    above, taken, others, ours = tuple(fields), set[tuple[str, ...]](), [], _nothing_yet(found)
    for entry in (found.get("metadata") or {}).get("managedFields") or []:
        fields_of_it = entry.get("fieldsV1") or {}
        if (entry.get("manager"), entry.get("operation"), entry.get("subresource")) == (FIELD_MANAGER, "Apply", None):
            ours = entry
        elif entry.get("subresource") == "status":
            others.append(entry)
        else:
            here = {path for path in _paths(fields_of_it) if any(within([_named(path)], field) for field in above)}
            taken |= here
            left = _without(fields_of_it, here) if here else fields_of_it
            others += [{**entry, "fieldsV1": left}] if left else []
    return [{**ours, "fieldsV1": _with(ours.get("fieldsV1") or {}, taken)}, *others]


def _nothing_yet(found: Mapping[str, Any]) -> Json:
    rest: Json = {"apiVersion": found.get("apiVersion"), "fieldsType": "FieldsV1", "fieldsV1": {}}
    return {"manager": FIELD_MANAGER, "operation": "Apply", **rest}


def _without(fields: Mapping[str, Any], paths: set[tuple[str, ...]], above: tuple[str, ...] = ()) -> Json:
    result: Json = {}
    for name, value in fields.items():
        path = (*above, name[2:])
        if path in paths:
            continue
        left = _without(value, paths, path) if name.startswith("f:") and value else value
        if left or not value:
            result[name] = left
    return {} if set(result) == {"."} else result


def _with(fields: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> Json:
    result = dict(fields)
    for first, *rest in paths:
        inner = result.get(f"f:{first}") or {}
        result[f"f:{first}"] = _with(inner, [tuple(rest)] if rest else [])
    return result
