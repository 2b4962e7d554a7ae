"""A plan: decisions about every model and server, and the graph of actions that follows from them, as frozen data."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from reconciler.model.manifests import CarriedManifest, ModelManifest, ServerManifest, Source


class ActionKind(enum.StrEnum):
    """What an action does, in the default order of a plan (docs/glossary.md, "Plans")."""

    CREATE_SERVER = "create-server"
    UPDATE_SERVER = "update-server"
    WAIT_DELETED = "wait-deleted"
    ADOPT = "adopt"
    CHANGE = "change"
    PROBE = "probe"
    RETRIGGER = "retrigger"
    LOAD = "load"
    SHIFT = "shift"
    DRAIN = "drain"
    UNLOAD = "unload"
    APPLY = "apply"
    REMOVE = "remove"
    WITHDRAW = "withdraw"
    DECOMMISSION = "decommission"
    SHRINK_SERVER = "shrink-server"
    DELETE_SERVER = "delete-server"


class EdgeKind(enum.StrEnum):
    """Why one action comes after another, and what it means for it when the other fails.

    ROLLOUT, MEMORY and SERVER must be *done*: when the other failed, this one is not run. CHAIN must only be *over*:
    the order keeps the scheduler's placement foreseeable, whatever became of the other. REFERENCE must be done as well:
    this one names what the other brings, or takes away what the other names.
    """

    ROLLOUT = "rollout"
    MEMORY = "memory"
    SERVER = "server"
    REFERENCE = "reference"
    CHAIN = "chain"


class Verb(enum.StrEnum):
    """What the plan decides for one object."""

    CREATE = "create"
    LOAD = "load"
    ROLL_OUT = "roll out"
    RECREATE = "recreate"
    RESCUE = "rescue"
    HEAL = "heal"
    CONTINUE = "continue"
    CHANGE = "change"
    ADOPT = "adopt"
    DECOMMISSION = "decommission"
    DELETE = "delete"
    WAIT = "wait"
    HOLD = "hold"
    BLOCKED = "blocked"
    REFUSED = "refused"
    IN_SYNC = "in sync"
    UNMANAGED = "unmanaged"
    NOT_SELECTED = "not selected"
    NOT_APPLIED = "not applied"


class Reason(enum.StrEnum):
    """Why. A reason explains a plan to people and never decides anything later."""

    NEW = "in Git, not on the cluster"
    NEW_VERSION = "Git asks for another version"
    UNDER_WAY = "a rollout to this version is under way"
    IN_PLACE = "same version, other replicas, limits or metadata"
    REVERT = "Git asks for the version that still serves"
    NOT_OURS_YET = "same as in Git, without our label"
    REMOVED = "removed from Git"
    BEING_DELETED = "the object is being deleted"
    SERVER_SPEC = "the server in Git differs from the one on the cluster"
    STARTING = "its replicas are still starting"
    RETRY = "its load failed before and is tried again"
    SAME = "nothing to do"
    SUSPENDED = "suspended by annotation"
    FAILED_BEFORE = "this version failed to load"
    OTHER_INSTANCE = "owned by another instance"
    NOT_IN_GIT = "not in Git and not ours"
    NOT_SELECTED = "left out by --only"
    NO_ROOM = "not enough room"
    NO_SERVER = "no server can take it"
    NO_SERVER_CONFIG = "no such serverConfig"
    UNKNOWN_MEMORY = "spec.memory is not set"
    MAX_DELETIONS = "more deletions than --max-deletions allows"
    EMPTY_SOURCE = "the repository has no manifests"
    PROTECTED = "protected by annotation"
    IN_USE = "something still needs it"
    NOT_ADMITTED = "the cluster would not take it"
    OFF_THE_AIR = "off the air: no version answers"
    OTHER_ROLLOUT = "a rollout to another version is under way"
    STEPPED = "the new version finds room once the old one gives up replicas"
    GROW_BACK = "a stepped rollout gave up replicas, which come back"
    WAY_BACK = "the new version failed, and the one before is brought back whole"
    AVAILABLE_ONLY = "asked for what is available, so that a new version is no outage"
    LEAK = "the scheduler has no room for it, against all reckoning"
    AUTOSCALER = "Seldon's autoscaler would take a replica away that others need"
    UNVERIFIED = "nothing confirms that there is room"
    NOT_TAKEN_IN = "what was written last is not taken in yet"
    PROGRESSING = "still growing, shrinking or moving"
    NOT_WHOLE = "not whole: fewer replicas available than asked"
    NOT_CARRIED = "this cluster has neither experiments nor pipelines"
    CARRIED_SPEC = "what Git says of it differs from the cluster"
    UNSERVED = "something that it names does not serve"
    DEFAULT_TAKEN = "another experiment has the same default"
    NOT_READY = "the cluster says that it is not ready"


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """`action` (an `Action.id`) comes before the action that holds this edge."""

    action: str
    kind: EdgeKind


@dataclass(frozen=True, slots=True, order=True)
class MemoryUse:
    """`amount` bytes on each of `replicas` replicas of one server; `server` is empty when the scheduler may choose."""

    server: str
    replicas: int
    amount: int


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a plan.

    Attributes:
        id: unique in the plan and the same for the same input: kind, subject and, where it has one, version digest.
        subject: name of the model or server; of an Experiment or a Pipeline with its kind, as in `Experiment/iris`.
        after: edges to its predecessors, sorted.
        digest: the version it is about (for `drain` and `unload` the old one), empty for servers.
        number: the live version number it is about; None when the version does not exist yet.
        model: what is written to the cluster, its `spec.replicas` resolved. server, carried: likewise.
        takes, frees: memory.
        time_limit: seconds until it counts as failed (for `drain`: until it goes on regardless).
        source: where the manifest stands, None when Git has none.
        detail: one sentence for people.
    """

    id: str
    kind: ActionKind
    subject: str
    reason: Reason
    time_limit: float
    after: tuple[Edge, ...] = ()
    digest: str = ""
    number: int | None = None
    model: ModelManifest | None = None
    server: ServerManifest | None = None
    takes: tuple[MemoryUse, ...] = ()
    frees: tuple[MemoryUse, ...] = ()
    source: Source | None = None
    detail: str = ""
    carried: CarriedManifest | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the plan decides for one object, and why; every one in Git or on the cluster has exactly one.

    Attributes:
        kind: `Model`, `Server`, `Pipeline` or `Experiment`. row: of the decision table, 0 for what is no model.
        detail: the specifics: versions, shortfall in bytes per server, the other instance.
        fixes: for blocked and refused ones, the smallest changes that would unblock it.
        failure: for a version on hold, why its load failed.
    """

    kind: str
    name: str
    verb: Verb
    reason: Reason
    row: int = 0
    detail: str = ""
    fixes: tuple[str, ...] = ()
    failure: str = ""
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes scheduled on a server replica before the plan, at its worst moment, after it; `limit` with overcommit."""

    server: str
    replica: int
    limit: int
    before: int
    peak: int
    after: int


class ProbePolicy(enum.StrEnum):
    """When a throw-away model asks whether a load would find room (docs/planning-decisions.md, "Probes")."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Guards:
    """What the planner may do, beyond what Git says.

    Attributes:
        instance: our ownership label's value.
        max_deletions: how many objects may go in one pass: a number (`5`) or a share (`20%`, at least 1).
        headroom: percent of every replica's limit that plans leave free.
        default_model_memory: bytes to reckon with where `spec.memory` is unset; None blocks such loads.
        only: names of models the plan is restricted to; empty means all.
        probe: when the scheduler is asked beforehand whether there is room, where room leaks.
    """

    instance: str = "default"
    max_deletions: str = "20%"
    headroom: int = 0
    default_model_memory: int | None = None
    only: frozenset[str] = frozenset()
    probe: ProbePolicy = ProbePolicy.AUTO


@dataclass(frozen=True, slots=True)
class Plan:
    """Decisions and actions for one desired and one live state.

    Attributes:
        instance: who plans. commit: of the desired state, empty when uncommitted.
        desired: `DesiredState.digest`. live: fingerprint of the versions, placements, routes and limits planned from.
        decisions: servers first, then models, pipelines, experiments, each by name.
        actions: in an order that respects all edges.
        next_step_at: Unix time at which something held becomes due, None when nothing does.
        guards: what it was planned under.
        unverified, room_source: of the live state that it was planned from.
    """

    instance: str
    commit: str
    desired: str
    live: str
    decisions: tuple[Decision, ...] = ()
    actions: tuple[Action, ...] = ()
    capacity: tuple[Capacity, ...] = ()
    next_step_at: float | None = None
    guards: Guards = Guards()
    unverified: str = ""
    room_source: str = ""

    def action(self, action_id: str) -> Action:
        """Returns the action of that id. Raises KeyError when there is none."""
        for action in self.actions:
            if action.id == action_id:
                return action
        raise KeyError(action_id)

    @property
    def exit_code(self) -> int:
        """What a pass with this plan is worth if every action ends well (docs/guide.md, "Exit codes"): 0, 4 or 5."""
        verbs = {(d.verb, d.reason) for d in self.decisions}
        if any(reason is Reason.FAILED_BEFORE and verb is Verb.HOLD for verb, reason in verbs):
            return 5
        return 4 if any(verb in (Verb.BLOCKED, Verb.REFUSED) for verb, _ in verbs) else 0
