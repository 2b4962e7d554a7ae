"""What the doctor says, as frozen data: findings, each of one hazard, from which text and JSON are rendered."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass

FORMAT_VERSION = "1"
"""Version of the data's shape; it changes when a reader of the old one would be misled."""


class Severity(enum.StrEnum):
    """How bad a finding is; the worst first."""

    OUTAGE = "outage now"
    NEXT_CHANGE = "next change is an outage"
    RISK = "risk"


class Hazard(enum.StrEnum):
    """What is found, in the order in which it is told where severities are equal."""

    LOADED_OFF_THE_AIR = "loaded-but-off-the-air"
    NOT_PLACED = "not-placed"
    LOAD_FAILED = "load-failed"
    UNTOLD = "cannot-tell"
    OFF_THE_AIR = "off-the-air"
    NO_SUCH_SERVER = "no-such-server"
    SERVER_GOING = "server-being-deleted"
    NOT_WHOLE = "not-whole"
    TOO_MANY_REPLICAS = "more-replicas-than-the-server"
    NO_ROOM_BESIDE = "no-room-for-a-second-version"
    AUTOSCALER = "autoscaler-shrinks"
    FROZEN_ROUTES = "experiment-freezes-routes"
    BAD_DEFAULT = "experiment-default"
    BAD_CANDIDATE = "experiment-candidate"
    LEAK = "room-leaked"
    REFUSED = "placement-refused"
    STUCK_DELETION = "deletion-stuck"
    NOT_TAKEN_IN = "not-taken-in"
    SERVER_NOT_WHOLE = "server-not-whole"
    OVERCOMMITTED = "overcommit-in-use"
    UNKNOWN_MEMORY = "memory-unknown"
    LAST_REPLICA = "stranded-without-the-last-replica"
    PROBE_LEFT = "probe-left-behind"


@dataclass(frozen=True, slots=True)
class Fix:
    """What a person may do: a sentence, and the command that does it where there is one."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One hazard of one object.

    Attributes:
        kind: `Model`, `Server` or `Experiment`. name, namespace: the object's.
        title: what is wrong, in a few words that go on after the object's name.
        what: what was seen. consequence: what will happen, or happens already.
        fixes: any of them helps, the gentlest first; empty where there is only to wait, as `consequence` says.
        models: the models concerned, sorted; of a finding on a model, the others.
    """

    hazard: Hazard
    severity: Severity
    kind: str
    name: str
    title: str
    what: str
    consequence: str
    fixes: tuple[Fix, ...] = ()
    models: tuple[str, ...] = ()
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found on one cluster (schemas/doctor.schema.json).

    Attributes:
        cluster: how it is named. observed_at: Unix time in seconds. models, servers: how many were looked at.
        findings: the worst first. notes: what could not be looked at, as sentences.
        unverified: why what is told could not be confirmed by whoever schedules; empty if it was.
    """

    cluster: str
    observed_at: float
    models: int
    servers: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    unverified: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", tuple(sorted(self.findings, key=_rank)))

    @property
    def exit_code(self) -> int:
        """4 if there is any hazard, else 0 (docs/guide.md, "Exit codes")."""
        return 4 if self.findings else 0

    @property
    def counts(self) -> dict[Severity, int]:
        """How many findings there are of each severity."""
        counted = Counter(finding.severity for finding in self.findings)
        return {severity: counted[severity] for severity in Severity}

    @property
    def summary(self) -> str:
        """All of it in one line, such as `3 hazards: 1 outage now, 2 risks`."""
        looked = f"{_several(self.servers, 'server')} and {_several(self.models, 'model')} looked at"
        if self.unverified:
            looked += ", unverified"
        if not self.findings:
            return f"No hazard found: {looked}."
        counts = self.counts
        parts = {
            Severity.OUTAGE: _several(counts[Severity.OUTAGE], "outage") + " now",
            Severity.NEXT_CHANGE: f"{counts[Severity.NEXT_CHANGE]} where the next change is an outage",
            Severity.RISK: _several(counts[Severity.RISK], "risk"),
        }
        told = ", ".join(text for severity, text in parts.items() if counts[severity])
        return f"{_several(len(self.findings), 'hazard')}: {told}. {looked}."


def _rank(finding: Finding) -> tuple[int, int, str, str]:
    return (list(Severity).index(finding.severity), list(Hazard).index(finding.hazard), finding.kind, finding.name)


def _several(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
