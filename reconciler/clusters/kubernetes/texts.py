"""Labels and annotations of an object, whoever wrote them."""

from __future__ import annotations


def texts(found: object) -> dict[str, str]:
    """Returns labels or annotations; what is no text is left out."""
    items = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in items if isinstance(value, str)}
