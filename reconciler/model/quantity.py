"""Kubernetes quantities (`300k`, `1Gi`, `1e3`) to bytes, and bytes to text for people.

Source of the grammar: Kubernetes API conventions, resource.Quantity. The `kubernetes` package has a parser as well, but
importing it costs most of the start-up time of a `plan` that needs no API server, and it takes `1e3` for an error.
"""

from __future__ import annotations

import re
from decimal import Decimal

_SUFFIXES = {"m": Decimal("0.001"), "": Decimal(1)}
_SUFFIXES |= {suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)}
_SUFFIXES |= {suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,2})|(m|[kMGTPE]|[KMGTPE]i))?")


def parse_quantity(text: str | int) -> int:
    """Returns the bytes that `text` stands for, fractions rounded up as Kubernetes does.

    Raises:
        ValueError: `text` is not a quantity.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"not a quantity: {text!r}")
    number, exponent, suffix = match.groups()
    value = Decimal(number + (exponent or "")) * _SUFFIXES[suffix or ""]
    return int(value.to_integral_value(rounding="ROUND_CEILING"))


def format_bytes(count: int) -> str:
    """Returns `count` bytes for a person: exact in the largest decimal unit that leaves at most three decimals.

    >>> format_bytes(300_000), format_bytes(1_100_000_000), format_bytes(-1_234)
    ('300k', '1.1G', '-1.234k')
    """
    for suffix in ("E", "P", "T", "G", "M", "k"):
        unit = int(_SUFFIXES[suffix])
        if abs(count) >= unit and count % (unit // 1000) == 0:
            return (
                f"{Decimal(count) / unit:f}".rstrip("0").rstrip(".") + suffix
                if count % unit
                else f"{count // unit}{suffix}"
            )
    return str(count)
