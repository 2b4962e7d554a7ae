"""A plan and the reports that follow from it, as the golden files show them."""

from __future__ import annotations

from reconciler.errors import ClusterUnavailable, ManifestsInvalid, Problem
from reconciler.model.manifests import ModelManifest, ModelSpec, Parameter, Source
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import (
    Action,
    ActionKind,
    Capacity,
    Decision,
    Edge,
    EdgeKind,
    MemoryUse,
    Plan,
    Reason,
    Verb,
)
from reconciler.reports.report import Context, Report, closed, failed, planned, running, with_outcome

START = 1_795_366_000.0
COMMIT = "1a2b3c4d5e6f70819293a4b5c6d7e8f901234567"
SECRET = "s3cr3t-value"
CONTEXT = Context(
    instance="default",
    cluster="local",
    started_at=START,
    repository="https://bob:hunter2@git.example/ml/models.git",
    ref="main",
    commit=COMMIT,
    subject="Iris: second version",
)
IRIS = Source("models/iris.yaml", 1)
ROLLOUT, MEMORY, CHAIN = EdgeKind.ROLLOUT, EdgeKind.MEMORY, EdgeKind.CHAIN


def model(name: str, uri: str = "models/iris/2") -> ModelManifest:
    parameters = (Parameter("api-token", SECRET), Parameter("threads", "4"))
    return ModelManifest(name, ModelSpec(uri, memory=300_000, parameters=parameters), IRIS)


def action(kind: ActionKind, subject: str, reason: Reason, *after: Edge, **fields: object) -> Action:
    return Action(f"{kind.value}:{subject}", kind, subject, reason, 600.0, tuple(sorted(after)), **fields)  # type: ignore[arg-type] # by name


LOAD = action(
    ActionKind.LOAD,
    "iris",
    Reason.NEW_VERSION,
    digest="0f1e2d3c4b5a",
    takes=(MemoryUse("mlserver", 2, 300_000),),
    source=IRIS,
    detail="beside version 1",
    model=model("iris", "https://bob:hunter2@artifacts.example/iris"),
)
SHIFT = action(ActionKind.SHIFT, "iris", Reason.NEW_VERSION, Edge(LOAD.id, ROLLOUT), digest="0f1e2d3c4b5a")
DRAIN = action(ActionKind.DRAIN, "iris", Reason.NEW_VERSION, Edge(SHIFT.id, ROLLOUT), digest="a1b2c3d4e5f6", number=1)
UNLOAD = action(
    ActionKind.UNLOAD,
    "iris",
    Reason.NEW_VERSION,
    Edge(DRAIN.id, ROLLOUT),
    digest="a1b2c3d4e5f6",
    number=1,
    frees=(MemoryUse("mlserver", 2, 300_000),),
)
WINE = action(
    ActionKind.LOAD,
    "wine",
    Reason.NEW,
    Edge(UNLOAD.id, MEMORY),
    Edge(LOAD.id, CHAIN),
    digest="77aa88bb99cc",
    takes=(MemoryUse("", 1, 500_000),),
    source=Source("models/wine.yaml", 4),
)
GONE = action(
    ActionKind.DECOMMISSION, "old-model", Reason.REMOVED, number=3, frees=(MemoryUse("mlserver", 1, 100_000),)
)

BLOCKED = Decision(
    "Model",
    "big",
    Verb.BLOCKED,
    Reason.NO_ROOM,
    11,
    "needs 1.2M (1200000 bytes) on 1 replica beside version 2; mlserver/0 lacks 700k (700000 bytes)",
    (
        "raise the memory of server mlserver by 637k",
        "set model-reconciler.io/strategy: recreate (it is off the air meanwhile)",
    ),
    source=Source("models/big.yaml", 3),
)
HELD = Decision(
    "Model",
    "diabetes",
    Verb.HOLD,
    Reason.FAILED_BEFORE,
    9,
    "next try at 2026-11-22T17:00:00Z",
    failure="cannot unpickle model.joblib",
    source=Source("models/diabetes.yaml", 1),
)
IN_SYNC = Decision("Server", "mlserver", Verb.IN_SYNC, Reason.SAME)
DECISIONS = (
    IN_SYNC,
    BLOCKED,
    HELD,
    Decision("Model", "iris", Verb.ROLL_OUT, Reason.NEW_VERSION, 11, source=IRIS),
    Decision("Model", "legacy", Verb.UNMANAGED, Reason.NOT_IN_GIT, 17),
    Decision("Model", "old-model", Verb.DECOMMISSION, Reason.REMOVED, 16),
    Decision("Model", "wine", Verb.LOAD, Reason.NEW, 4, source=Source("models/wine.yaml", 4)),
)
CAPACITY = (
    Capacity("mlserver", 0, 1_100_000, 300_000, 900_000, 800_000),
    Capacity("mlserver", 1, 1_100_000, 400_000, 700_000, 300_000),
)
PLAN = Plan(
    "default",
    COMMIT,
    "d" * 12,
    "e" * 12,
    DECISIONS,
    (LOAD, SHIFT, DRAIN, UNLOAD, WINE, GONE),
    CAPACITY,
    next_step_at=1_795_366_800.0,
)
IDLE = Plan("default", COMMIT, "d" * 12, "e" * 12, (IN_SYNC,), (), CAPACITY)
STUCK = Plan("default", COMMIT, "d" * 12, "e" * 12, (IN_SYNC, BLOCKED), (), CAPACITY)

NASTY = "no <b>model.joblib</b> | in `s3://models/wine` @alice #12\nsee www.example.org"

_ENDED = (
    (Status.DONE, "2 of 2 replicas available", 3.2),
    (Status.DONE, "version 2 carries all traffic", 0.1),
    (Status.DONE, "no request in flight", 0.4),
    (Status.DONE, "its memory is free", 0.3),
    (Status.FAILED, NASTY, 2.0),
    (Status.DONE, "it is gone", 61.2),
)


def halfway() -> Report:
    """The report while the second action runs."""
    report = with_outcome(running(planned(PLAN, CONTEXT)), Outcome(LOAD.id, Status.DONE, "", START, START + 3))
    return with_outcome(report, Outcome(SHIFT.id, Status.RUNNING, "version 2 carries 0 % of the traffic", START + 3))


def applied() -> Report:
    """The report of a pass in which the last load failed."""
    report, now = running(planned(PLAN, CONTEXT)), START + 0.5
    for each, (status, detail, seconds) in zip(PLAN.actions, _ENDED, strict=True):
        report = with_outcome(report, Outcome(each.id, status, detail, now, now + seconds))
        now += seconds
    return closed(report, now, warnings=["the report could not be pushed: the remote hung up"])


def rejected() -> Report:
    """The report of a commit with two problems."""
    problems = (
        Problem(
            "models/wine.yaml", 9, "spec.memory", "not a quantity", "memory is a Kubernetes quantity", "write 300k"
        ),
        Problem(
            "models/iris.yaml",
            3,
            "spec.storageUrl",
            "unknown field",
            "the schema has no such field",
            "write storageUri",
        ),
    )
    return failed(ManifestsInvalid(problems), CONTEXT, START + 1)


def unreachable() -> Report:
    """The report of a pass that could not observe its cluster."""
    error = ClusterUnavailable(
        "the local cluster does not answer", why="nothing listens", fix="run `reconciler local up`"
    )
    return failed(error, CONTEXT, START + 1)


REPORTS = {
    "planned": lambda: planned(PLAN, CONTEXT),
    "idle": lambda: planned(IDLE, CONTEXT),
    "blocked": lambda: closed(planned(STUCK, CONTEXT), START + 1),
    "running": halfway,
    "applied": applied,
    "invalid": rejected,
    "failed": unreachable,
}
