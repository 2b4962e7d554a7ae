"""Every case file: this live state has these hazards, told in these words."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import pytest

from reconciler.doctor.examination import examine
from reconciler.doctor.finding import Diagnosis
from reconciler.doctor.text import text
from reconciler.model.live import LiveState
from reconciler.model.quantity import parse_quantity
from tests.planner.case import NOW, live_state, read_case

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
by_name = pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])


def live_of(case: dict[str, Any]) -> LiveState:
    """The planner's cases, and of a server `memory` without overcommit, of a model `deletingSeconds`."""
    live, said = live_state(case["live"]), case["live"]
    models = [
        dataclasses.replace(model, deleting_since=NOW - seconds)
        if (seconds := said["models"][model.name].get("deletingSeconds")) is not None
        else model
        for model in live.models
    ]
    servers = []
    for server in live.servers:
        memory = said["servers"][server.name].get("memory")
        replicas = tuple(
            dataclasses.replace(replica, memory=memory and parse_quantity(memory)) for replica in server.replicas
        )
        servers.append(dataclasses.replace(server, replicas=replicas))
    return dataclasses.replace(live, models=tuple(models), servers=tuple(servers))


def told(diagnosis: Diagnosis) -> list[str]:
    return [f"{f.severity}: {f.hazard} {f.kind}/{f.name}" for f in diagnosis.findings]


@by_name
def test_a_case_has_its_hazards_in_its_words(path: Path) -> None:
    case = read_case(path)
    diagnosis = examine(live_of(case), "test")
    assert told(diagnosis) == case["found"]
    assert diagnosis.exit_code == (4 if case["found"] else 0)
    words = text(diagnosis, 1000)
    assert [said for said in case.get("says", []) if said not in words] == []
    assert [said for said in case.get("without", []) if said in words] == []


@by_name
def test_the_order_of_what_is_observed_changes_nothing(path: Path) -> None:
    live = live_of(read_case(path))
    chance = random.Random(1)
    shuffled = dataclasses.replace(
        live,
        models=tuple(chance.sample(live.models, len(live.models))),
        servers=tuple(chance.sample(live.servers, len(live.servers))),
    )
    assert examine(shuffled, "test") == examine(live, "test")
