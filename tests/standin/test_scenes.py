"""What a plain `kubectl apply` loses on the stand-in, with requests counted, as the recordings tell."""

from __future__ import annotations

import pytest

from tests.standin.fixtures import StartSeldon
from tests.standin.scenes import begin


@pytest.mark.parametrize(
    ("name", "lost", "updated"),
    [("fleet-naive", 6, 2), ("update-does-not-fit", 1, 0), ("shrink-in-one-patch", 1, 0), ("update-fits", 0, 1)],
)
def test_a_plain_apply_takes_so_many_models_off_the_air_for_good(
    name: str, lost: int, updated: int, seldon: StartSeldon
) -> None:
    found = begin(seldon, name)
    with found.seldon.requests(*found.models) as requests:
        found.seldon.until(lambda: requests.asked_each(1))
        assert requests.lost() == {}
        found.play(1)
    with found.seldon.requests(*found.models) as afterwards:
        found.seldon.until(lambda: afterwards.asked_each(3))
    versions = found.seldon.snapshot()["scheduler"].values()
    assert len(requests.lost()) == len(afterwards.lost()) == lost
    assert sum(model.get("2", {}).get("state") == "ModelAvailable" for model in versions) == updated
