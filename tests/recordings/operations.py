"""The operations of a recording, one class each (tests/recorded/README.md, "Operations")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.recordings.shape import MalformedRecording, mapping, number, sequence


@dataclass(frozen=True)
class Apply:
    """One server-side apply of all `objects` (kind, name, spec)."""

    objects: tuple[Mapping[str, Any], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objects, as given."""
        return tuple(str(found.get("name", "")) for found in self.objects)


@dataclass(frozen=True)
class Delete:
    """Deletes the object `ref` (`Kind/name`) and does not wait."""

    ref: str


@dataclass(frozen=True)
class Patch:
    """A merge patch of the object `ref`."""

    ref: str
    merge: Mapping[str, Any]


@dataclass(frozen=True)
class Wait:
    """Nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class SetArtifacts:
    """The artifacts of these names behave like this from now on."""

    behaviours: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class RestartScheduler:
    """The scheduler's process is restarted."""


@dataclass(frozen=True)
class Kill:
    """The processes of one server replica end, without draining."""

    server: str
    replica: int


Operation = Apply | Delete | Patch | Wait | SetArtifacts | RestartScheduler | Kill


def read_operation(found: object, where: str) -> Operation:
    """Returns the operation that `found` describes.

    Raises:
        MalformedRecording: it is none we know.
    """
    raw = mapping(found, where)
    names = [name for name in _READERS if name in raw]
    if len(names) != 1:
        raise MalformedRecording(f"{where}: unknown operation {', '.join(map(str, raw)) or 'without a name'}")
    return _READERS[names[0]](raw, where)


def _apply(raw: Mapping[str, Any], where: str) -> Apply:
    found = tuple(mapping(entry, f"{where}: an object") for entry in sequence(raw["apply"], f"{where}: apply"))
    for entry in found:
        if not isinstance(entry.get("kind"), str) or not isinstance(entry.get("name"), str):
            raise MalformedRecording(f"{where}: an object to apply has no kind or no name")
    return Apply(found)


def _ref(found: object, where: str) -> str:
    if not isinstance(found, str) or found.count("/") != 1:
        raise MalformedRecording(f"{where}: {found!r} is not Kind/name")
    return found


def _patch(raw: Mapping[str, Any], where: str) -> Patch:
    return Patch(_ref(raw["patch"], where), mapping(raw.get("merge"), f"{where}: merge"))


def _artifact(raw: Mapping[str, Any], where: str) -> SetArtifacts:
    found = mapping(raw["artifact"], f"{where}: artifact")
    return SetArtifacts({str(name): mapping(how, f"{where}: artifact {name}") for name, how in found.items()})


def _restart(raw: Mapping[str, Any], where: str) -> RestartScheduler:
    if raw["restart"] != "scheduler":
        raise MalformedRecording(f"{where}: only the scheduler can be restarted, not {raw['restart']!r}")
    return RestartScheduler()


def _kill(raw: Mapping[str, Any], where: str) -> Kill:
    server, _, replica = _ref(raw["kill"], where).partition("/")
    if not replica.isdigit():
        raise MalformedRecording(f"{where}: {raw['kill']!r} is not server/replica")
    return Kill(server, int(replica))


_READERS: Mapping[str, Callable[[Mapping[str, Any], str], Operation]] = {
    "apply": _apply,
    "delete": lambda raw, where: Delete(_ref(raw["delete"], where)),
    "patch": _patch,
    "wait": lambda raw, where: Wait(number(raw["wait"], f"{where}: wait")),
    "artifact": _artifact,
    "restart": _restart,
    "kill": _kill,
}
