"""What an unquoted YAML scalar says, by YAML 1.1 and by YAML 1.2: the two differ, and tools follow one or the other.

Kubernetes' tools read by rules near 1.1 and many editors and linters by 1.2. Where the two readings differ the value
depends on the tool, so such a scalar is refused; where they agree it is what both say. Pure; knows no document.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

Value = str | int | float | bool | None

_LONGEST_NUMBER = 64
_MAYBE_SPECIAL = frozenset("+-.0123456789~<=nNtTyYfFoO")

_BOOL_12 = {text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")}
_YES = ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON")
_NO = ("n", "N", "no", "No", "NO", "off", "Off", "OFF")
_BOOL_11 = _BOOL_12 | dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

_INT_12 = re.compile(r"[-+]?[0-9]+")
_BASED_12 = re.compile(r"0o([0-7]+)|0x([0-9a-fA-F]+)")
_FLOAT_12 = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_INT_11 = re.compile(
    r"[-+]?(?:0b(?P<two>[01_]+)|0x(?P<sixteen>[0-9a-fA-F_]+)|0(?P<eight>[0-7_]+)|(?P<ten>0|[1-9][0-9_]*))"
)
_BASES_11 = {"two": 2, "eight": 8, "ten": 10, "sixteen": 16}
_FLOAT_11 = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?")
_SEXAGESIMAL_11 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE_11 = re.compile(
    r"\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one version of YAML reads.

    Attributes:
        value: the value; for a kind that JSON lacks (a date), the text.
        kind: the kind of value in people's words. shown: kind and value in people's words.
    """

    value: Value
    kind: str
    shown: str

    def same(self, other: Reading) -> bool:
        """Whether both are the same value of the same kind."""
        return self.kind == other.kind and (self.value == other.value or self.shown == other.shown)


@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[Reading, Reading]:
    """Returns what YAML 1.1 and what YAML 1.2 (core schema) read in the plain scalar `text`."""
    if text and (text[0] not in _MAYBE_SPECIAL or len(text) > _LONGEST_NUMBER):
        reading = Reading(text, "text", "the text as written")
        return reading, reading
    return _reading(_value_11(text), text), _reading(_value_12(text), text)


def kind_of(value: object) -> str:
    """Returns the kind of a YAML value in people's words."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a map"


class _Date(str):
    __slots__ = ()


def _reading(value: Value, text: str) -> Reading:
    if isinstance(value, _Date):
        return Reading(str(value), "a date", "a date")
    if isinstance(value, str):
        return Reading(text, "text", "the text as written")
    if value is None:
        return Reading(None, "empty", "an empty value")
    if isinstance(value, bool):
        return Reading(value, "true or false", "true" if value else "false")
    return Reading(value, "a number", f"the number {value}")


def _value_12(text: str) -> Value:
    if text in _NULLS:
        return None
    if text in _BOOL_12:
        return _BOOL_12[text]
    if _INT_12.fullmatch(text):
        return int(text)
    if based := _BASED_12.fullmatch(text):
        return int(based[1], 8) if based[1] else int(based[2], 16)
    if _FLOAT_12.fullmatch(text):
        return float(text)
    return _infinite(text)


def _value_11(text: str) -> Value:
    if text in _NULLS:
        return None
    if text in _BOOL_11:
        return _BOOL_11[text]
    digits = text.replace("_", "")
    if whole := _INT_11.fullmatch(text):
        return _integer_11(whole)
    if _FLOAT_11.fullmatch(text):
        return float(digits)
    if _SEXAGESIMAL_11.fullmatch(text):
        return _sexagesimal(digits)
    return _Date(text) if _DATE_11.fullmatch(text) else _infinite(text)


def _integer_11(match: re.Match[str]) -> int:
    group, digits = next((name, found) for name, found in match.groupdict().items() if found is not None)
    number = int(digits.replace("_", "") or "0", _BASES_11[group])
    return -number if match[0].startswith("-") else number


def _sexagesimal(text: str) -> int | float:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.lstrip("+"))
    total: int | float = 0
    for part in digits.split(":"):
        total = total * 60 + (float(part) if "." in part else int(part))
    return sign * total


def _infinite(text: str) -> Value:
    if _INFINITE.fullmatch(text) is None:
        return text
    if text[-3:].lower() == "nan":
        return math.nan
    return -math.inf if text.startswith("-") else math.inf
