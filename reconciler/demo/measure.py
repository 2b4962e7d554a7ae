"""What the recorded requests of a step say: how many, how many failed and why, how fast. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the client saw it.

    Attributes:
        start, end: seconds on the client's monotonic clock. status: the HTTP status, 0 when there was no answer.
        version: the `model_version` of the answer, empty when there was none. error: why there was no answer.
    """

    start: float
    end: float
    status: int
    version: str = ""
    error: str = ""

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return (self.end - self.start) * 1000


@dataclass(frozen=True, slots=True)
class Expected:
    """Which versions may answer: `before` at first and, if it is another, `after` from its first answer on."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Window:
    """The moments between which a change was under way, on the clock of the requests."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in milliseconds over `requests` requests; None where there was no request."""

    requests: int
    p50: float | None
    p99: float | None


def latency(requests: Iterable[Request]) -> Latency:
    """Returns the percentiles of `requests`, failed ones included: a time-out is slow, not absent."""
    times = sorted(request.milliseconds for request in requests)
    return Latency(len(times), percentile(times, 50), percentile(times, 99))


def percentile(ordered: list[float], percent: int) -> float | None:
    """Returns the smallest of the `ordered` values that at least `percent` % of them do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


def phases(requests: Iterable[Request], change: Window) -> tuple[list[Request], list[Request], list[Request]]:
    """Returns the requests that ended before the change, those that touch it, and those that began after it."""
    before: list[Request] = []
    during: list[Request] = []
    after: list[Request] = []
    for request in requests:
        (before if request.end < change.start else after if request.start > change.end else during).append(request)
    return before, during, after


def failures(requests: Iterable[Request], change: Window, expected: Expected) -> Counter[str]:
    """Returns why requests failed, and how many for each reason; empty when none did.

    A request failed when it was not answered with 200 in time, or by a version that should not have answered: the new
    one before the change began, the old one to a request that began after the change was over or after the new one
    had answered somebody, any other one ever.
    """
    answered = list(requests)
    taken_over = min(
        (r.end for r in answered if r.version == expected.after and expected.after != expected.before), default=None
    )
    found: Counter[str] = Counter()
    for request in answered:
        reason = _failure(request, change, expected, taken_over)
        if reason:
            found[reason] += 1
    return found


def _failure(request: Request, change: Window, expected: Expected, taken_over: float | None) -> str:
    if request.status != 200:
        return request.error or f"status {request.status}"
    if request.version not in (expected.before, expected.after):
        return f"answered by {request.version or 'no version'}"
    if expected.before == expected.after:
        return ""
    if request.version == expected.after:
        return f"{expected.after} answered before the change" if request.end < change.start else ""
    late = request.start > change.end or (taken_over is not None and request.start > taken_over)
    return f"{expected.before} answered after {expected.after} had taken over" if late else ""
