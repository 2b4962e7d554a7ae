"""The report: what a pass decided, did and found, as frozen data from which every form is rendered.

A report is made by pure functions, one step at a time: `planned` → `running` → `with_outcome` … → `closed`; or
`failed` where there is no plan. Its texts are cleaned when they come in, so that no renderer can show a secret.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from reconciler.errors import ManifestsInvalid, Problem, ReconcilerError
from reconciler.model.clean import clean, printable, secret_values, without_credentials
from reconciler.model.manifests import Source
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, ActionKind, Capacity, Decision, Edge, MemoryUse, Plan, Reason
from reconciler.reports.summary import summary_of_decisions, summary_of_outcomes, summary_of_standing

FORMAT_VERSION = "1"
"""Version of the data's shape; it changes when a reader of the old one would be misled."""

_PRECEDENCE = (1, 3, 7, 6, 5, 4, 2)


class Verdict(enum.StrEnum):
    """What a report says in one word."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    NOTHING_TO_DO = "nothing to do"
    BLOCKED = "blocked"
    INCOMPLETE = "incomplete"
    INTERRUPTED = "interrupted"
    INVALID = "invalid"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Context:
    """What a report is about, beside its plan. `started_at` is a Unix time in seconds."""

    instance: str
    cluster: str
    started_at: float
    repository: str = ""
    ref: str = ""
    path: str = ""
    commit: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The error that ended a pass, in its three parts."""

    what: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class ReportedAction:
    """One action of the plan and what became of it; the manifest that it writes is left out.

    Attributes: as those of `Action`; `version` is its digest, `outcome` what became of it so far.
    """

    id: str
    kind: ActionKind
    subject: str
    reason: Reason
    outcome: Outcome
    version: str = ""
    number: int | None = None
    detail: str = ""
    after: tuple[Edge, ...] = ()
    takes: tuple[MemoryUse, ...] = ()
    frees: tuple[MemoryUse, ...] = ()
    time_limit: float = 0.0
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One pass, told (schemas/report.schema.json).

    Attributes:
        ended_at: Unix time in seconds, None while it runs. next_step_at: when something held becomes due.
        unverified: why the live state could not be confirmed, empty if it was. room_source: where room is known from.
        exit_code: that of the command, were it to end now. secrets: values that must not be told; never rendered.
        standing: the part of the summary that no outcome changes, reckoned once: news come by the thousand.
    """

    context: Context
    verdict: Verdict
    exit_code: int
    summary: str
    decisions: tuple[Decision, ...] = ()
    actions: tuple[ReportedAction, ...] = ()
    capacity: tuple[Capacity, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    error: Trouble | None = None
    ended_at: float | None = None
    next_step_at: float | None = None
    unverified: str = ""
    room_source: str = ""
    secrets: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    standing: str = field(default="", repr=False, compare=False)


def exit_code(*codes: int) -> int:
    """Returns the one that tells most when several exit codes apply (docs/guide.md, "Exit codes"); 0 when none does."""
    return next((code for code in _PRECEDENCE if code in codes), 0)


def planned(plan: Plan, context: Context) -> Report:
    """Returns the report of a plan of which nothing has run."""
    models = [action.model for action in plan.actions if action.model is not None]
    secrets = frozenset[str]().union(*(secret_values(model.spec.parameters) for model in models))
    decisions = tuple(_clean_decision(decision, secrets) for decision in plan.decisions)
    verdict = Verdict.PLANNED if plan.actions else _RESULTS.get(plan.exit_code, Verdict.NOTHING_TO_DO)
    return Report(
        context=_clean_context(context),
        verdict=verdict,
        exit_code=plan.exit_code,
        summary=summary_of_decisions(decisions),
        decisions=decisions,
        actions=tuple(_reported(action, secrets) for action in plan.actions),
        capacity=plan.capacity,
        next_step_at=plan.next_step_at,
        unverified=clean(plan.unverified, secrets),
        room_source=plan.room_source,
        secrets=secrets,
        standing=summary_of_standing(decisions),
    )


def running(report: Report) -> Report:
    """Returns a planned report as it is before its first action."""
    return replace(report, verdict=Verdict.RUNNING, summary=_progress(report))


def with_outcome(report: Report, outcome: Outcome) -> Report:
    """Returns `report` with the news of one action."""
    news = replace(outcome, detail=clean(outcome.detail, report.secrets))
    actions = (replace(a, outcome=news) if a.id == outcome.action else a for a in report.actions)
    report = replace(report, actions=tuple(actions))
    return replace(report, summary=_progress(report))


def closed(
    report: Report, ended_at: float, *, warnings: Iterable[str] = (), error: ReconcilerError | None = None
) -> Report:
    """Returns `report` as it ends: its verdict, exit code and summary follow from the outcomes.

    Args:
        error: what ended the pass early; None when it came to its end.
    """
    statuses = {action.outcome.status for action in report.actions}
    codes = {report.exit_code} | ({5} if statuses - {Status.DONE} else set()) | ({error.exit_code} if error else set())
    code = exit_code(*codes)
    problems = error.problems if isinstance(error, ManifestsInvalid) else ()
    if error is not None:
        verdict = Verdict.INVALID if problems else Verdict.FAILED
    elif statuses & {Status.INTERRUPTED, Status.RUNNING}:
        verdict = Verdict.INTERRUPTED
    else:
        verdict = _RESULTS.get(code, Verdict.DONE if report.actions else Verdict.NOTHING_TO_DO)
    trouble = None if error is None or problems else _trouble(error, report.secrets)
    told = (*report.warnings, *(clean(warning, report.secrets) for warning in warnings))
    summary = trouble.what if trouble is not None and not report.actions else _progress(report)
    if error is not None and problems:
        summary = f"{error.what}, nothing of it was applied" + (f"; under way: {summary}" if report.actions else "")
    return replace(
        report,
        verdict=verdict,
        exit_code=code,
        summary=summary,
        warnings=told,
        error=trouble,
        problems=tuple(_clean_problem(problem) for problem in problems),
        ended_at=ended_at,
    )


def interrupted(report: Report, ended_at: float, why: str) -> Report:
    """Returns a report whose pass was killed, as it stands at `ended_at`; `why` says how that became known."""
    for action in report.actions:
        outcome = action.outcome
        if not outcome.over:
            status = Status.INTERRUPTED if outcome.status is Status.RUNNING else Status.NOT_RUN
            report = with_outcome(report, replace(outcome, status=status, detail=why, ended=ended_at))
    return replace(closed(report, ended_at), verdict=Verdict.INTERRUPTED, exit_code=exit_code(5, report.exit_code))


def failed(error: ReconcilerError, context: Context, ended_at: float | None = None) -> Report:
    """Returns the report of a pass that came to no plan; invalid manifests are told one by one."""
    empty = Report(_clean_context(context), Verdict.FAILED, 0, "")
    return closed(empty, context.started_at if ended_at is None else ended_at, error=error)


_RESULTS = {5: Verdict.INCOMPLETE, 4: Verdict.BLOCKED}


def _progress(report: Report) -> str:
    if not report.actions:
        return summary_of_decisions(report.decisions)
    standing = report.standing or summary_of_standing(report.decisions)
    return summary_of_outcomes([action.outcome for action in report.actions], standing)


def _reported(action: Action, secrets: frozenset[str]) -> ReportedAction:
    return ReportedAction(
        id=action.id,
        kind=action.kind,
        subject=action.subject,
        reason=action.reason,
        outcome=Outcome(action.id, Status.PENDING),
        version=action.digest,
        number=action.number,
        detail=clean(action.detail, secrets),
        after=action.after,
        takes=action.takes,
        frees=action.frees,
        time_limit=action.time_limit,
        source=action.source,
    )


def _clean_decision(decision: Decision, secrets: frozenset[str]) -> Decision:
    if not (decision.detail or decision.fixes or decision.failure):  # as of most: in sync
        return decision
    fixes = tuple(clean(fix, secrets) for fix in decision.fixes)
    return replace(
        decision, detail=clean(decision.detail, secrets), fixes=fixes, failure=clean(decision.failure, secrets)
    )


def _clean_context(context: Context) -> Context:
    return replace(
        context,
        repository=without_credentials(context.repository),
        cluster=without_credentials(context.cluster),
        subject=clean(context.subject),
    )


def _clean_problem(problem: Problem) -> Problem:
    """Keeps what looks like an assignment: a problem echoes names only, and says things like `token: unknown field`."""
    what, why, fix = (without_credentials(text) for text in (problem.what, problem.why, problem.fix))
    return Problem(printable(problem.file), problem.line, printable(problem.field), what, why, fix)


def _trouble(error: ReconcilerError, secrets: frozenset[str]) -> Trouble:
    return Trouble(clean(error.what, secrets), clean(error.why, secrets), clean(error.fix, secrets))
