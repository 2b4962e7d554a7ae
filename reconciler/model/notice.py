"""What is told on the cluster about a pass, as frozen data: single notices on objects, and a summary."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Notice:
    """One thing to tell about one object.

    Attributes:
        kind: `Model`, `Server`, `Experiment` or `Pipeline`. reason: one word in CamelCase, such as `RolledOut`.
        text: one sentence for people, holding nothing secret. warning: whether somebody should look.
    """

    kind: str
    name: str
    reason: str
    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """A pass in a few words.

    Attributes:
        commit: of the manifests. ended: as ISO 8601, empty while it runs.
    """

    verdict: str
    text: str
    commit: str
    exit_code: int
    ended: str = ""
