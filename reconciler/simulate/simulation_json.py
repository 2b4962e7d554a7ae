"""A simulation as JSON (schemas/simulation.schema.json)."""

from __future__ import annotations

import json
from typing import Any

from reconciler.reports.encode import decision_json
from reconciler.simulate.history import History, ModelHistory, Stretch
from reconciler.simulate.report import FORMAT_VERSION, Report

Json = dict[str, Any]


def simulation_json(report: Report) -> bytes:
    """Returns `report` as JSON in UTF-8, ending with a line break. Times are in seconds, memory in bytes."""
    return (json.dumps(_report(report), indent=2, ensure_ascii=False) + "\n").encode()


def _report(report: Report) -> Json:
    subject, comparison = report.subject, report.comparison
    usual = comparison.usual_plain
    return {
        "formatVersion": FORMAT_VERSION,
        "repository": subject.repository,
        "path": subject.path,
        "commit": subject.commit,
        "subject": subject.subject,
        "before": subject.before,
        "rate": report.rate,
        "horizon": comparison.story.seconds,
        "loadTime": report.load_time,
        "runs": len(comparison.plain),
        "seed": comparison.seed,
        "plainLoses": report.plain_loses,
        "plain": {
            **_way(report.plain, report.rate),
            "usual": {"requestsLost": _rounded(usual.requests_lost(report.rate)), "takenOff": _names(usual)},
        },
        "ours": {
            **_way(report.ours, report.rate),
            "open": [decision_json(decision) for decision in report.open],
            "passes": [
                {"at": _rounded(at), "verdict": told.verdict.value, "summary": told.summary}
                for at, told in comparison.worst_ours.reports
            ],
        },
        "notes": list(report.notes),
    }


def _way(history: History, rate: float) -> Json:
    at = history.converged_at
    return {
        "takenOff": _names(history),
        "requestsLost": _rounded(history.requests_lost(rate)),
        "convergedAfter": None if at is None else _rounded(at),
        "missing": [{"model": each.model, "lack": each.lack} for each in history.missing],
        "models": [_model(model, rate) for model in history.models],
        "servers": [
            {"server": peak.server, "replica": peak.replica, "limit": peak.limit, "peak": peak.peak}
            for peak in history.peaks
        ],
    }


def _model(model: ModelHistory, rate: float) -> Json:
    waited = model.waited
    return {
        "name": model.name,
        "secondsOff": _rounded(model.seconds_off),
        "offForGood": model.off_at_the_end,
        "firstAnswerAfter": None if waited is None else _rounded(waited),
        "requestsLost": _rounded(model.requests_lost(rate)),
        "timeline": [_stretch(stretch) for stretch in model.stretches],
    }


def _stretch(stretch: Stretch) -> Json:
    return {
        "start": _rounded(stretch.start),
        "end": _rounded(stretch.end),
        "wanted": stretch.wanted,
        "answers": [
            {"artifact": who.artifact, "version": who.digest, "share": round(share, 4)}
            for who, share in stretch.answers
        ],
    }


def _names(history: History) -> list[str]:
    return [model.name for model in history.taken_off]


def _rounded(seconds: float) -> float:
    return round(seconds, 2)
