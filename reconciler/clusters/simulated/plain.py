"""Records to plain data that YAML and JSON can hold, and back: what makes a simulation go on where it stood."""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Mapping, Set
from typing import Any


def to_plain(value: Any) -> Any:
    """Returns `value` as dicts with text keys, lists, text, numbers, booleans and None."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): to_plain(content) for name, content in value.items()}
    if isinstance(value, Set):
        return sorted(to_plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def to_json(value: Any) -> str:
    """Returns `to_plain(value)` as JSON text, quickly: a state is saved whenever something happens in it."""
    return json.dumps(value, default=_opened, ensure_ascii=False)


def _opened(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Set):
        return sorted(value)
    return to_plain(value)


def from_plain(kind: Any, plain: Any) -> Any:
    """Returns the value of type `kind` that `plain` stands for. Inverse of `to_plain`; what is not given is default.

    Raises:
        TypeError, ValueError, KeyError: `plain` stands for none.
    """
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = next(part for part in parts if part is not type(None))
        return None if plain is None else from_plain(inner, plain)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return typing.cast(Any, kind)(**{name: from_plain(hints[name], value) for name, value in plain.items()})
    if origin is not None and issubclass(origin, Mapping):
        return {_key(parts[0], name): from_plain(parts[1], value) for name, value in plain.items()}
    if origin in (list, frozenset):
        return origin(from_plain(parts[0], item) for item in plain)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(plain)
    return float(plain) if kind is float else plain


def _key(kind: Any, name: str) -> Any:
    return int(name) if kind is int else name
