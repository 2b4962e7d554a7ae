"""How problems name things of a manifest. Echoes keys and names only, never a value, and never a control character."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

Path = tuple[str | int, ...]
"""Way from the top of a document to a value: keys and indices."""

_LONGEST_SHOWN = 80


def shown(text: str) -> str:
    """Returns `text` (a key or a name) fit for a terminal: control characters escaped, cut when long."""
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return safe if len(safe) <= _LONGEST_SHOWN else safe[:_LONGEST_SHOWN] + "…"


def field_name(path: Path) -> str:
    """Returns `path` as people write it.

    >>> field_name(("spec", "parameters", 0, "value")), field_name(("metadata", "labels", "example.com/a"))
    ('spec.parameters[0].value', 'metadata.labels[example.com/a]')
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif "." in step or "/" in step:
            text += f"[{shown(step)}]"
        else:
            text += f".{shown(step)}" if text else shown(step)
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the one of `known` that `word` was probably meant to be, None when none is near."""
    names = {name.lower(): name for name in sorted(known)}
    found = difflib.get_close_matches(word.lower()[:_LONGEST_SHOWN], names, n=1, cutoff=0.6)
    return names[found[0]] if found else None


def listed(words: Iterable[str], link: str = "or") -> str:
    """Returns `words` as `a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} {link} {last}" if first else last


def a_kind(kind: str) -> str:
    """Returns such as `a Model` or `an Experiment`."""
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
