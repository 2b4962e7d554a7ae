"""What a cluster said when it was asked beforehand whether it would take what a plan writes, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """One object that would not be taken.

    Attributes:
        kind: `Model`, `Server`, `Experiment` or `Pipeline`. detail: who says no, and why.
        fix: what would help, may be empty.
    """

    kind: str
    name: str
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """`refusals`: sorted. `unasked`: why the cluster was not asked, empty if it was."""

    refusals: tuple[Refusal, ...] = ()
    unasked: str = ""
