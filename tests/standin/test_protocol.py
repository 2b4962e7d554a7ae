"""The protocol spoken with the scheduler has the numbers that docs/seldon.md, "The scheduler's service", tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.clusters.kubernetes import scheduler_pb2 as protocol

DOCS = Path(__file__).parents[2] / "docs" / "seldon.md"
MESSAGES = [
    ("request", ["ModelStatusRequest", "ModelReference"]),
    ("answer", ["ModelStatusResponse"]),
    ("each of `versions`", ["ModelVersionStatus"]),
    ("`kubernetesMeta`", ["KubernetesMeta"]),
    ("`modelReplicaState`", ["ModelReplicaStatus"]),
    ("`state`", ["ModelVersionState"]),
    ("request", ["ServerStatusRequest"]),
    ("answer", ["ServerStatusResponse"]),
    ("each of `resources`", ["ServerReplicaResources"]),
]
ROWS = re.findall(r"^\| ([^|]+?) \| (.*`\w+` \(\d+\).*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("row", "expected"), list(zip(ROWS, MESSAGES, strict=True)), ids=str)
def test_fields_have_the_names_and_numbers_of_the_document(
    row: tuple[str, str], expected: tuple[str, list[str]]
) -> None:
    told = {(name, int(number)) for name, number in re.findall(r"`(\w+)` \((\d+)\)", row[1])}
    ours = {
        (field.json_name, field.number)
        for message in expected[1]
        for field in protocol.DESCRIPTOR.message_types_by_name[message].fields
    }
    assert (row[0], told) == (expected[0], ours)


def test_states_have_the_numbers_of_the_document() -> None:
    text = DOCS.read_text(encoding="utf-8")
    told = re.findall(r"^\| (\d+) \| ([a-z ]*?) ?\| ([a-z ]*?) ?\|$", text, re.MULTILINE)
    models = {(f"MODEL_{word.upper().replace(' ', '_')}", int(number)) for number, word, _ in told if word}
    replicas = {(f"REPLICA_{word.upper().replace(' ', '_')}", int(number)) for number, _, word in told if word}
    assert models == set(protocol.ModelState.items())
    assert replicas == set(protocol.ReplicaState.items()) - {("REPLICA_UNKNOWN", 0)}
