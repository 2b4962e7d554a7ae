"""The error tree. Every error a person sees has three parts: what happened, why, how to fix it.

    ReconcilerError
    ├── UsageError              wrong flags, environment or settings file         exit code 1
    ├── RepositoryError         the Git repository cannot be read                 exit code 1
    ├── ReportError             the report cannot be written or pushed            a warning, at worst exit code 1
    ├── ManifestsInvalid        one or more `Problem`s, all shown at once         exit code 3
    ├── LockHeld                another reconciler works on this cluster          exit code 7
    ├── PlanStale               the saved plan is not what would be planned now   exit code 6
    ├── PlanUnsafe              the replay checker refused a plan: a bug of ours  exit code 1
    └── ClusterError            the cluster cannot be observed or acted on        exit code 1
        ├── ClusterUnavailable  no answer: worth another try
        ├── ActionRefused       the cluster answered, and said no: not worth another try
        └── LockLost            another reconciler may write now: nothing more is written

Errors of other libraries are translated to these at the edge, with `from`. Errors carry data; nobody matches
message text.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with one manifest.

    Attributes:
        file: path inside the repository folder (`-` for standard input), as the user would open it.
        line: 1-based line, 0 when the whole file is meant.
        field: dotted path such as `spec.memory`, empty when the whole document is meant.
        what: what is wrong. why: the rule that says so. fix: what to change.
    """

    file: str
    line: int
    field: str
    what: str
    why: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {f'{self.field}: ' if self.field else ''}{self.what}"


class ReconcilerError(Exception):
    """Root of all errors that are told to a person.

    Args:
        what: what happened, without a full stop. why: the reason, may be empty. fix: what to do, may be empty.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix


class UsageError(ReconcilerError):
    """Flags, environment or the settings file say something impossible."""


class RepositoryError(ReconcilerError):
    """The Git repository, ref or folder cannot be read."""


class ReportError(ReconcilerError):
    """A report could not be written or pushed."""


class ManifestsInvalid(ReconcilerError):
    """The manifests of a commit are not valid; carries every problem found, sorted by place."""

    exit_code = 3

    def __init__(self, problems: tuple[Problem, ...], *, of: str = "", fix: str = "") -> None:
        """`of` names the commit, where there are several; `fix` is for what no single problem's fix says."""
        count = len(problems)
        where = f" of {of}" if of else ""
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the manifests{where}", fix=fix)
        self.problems = tuple(sorted(problems))


class LockHeld(ReconcilerError):
    """Another reconciler holds the lock of this cluster."""

    exit_code = 7


class PlanStale(ReconcilerError):
    """The saved plan no longer fits what is live or desired."""

    exit_code = 6


class PlanUnsafe(ReconcilerError):
    """The replay checker refused a plan. It is a bug in the planner; nothing was changed."""


class ClusterError(ReconcilerError):
    """The cluster cannot be observed or acted on."""


class ClusterUnavailable(ClusterError):
    """The cluster did not answer; the same call may succeed later."""


class ActionRefused(ClusterError):
    """The cluster answered and refused the action; repeating it changes nothing."""


class LockLost(ClusterError):
    """The lock was lost while it was needed; this pass writes nothing any more."""
