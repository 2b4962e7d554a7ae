"""What the decision table hands to the ordering: per model one unit of actions that belong together.

A unit is a short chain. At most one of its actions takes memory that is not taken yet (`need`); some of its actions
give memory back (`releases`). Where units meet is decided in `ordering`; inside a unit the order is fixed here.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass

from reconciler.model.plan import Action, ActionKind, Decision, Edge, EdgeKind


class Priority(enum.IntEnum):
    """Who gets room first (docs/planning-decisions.md, "Who gets memory, and in what order")."""

    UNDER_WAY = 0
    RESCUE = 1
    GROWTH = 2
    ROLLOUT = 3
    NEW = 4
    DECOMMISSION = 5


@dataclass(frozen=True, slots=True)
class Need:
    """Memory that `action` takes: `amount` bytes on each of `replicas` server replicas of one server.

    Attributes:
        requirements: capabilities that the server must have. pinned: the only server it may go to, None for any.
        occupied: indices on the pinned server that hold this version already and so cannot take it again.
        asked_by: the probe that takes the same memory before `action` does, None when there is none.
        most: replicas that the scheduler takes if there is room for more than `replicas` (Seldon's `minReplicas`).
    """

    action: str
    amount: int
    replicas: int
    requirements: frozenset[str] = frozenset()
    pinned: str | None = None
    occupied: frozenset[int] = frozenset()
    asked_by: str | None = None
    most: int = 0

    @property
    def first(self) -> str:
        """The first action that takes this memory."""
        return self.asked_by or self.action


@dataclass(frozen=True, slots=True)
class Release:
    """Memory that `action` gives back: `amount` bytes on each of these replicas of `server`."""

    action: str
    server: str
    replicas: tuple[int, ...]
    amount: int


@dataclass(frozen=True, slots=True)
class Steps:
    """What a stepped rollout does beside its first load (`Unit.need`): it gives up replicas and grows back.

    Attributes:
        server, replicas, amount: where the serving version is, and its bytes on each of these.
        keep: on how many of them it stays until the route moves. unload: the action that then frees those.
        first: the first action of it; a rollout that is under way is finished before.
        grow: what the new version takes at the end, on the server where it landed; None when it is whole already.
    """

    server: str
    replicas: tuple[int, ...]
    amount: int
    keep: int
    unload: str
    first: str
    grow: Need | None


@dataclass(frozen=True, slots=True)
class Unit:
    """The actions of one model, in order, and the decision they carry out.

    `releases` come from actions of this unit; those whose action stands before `need.action` serve the unit itself.
    `flights` are loads that are in flight already and that an action of this unit waits for.
    `otherwise` is done instead when `need` finds no room: what is under way is finished even if the rest is blocked.
    `alternatives` are other ways to the same end, the gentlest first, asked only when `need` finds no room.
    `steps` is set for a stepped rollout, whose memory has to be reckoned as one sequence; `no_steps` says why a rollout
    has no stepped form among its alternatives.
    """

    decision: Decision
    priority: Priority
    actions: tuple[Action, ...]
    need: Need | None = None
    releases: tuple[Release, ...] = ()
    flights: tuple[Release, ...] = ()
    otherwise: Unit | None = None
    alternatives: tuple[Unit, ...] = ()
    steps: Steps | None = None
    no_steps: str = ""

    @property
    def needs(self) -> tuple[Need, ...]:
        """What it takes in this form and in its alternatives."""
        own = () if self.need is None else (self.need,)
        return own + tuple(need for other in self.alternatives for need in other.needs)

    @property
    def under_way(self) -> bool:
        """Whether its first actions run at once, whatever else the plan does."""
        return self.priority is Priority.UNDER_WAY or self.otherwise is not None

    @property
    def own_releases(self) -> tuple[Release, ...]:
        """Releases that are over before this unit's own need begins."""
        if self.need is None:
            return ()
        ids = [action.id for action in self.actions]
        return tuple(r for r in self.releases if ids.index(r.action) < ids.index(self.need.first))


def chained(actions: list[Action]) -> tuple[Action, ...]:
    """Returns `actions` with an edge from each to the one before it, which must be done."""
    linked: list[Action] = []
    for action in actions:
        edges = (Edge(linked[-1].id, EdgeKind.ROLLOUT),) if linked else ()
        linked.append(dataclasses.replace(action, after=edges))
    return tuple(linked)


def action_id(kind: ActionKind, subject: str, digest: str = "") -> str:
    """Returns the id of an action: the same for the same input, unique in a plan."""
    return f"{kind} {subject}@{digest}" if digest else f"{kind} {subject}"
