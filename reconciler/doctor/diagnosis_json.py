"""A diagnosis as JSON (schemas/doctor.schema.json)."""

from __future__ import annotations

import json
from typing import Any

from reconciler.doctor.finding import FORMAT_VERSION, Diagnosis, Finding, Severity
from reconciler.reports.encode import iso

Json = dict[str, Any]

_COUNTED = {Severity.OUTAGE: "outageNow", Severity.NEXT_CHANGE: "nextChangeIsAnOutage", Severity.RISK: "risk"}


def diagnosis_json(diagnosis: Diagnosis) -> bytes:
    """Returns `diagnosis` as JSON in UTF-8, ending with a line break."""
    data: Json = {
        "formatVersion": FORMAT_VERSION,
        "kind": "Diagnosis",
        "cluster": diagnosis.cluster,
        "observedAt": iso(diagnosis.observed_at),
        "unverified": diagnosis.unverified,
        "exitCode": diagnosis.exit_code,
        "summary": diagnosis.summary,
        "servers": diagnosis.servers,
        "models": diagnosis.models,
        "counts": {_COUNTED[severity]: count for severity, count in diagnosis.counts.items()},
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "notes": list(diagnosis.notes),
    }
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _finding(finding: Finding) -> Json:
    return {
        "hazard": finding.hazard.value,
        "severity": finding.severity.value,
        "object": {"kind": finding.kind, "name": finding.name, "namespace": finding.namespace},
        "title": finding.title,
        "what": finding.what,
        "consequence": finding.consequence,
        "fixes": [{"text": fix.text, "command": fix.command or None} for fix in finding.fixes],
        "models": list(finding.models),
    }
