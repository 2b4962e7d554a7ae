"""JSON text that is equal where the values are."""

from __future__ import annotations

import json
from typing import Any


def canonical_json(value: Any) -> str:
    """Returns `value` as JSON text with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
