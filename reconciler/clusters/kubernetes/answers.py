"""What the API server's errors mean, as errors of ours that carry what it said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from reconciler.errors import ActionRefused, ClusterError, ClusterUnavailable


@dataclass(frozen=True, slots=True)
class Cause:
    """One of the causes in an API server's answer: `field` such as `.spec.replicas`, and what is wrong with it."""

    reason: str
    field: str
    message: str


class Refused(ActionRefused):
    """The API server understood and said no: 400, 405, 422 and the like, an admission webhook's no among them.

    Attributes:
        status: the HTTP status. causes: as it gave them.
    """

    def __init__(self, what: str, status: int, *, why: str = "", fix: str = "", causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(what, why=why, fix=fix)
        self.status = status
        self.causes = causes


class Changed(ClusterUnavailable):
    """Somebody wrote to the object since it was looked at: what the write was to rest on has to be looked at again."""


class NotFound(Refused):
    """404: there is no such object, or no such kind."""


class Conflict(Refused):
    """409: the object changed meanwhile, exists already, or fields of a server-side apply belong to others."""


class Expired(Refused):
    """410: the resource version or the continue token is too old; list anew."""


class Forbidden(Refused):
    """401 or 403."""


_TROUBLE = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which another try may succeed."""

_KINDS: Mapping[int, type[Refused]] = {
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
}


_OTHER_CLUSTER = "check that this is the cluster you mean, and that Seldon Core 2 is installed on it"


def error_of(status: int, body: bytes, about: str) -> ClusterError:
    """Returns what an answer that is no success means.

    Args:
        status: the HTTP status. body: the answer, a `Status` object as a rule. about: what was asked, for people, such
            as `patch models.mlops.seldon.io iris in seldon`.
    """
    said = _status(body)
    message = _text(said.get("message")) or f"HTTP {status}"
    if status in _TROUBLE:
        return ClusterUnavailable(f"the API server cannot answer now: {about}", why=message)
    kind = _KINDS.get(status, Refused)
    no_such_kind = status == 404 and bool(body) and not said  # a plain text for a path that it does not know
    if no_such_kind:
        message = "the cluster has no such kind"
    fix = _OTHER_CLUSTER if no_such_kind else _fix(status)
    return kind(f"the API server refused: {about}", status, why=message, fix=fix, causes=_causes(said))


def _fix(status: int) -> str:
    if status == 401:
        return "check the credentials of the kubeconfig or the pod's ServiceAccount; they may have expired"
    if status == 403:
        return "grant the permission; deploy/ has a Role with all that is needed"
    return ""


def _status(body: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _causes(said: Mapping[str, Any]) -> tuple[Cause, ...]:
    details = said.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return tuple(
        Cause(_text(cause.get("reason")), _text(cause.get("field")), _text(cause.get("message")))
        for cause in (causes if isinstance(causes, list) else [])
        if isinstance(cause, dict)
    )


def _text(found: object) -> str:
    return " ".join(found.split()) if isinstance(found, str) else ""
