"""Thousands of stories, with the simulated cluster as the adversary: Seldon's rules, chance, failures, kills, others.

What must hold in each of them: no model on the air is ever taken off it by us, no replica is over its limit, and
every run ends, in sync or with a reason, in a bounded number of passes, and stays there.

`make prove` runs thousands; a bounded number runs with the other tests. What others break themselves is theirs:
whatever would go off the air without us as well is not ours.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.clusters.simulated import Rules, Simulation
from reconciler.clusters.simulated.choices import SeededChoices
from tests.proofs import others
from tests.proofs.driver import Story, told
from tests.proofs.strategies import ARTIFACTS, MEMORY, commits, foreign, next_commits

EXAMPLES = int(os.environ.get("PROOF_EXAMPLES", "40"))

proof = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize="PROOF_EXAMPLES" not in os.environ,
)


@pytest.mark.timeout(0)
@proof
@given(data=st.data())
def test_no_story_has_us_take_a_model_off_the_air_and_every_story_ends(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 10_000), label="seed")
    rules = Rules(memory=MEMORY, overcommit_percentage=0)
    desired = data.draw(commits(), label="first commit")
    outside = data.draw(st.booleans(), label="seen as Kubernetes shows it")
    begun = Simulation(rules, ARTIFACTS, SeededChoices(seed))
    first = f"seen {'from outside' if outside else 'from inside'}; commit: {told(desired)}"
    story = Story(begun, desired, [first], outside=outside)
    for _ in range(data.draw(st.integers(1, 3), label="commits")):
        kill_after = data.draw(st.sampled_from([None, 1, 2, 3, 4, 5, 6, 7, 8]), label="killed after")
        if kill_after is not None:
            story.one_pass(kill_after)
        for event in data.draw(st.lists(foreign(), max_size=2), label="others"):
            story.told.append(f"others: {event}")
            others.done(story.simulation, event)
        if data.draw(st.booleans(), label="to the end"):
            story.settled(story.to_the_end())
        story.desired = data.draw(next_commits(story.desired), label="next commit")
        story.told.append(f"commit: {told(story.desired)}")
    story.settled(story.to_the_end())
    made = story.one_pass()
    assert not made.actions, "it does not stay there\n" + "\n".join(story.told)
