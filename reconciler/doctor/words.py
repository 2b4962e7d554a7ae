"""How findings name things: texts of the cluster made safe to print, places, and lists that do not run on."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.clean import clean
from reconciler.model.live import LiveModel, LiveVersion

_SHOWN = 5


def told(text: str) -> str:
    """Returns free text of the cluster without secrets and unprintable characters, and without its full stop."""
    return clean(text).rstrip(". ")


def artifact(model: LiveModel) -> str:
    """Returns where the live version's artifact is."""
    return clean(model.spec.storage_uri)


def ended(model: LiveModel, live: LiveVersion) -> str:
    """Returns how the live version ended, in the cluster's own words where it gives any."""
    what = f"version {live.number} ({artifact(model)}) is {live.state}"
    return f"{what}: {told(live.reason)}" if live.reason else what


def places(version: LiveVersion) -> str:
    """Returns the server replicas that `version` is on, such as `mlserver/0 and 1`."""
    return f"{version.server}/{_and([str(index) for index in version.occupied])}"


def some(names: Iterable[str]) -> str:
    """Returns `names` in a few words: the first ones, and how many more there are."""
    every = list(names)
    if len(every) <= _SHOWN:
        return _and(every)
    return f"{', '.join(every[: _SHOWN - 1])} and {len(every) - _SHOWN + 1} more"


def several(number: int, word: str) -> str:
    """Returns such as `1 replica` or `2 replicas`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
