"""Reports to and from JSON (schemas/report.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from reconciler.errors import Problem
from reconciler.model.outcome import Outcome, Status
from reconciler.reports.encode import (
    Json,
    action_fields,
    action_json,
    capacity_from_json,
    capacity_json,
    decision_from_json,
    decision_json,
    from_iso,
    iso,
)
from reconciler.reports.report import FORMAT_VERSION, Context, Report, ReportedAction, Trouble, Verdict


def report_json(report: Report) -> bytes:
    """Returns `report` as JSON text: stable, with a line per field, so that its history can be read as differences."""
    context = report.context
    data: Json = {
        "formatVersion": FORMAT_VERSION,
        "kind": "Report",
        "status": report.verdict.value,
        "exitCode": report.exit_code,
        "summary": report.summary,
        "instance": context.instance,
        "cluster": context.cluster,
        "repository": {"url": context.repository, "ref": context.ref, "path": context.path},
        "commit": {"hash": context.commit, "subject": context.subject},
        "startedAt": iso(context.started_at),
        "endedAt": iso(report.ended_at),
        "nextStepAt": iso(report.next_step_at),
        "unverified": report.unverified,
        "roomSource": report.room_source,
        "decisions": [decision_json(decision) for decision in report.decisions],
        "actions": [{**action_json(a, a.detail), "outcome": _outcome_json(a.outcome)} for a in report.actions],
        "capacity": [capacity_json(capacity) for capacity in report.capacity],
        "problems": [asdict(problem) for problem in report.problems],
        "warnings": list(report.warnings),
        "error": None if report.error is None else asdict(report.error),
    }
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def report_from_json(text: bytes) -> Report | None:
    """Inverse of `report_json`. Returns None when `text` holds no report, or one of another format."""
    try:
        data = json.loads(text)
        return _report(data) if data["kind"] == "Report" and data["formatVersion"] == FORMAT_VERSION else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Whatever somebody put on the report branch: it is not a report of ours, and no reason to fail.
        return None


def _report(data: Mapping[str, Any]) -> Report:
    repository, commit, error = data["repository"], data["commit"], data["error"]
    return Report(
        context=Context(
            instance=data["instance"],
            cluster=data["cluster"],
            started_at=from_iso(data["startedAt"]) or 0.0,
            repository=repository["url"],
            ref=repository["ref"],
            path=repository["path"],
            commit=commit["hash"],
            subject=commit["subject"],
        ),
        verdict=Verdict(data["status"]),
        exit_code=data["exitCode"],
        summary=data["summary"],
        decisions=tuple(map(decision_from_json, data["decisions"])),
        actions=tuple(ReportedAction(**action_fields(a), outcome=_outcome(a)) for a in data["actions"]),
        capacity=tuple(map(capacity_from_json, data["capacity"])),
        problems=tuple(Problem(**problem) for problem in data["problems"]),
        warnings=tuple(data["warnings"]),
        error=None if error is None else Trouble(**error),
        ended_at=from_iso(data["endedAt"]),
        next_step_at=from_iso(data["nextStepAt"]),
        unverified=data.get("unverified", ""),  # reports written before there was such a thing have none
        room_source=data.get("roomSource", ""),
    )


def _outcome_json(outcome: Outcome) -> Json:
    return {
        "status": outcome.status.value,
        "detail": outcome.detail,
        "startedAt": iso(outcome.started),
        "endedAt": iso(outcome.ended),
    }


def _outcome(action: Mapping[str, Any]) -> Outcome:
    data = action["outcome"]
    times = from_iso(data["startedAt"]), from_iso(data["endedAt"])
    return Outcome(action["id"], Status(data["status"]), data["detail"], *times)
