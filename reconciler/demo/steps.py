"""The steps of the demo as data: what is edited, pushed and expected. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.demo.artifacts import EXAMPLES, Artifact, build, write_broken
from reconciler.demo.measure import Expected
from reconciler.demo.workspace import Workspace

BY_FOLDER = {artifact.folder: artifact for artifact in EXAMPLES}
CHURN, DEMAND = BY_FOLDER["churn/v2"], BY_FOLDER["demand/v1"]
BROKEN, MENDED, BIGGER = (replace(CHURN, version=version) for version in ("v3", "v4", "v5"))


@dataclass(frozen=True, slots=True)
class Step:
    """One change and how it should end.

    Attributes:
        name: as it stands in the table and in the JSON. story: what is about to happen, for the terminal.
        edit: changes files of the workspace. git: the commands that then commit and push it, as they are shown.
        target: the model that is sent requests meanwhile, None in the first step, when there is none yet.
        expected: which of its versions may answer. exit_code: of `reconciler sync`.
        planned: whether `reconciler plan` is shown before `reconciler sync`. least: requests to send in all, at least.
        answers: HTTP status of every model afterwards. tells: words that the report must hold.
    """

    name: str
    story: str
    edit: Callable[[Workspace], None]
    git: tuple[tuple[str, ...], ...]
    target: Artifact | None
    expected: Expected
    exit_code: int
    planned: bool = False
    least: int = 200
    answers: tuple[tuple[str, int], ...] = ()
    tells: tuple[str, ...] = ()


def _store(*, old: str, new: Artifact) -> Callable[[Workspace], None]:
    def edit(workspace: Workspace) -> None:
        workspace.replace(f"models/{new.model}.yaml", f"storageUri: {old}", f"storageUri: {new.folder}")

    return edit


def _broken(workspace: Workspace) -> None:
    write_broken(workspace.artifacts, BROKEN)
    _store(old=CHURN.folder, new=BROKEN)(workspace)


def _mended(workspace: Workspace) -> None:
    build(workspace.artifacts, (MENDED,))
    _store(old=BROKEN.folder, new=MENDED)(workspace)


def _bigger(workspace: Workspace) -> None:
    build(workspace.artifacts, (BIGGER,))
    _store(old=MENDED.folder, new=BIGGER)(workspace)
    workspace.replace("models/churn.yaml", "memory: 150M", "memory: 400M")


def _nothing(_: Workspace) -> None:
    """Edits nothing: Git alone makes the change."""


def _commit(message: str) -> tuple[tuple[str, ...], ...]:
    return (("commit", "-am", message), ("push",))


ALL_ANSWER = (("churn", 200), ("fraud", 200), ("spam", 200), ("demand", 200))
NOTHING_MOVES = Expected("v1", "v1")

STEPS = (
    Step(
        "first sync",
        "The repository holds two servers and four models; the cluster holds nothing yet.",
        _nothing,
        (),
        None,
        NOTHING_MOVES,
        exit_code=0,
        answers=ALL_ANSWER,
    ),
    Step(
        "new version",
        "churn goes from v1 to v2, both replicas, under steady requests.",
        _store(old="churn/v1", new=CHURN),
        _commit("Churn v2"),
        CHURN,
        Expected("v1", "v2"),
        exit_code=0,
        least=1200,
        answers=ALL_ANSWER,
    ),
    Step(
        "broken artifact",
        "churn v3 is an upload that was cut off: it cannot be loaded. v2 has to go on serving.",
        _broken,
        _commit("Churn v3"),
        CHURN,
        Expected("v2", "v2"),
        exit_code=5,
        tells=("churn", "models/churn.yaml"),
    ),
    Step(
        "mended artifact",
        "churn v4 is what v3 should have been.",
        _mended,
        _commit("Churn v4"),
        CHURN,
        Expected("v2", "v4"),
        exit_code=0,
    ),
    Step(
        "does not fit",
        "demand v2 needs 200M beside the 200M of v1, on a server of 300M. v1 has to go on serving.",
        _store(old="demand/v1", new=BY_FOLDER["demand/v2"]),
        _commit("Demand v2"),
        DEMAND,
        NOTHING_MOVES,
        exit_code=4,
        tells=("demand", "100000000"),
    ),
    Step(
        "revert",
        "The commit is reverted: what Git asks for is what serves.",
        _nothing,
        (("revert", "--no-edit", "HEAD"), ("push",)),
        DEMAND,
        NOTHING_MOVES,
        exit_code=0,
        answers=ALL_ANSWER,
    ),
    Step(
        "stepped update",
        "churn v5 needs 400M on each replica, and 350M are left there beside v4. But churn has two replicas: v4 can "
        "give one of them up first. The plan says so before anything is touched.",
        _bigger,
        _commit("Churn v5, bigger"),
        CHURN,
        Expected("v4", "v5"),
        exit_code=0,
        planned=True,
        least=600,
        answers=ALL_ANSWER,
        tells=("replicas 2 → 1; at least 1 replica answers meanwhile", "replicas 1 → 2"),
    ),
    Step(
        "removed model",
        "spam leaves the repository; churn is watched meanwhile.",
        _nothing,
        (("rm", "models/spam.yaml"), *_commit("Without spam")),
        CHURN,
        Expected("v5", "v5"),
        exit_code=0,
        answers=(("churn", 200), ("fraud", 200), ("spam", 404), ("demand", 200)),
    ),
)
