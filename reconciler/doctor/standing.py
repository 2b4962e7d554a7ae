"""Where a model stands: which kind of hazard, if any, its state is. Every model stands at exactly one place. Pure."""

from __future__ import annotations

import enum

from reconciler.health import is_whole, on_the_air, serving_version
from reconciler.model.live import LiveModel, VersionState

PROBE = "model-reconciler-probe"
"""What the names of throw-away models of ours begin with."""


class Standing(enum.Enum):
    """What a model's state comes to.

    LEAVING     being deleted                       PROBE       a throw-away model of ours
    ASLEEP      asked to have no replica            COMING      its first version is on its way
    GAP         off the air while a version loads   LOADED      off the air though a version is loaded
    NOT_PLACED  off the air, nothing placed         FAILED      off the air, every load failed
    OFF         off the air, nobody says why        NOT_WHOLE   answers, and the next update would be an outage
    FEWER       whole as its scheduler sees it, on fewer replicas than asked
    OLDER       an older version answers, whole     WELL        nothing of the kind
    """

    LEAVING = enum.auto()
    PROBE = enum.auto()
    ASLEEP = enum.auto()
    COMING = enum.auto()
    GAP = enum.auto()
    LOADED = enum.auto()
    NOT_PLACED = enum.auto()
    FAILED = enum.auto()
    OFF = enum.auto()
    NOT_WHOLE = enum.auto()
    FEWER = enum.auto()
    OLDER = enum.auto()
    WELL = enum.auto()


def standing(model: LiveModel) -> Standing:
    """Returns where `model` stands."""
    if model.deleting:
        return Standing.LEAVING
    if model.name.startswith(PROBE):
        return Standing.PROBE
    version = model.live_version
    asleep = model.spec.wanted_replicas == 0 or (version is not None and version.state is VersionState.SCALED_DOWN)
    if on_the_air(model):
        return _serving(model)
    return Standing.ASLEEP if asleep else _off_the_air(model)


def _off_the_air(model: LiveModel) -> Standing:
    version = model.live_version
    if version is None:
        return Standing.OFF
    if version.loading or version.state is VersionState.PROGRESSING:
        answered = any(older.available for older in model.versions[:-1])
        return Standing.GAP if answered else Standing.COMING
    if any(known.available for known in model.versions):
        return Standing.LOADED
    if version.state is VersionState.SCHEDULE_FAILED:
        return Standing.NOT_PLACED
    return Standing.FAILED if version.state is VersionState.FAILED else Standing.OFF


def _serving(model: LiveModel) -> Standing:
    """A version keeps its route through an update only while it is exactly `ModelAvailable` (docs/seldon.md, "The rule
    behind every outage")."""
    serving, live = serving_version(model), model.live_version
    assert serving is not None
    assert live is not None
    if serving != live and serving.state is VersionState.TERMINATING and live.available:
        return Standing.WELL  # the live version has just taken over
    if serving.state is VersionState.UNKNOWN:
        return Standing.WELL  # told as what it is: unknown
    if serving.state is not VersionState.AVAILABLE:
        return Standing.NOT_WHOLE
    if live != serving and live.state is VersionState.FAILED and live.available:
        return Standing.NOT_WHOLE
    if live != serving and live.state in (VersionState.FAILED, VersionState.SCHEDULE_FAILED):
        return Standing.OLDER
    return Standing.WELL if live != serving or is_whole(serving) else Standing.FEWER
