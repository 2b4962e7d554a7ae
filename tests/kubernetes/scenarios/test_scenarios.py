"""What users lose when a recording's changes are made plainly, and that we lose nothing: requests are counted."""

from __future__ import annotations

import pytest

from tests.controlplane.running import ControlPlane
from tests.kubernetes.scenarios.listed import BY_TITLE, SCENARIOS, Scenario

RESIZED = {"server-autoscaler": [2], "server-autoscaler, after step 1": [1, 2]}
"""What a fixed size does: however many updates there are, it is never given up, and taken back once."""


TRIES = 5
"""Runs in which what depends on the pace must happen once."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
async def test_our_way_takes_nothing_off_the_air_and_loses_no_request(
    seldon_kinds: ControlPlane, scenario: Scenario
) -> None:
    found = await scenario.ours(seldon_kinds)
    assert found.history.taken_off == ()
    assert found.lost == {}
    assert found.open == []
    assert found.seconds is not None
    assert not [model.name for model in found.history.models if model.never]
    for sizes in found.sizes.values():
        assert len(sizes) <= 2, "a Server was resized back and forth"
    if scenario.title in RESIZED:
        assert found.sizes == {"mlserver": RESIZED[scenario.title]}


@pytest.mark.parametrize(("name", "lost"), [("fleet-naive", 6), ("update-does-not-fit", 1)])
async def test_the_plain_way_takes_models_off_the_air_for_good(
    seldon_kinds: ControlPlane, name: str, lost: int
) -> None:
    found = await BY_TITLE[name].plainly(seldon_kinds)
    assert [model.off_at_the_end for model in found.history.taken_off] == [True] * lost
    assert len(found.lost) == lost


async def test_the_plain_way_leaves_a_model_of_a_new_fleet_unscheduled_for_good(seldon_kinds: ControlPlane) -> None:
    """It depends on how fast the objects are taken in, so not every run does: of the real Seldon two of three."""
    for _ in range(TRIES):
        found = await BY_TITLE["fleet-create"].plainly(seldon_kinds)
        if any(model.never for model in found.history.models):
            return
    pytest.fail(f"no model was left out in {TRIES} runs")
