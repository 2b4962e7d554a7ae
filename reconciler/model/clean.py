"""What may not be told, in reports or on objects: secrets, and characters that a terminal or a browser would act on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from reconciler.model.manifests import Parameter

HIDDEN = "***"
"""Stands for whatever was left out."""

_LONGEST = 1000
_NOT_PRINTED = frozenset({"Cc", "Cf", "Cs", "Co"})
_WORDS = r"secret|token|passw(?:or)?d|passphrase|key|credential|signature|authorization"
_SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"([A-Za-z][\w+.-]*://)[^\s/@]+@")
_ASSIGNMENT = re.compile(
    rf"""([\w.-]*(?:{_WORDS})[\w.-]*["']?\s*[=:]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',;&]+""", re.IGNORECASE
)
_SHORTEST_SECRET = 4


def secret_values(parameters: Iterable[Parameter]) -> frozenset[str]:
    """Returns the values of those `parameters` whose name says that they are secret."""
    return frozenset(p.value for p in parameters if _SECRET_NAME.search(p.name) and len(p.value) >= _SHORTEST_SECRET)


def printable(text: str) -> str:
    """Returns `text` on one line, without control and other invisible characters, and not without end."""
    line = " ".join(text.split())
    line = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _NOT_PRINTED else c for c in line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def without_credentials(url: str) -> str:
    """Returns `url`, or a text that holds some, without users and passwords, on one line."""
    return _URL_CREDENTIALS.sub(rf"\g<1>{HIDDEN}@", printable(url))


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """Returns free text of a cluster or a library as it may be reported.

    Args:
        secrets: values that are left out wherever they stand, beside what looks like a secret by itself.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _ASSIGNMENT.sub(rf"\g<1>{HIDDEN}", without_credentials(text))
