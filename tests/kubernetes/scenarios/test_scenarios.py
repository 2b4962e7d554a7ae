"""What users lose when a recording's changes are made plainly, and that we lose nothing: requests are counted."""

from __future__ import annotations

import pytest

from tests.controlplane.running import ControlPlane
from tests.kubernetes.scenarios.listed import SCENARIOS, Scenario

BY_NAME = {scenario.title: scenario for scenario in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
async def test_our_way_takes_nothing_off_the_air_and_loses_no_request(seldon: ControlPlane, scenario: Scenario) -> None:
    found = await scenario.ours(seldon)
    assert found.history.taken_off == ()
    assert found.lost == {}
    assert found.open == []
    assert found.seconds is not None
    assert not [model.name for model in found.history.models if model.never and model.stretches[-1].wanted]


@pytest.mark.parametrize(("name", "lost"), [("fleet-naive", 6), ("update-does-not-fit", 1)])
async def test_the_plain_way_takes_models_off_the_air_for_good(seldon: ControlPlane, name: str, lost: int) -> None:
    found = await BY_NAME[name].plainly(seldon)
    assert [model.off_at_the_end for model in found.history.taken_off] == [True] * lost
    assert len(found.lost) == lost


async def test_the_plain_way_leaves_a_model_of_a_new_fleet_unscheduled_for_good(seldon: ControlPlane) -> None:
    found = await BY_NAME["fleet-create"].plainly(seldon, speed=0.5)
    assert [model.never for model in found.history.models].count(True) >= 1


async def test_a_fixed_size_server_is_never_resized_however_many_updates_there_are(seldon: ControlPlane) -> None:
    scenario = BY_NAME["server-autoscaler"]
    assert (await scenario.ours(seldon)).sizes == {"mlserver": [2]}
