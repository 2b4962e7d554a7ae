"""What an observed model's state means. Pure: states in, answers out; decides nothing.

The terms are the glossary's: *serving version*, *on the air*, *whole*, *rollout*.
"""

from __future__ import annotations

from reconciler.model.live import LiveModel, LiveVersion, VersionState


def serving_version(model: LiveModel) -> LiveVersion | None:
    """Returns the version that answers (most of) the requests, None when the model is off the air.

    A version in the route answers only while one of its replicas is available, or drains.
    """
    serving = [(weight, version) for version, weight in _route(model) if weight > 0 and version.answering > 0]
    return max(serving, key=lambda pair: (pair[0], pair[1].number))[1] if serving else None


def on_the_air(model: LiveModel) -> bool:
    """Returns whether some version answers."""
    return serving_version(model) is not None


def is_whole(version: LiveVersion) -> bool:
    """Returns whether `version` is `ModelAvailable` with as many replicas available as its live spec asks."""
    return version.state is VersionState.AVAILABLE and version.available >= version.wanted


def load_failed(version: LiveVersion) -> bool:
    """Returns whether loads of `version` ended, and failed: not the same as a version that could not be placed."""
    return version.state is VersionState.FAILED and not version.loading


def leftovers(model: LiveModel) -> tuple[LiveVersion, ...]:
    """Returns the versions older than the live one that still take memory, oldest first."""
    return tuple(version for version in model.versions[:-1] if version.occupied)


def carries_all_traffic(model: LiveModel, number: int) -> bool:
    """Returns whether version `number` is the only one in the route with weight."""
    return [n for n, weight in model.route if weight > 0] == [number]


def rollout_under_way(model: LiveModel) -> bool:
    """Returns whether the way to the live version has begun and goes on by itself.

    It does while a load of that version is in flight, and while it is loaded but does not carry all traffic yet or an
    older version still takes memory. It does not when the version ended as failed, could not be placed, or got only
    some of its replicas and not the route. A version that only grows or shrinks in place is not on its way either.
    """
    live = model.live_version
    if live is None:
        return False
    progressing = live.state is VersionState.PROGRESSING
    if live.loading or progressing:
        return live.available == 0 or not progressing or bool(leftovers(model))
    if live.state is not VersionState.AVAILABLE or live.available == 0:
        return False
    shifted = carries_all_traffic(model, live.number)
    return bool(leftovers(model)) if shifted else is_whole(live)


def _route(model: LiveModel) -> list[tuple[LiveVersion, int]]:
    known = ((model.version(number), weight) for number, weight in model.route)
    return [(version, weight) for version, weight in known if version is not None]
