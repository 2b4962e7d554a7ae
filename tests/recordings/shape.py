"""What a part of a file must look like, or the file cannot be played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class MalformedRecording(Exception):
    """A file that is no recording, or that holds what cannot be played. Its text says what, in one line."""


def mapping(found: object, where: str) -> Mapping[str, Any]:
    """Returns `found` as a mapping, an empty one for nothing.

    Raises:
        MalformedRecording: it is neither.
    """
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise MalformedRecording(f"{where} is not a mapping")
    return found


def sequence(found: object, where: str) -> Sequence[Any]:
    """Returns `found` as a list, an empty one for nothing.

    Raises:
        MalformedRecording: it is neither.
    """
    if found is None:
        return []
    if not isinstance(found, list):
        raise MalformedRecording(f"{where} is not a list")
    return found


def number(found: object, where: str) -> float:
    """Returns `found` as a number.

    Raises:
        MalformedRecording: it is none.
    """
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise MalformedRecording(f"{where} is not a number")
    return float(found)
