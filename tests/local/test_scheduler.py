"""Placement and transitions, without a process."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.clusters.local import facts, view
from reconciler.clusters.local.records import Process, ReplicaKey
from reconciler.errors import ActionRefused
from reconciler.model.live import VersionState
from reconciler.model.manifests import ModelManifest
from reconciler.model.plan import ActionKind, MemoryUse
from tests.local.serving import model
from tests.local.world import S, World


def test_the_replica_with_most_room_is_taken_then_the_lowest_index(world: World) -> None:
    world.load(model("a", "x", memory=300))
    world.load(model("b", "x", memory=100))
    world.load(model("c", "x", memory=100))
    world.load(model("d", "x", memory=100))
    assert {name: list(m.live.occupied) for name, m in world.state.models.items()} == {
        "a": [0],
        "b": [1],
        "c": [1],
        "d": [1],
    }


def test_an_exact_fit_fits_and_one_byte_more_does_not(world: World) -> None:
    with pytest.raises(ActionRefused, match=r"not enough room for 2 x 1\.001k"):
        world.load(model("a", "x", memory=1001, replicas=2))
    world.load(model("a", "x", memory=1000, replicas=2))
    assert world.room("main") == [0, 0]


def test_all_replicas_are_placed_or_none_unless_min_replicas_allows_fewer(world: World) -> None:
    world.load(model("filler", "x", memory=600))
    with pytest.raises(ActionRefused):
        world.load(model("a", "x", memory=500, replicas=2))
    world.load(model("a", "x", memory=500, replicas=2, min_replicas=1))
    assert world.state.models["a"].live.occupied == (1,)


def test_the_whole_number_on_any_server_goes_before_fewer_on_another() -> None:
    world = World()
    world.server("roomy", 9000)
    world.server("small", 1000, 1000)
    world.load(model("a", "x", memory=500, replicas=2, min_replicas=1))
    assert world.state.models["a"].live.server == "small"


def test_among_servers_the_one_with_most_room_is_taken_then_by_name() -> None:
    world = World()
    world.server("b", 1000)
    world.server("a", 1000)
    world.server("c", 2000)
    placed = [(world.load(model(n, "x", memory=900)), world.state.models[n].live.server)[1] for n in ("p", "q", "r")]
    assert placed == ["c", "c", "a"]


def test_a_pinned_server_and_the_requirements_rule_servers_out() -> None:
    world = World()
    world.server("plain", 9000)
    world.server("gpu", 1000, extra_capabilities=("gpu",))
    world.load(model("a", "x", memory=100, requirements=("sklearn", "gpu")))
    assert world.state.models["a"].live.server == "gpu"
    world.load(model("b", "x", memory=100, server="gpu"))
    assert world.state.models["b"].live.server == "gpu"
    with pytest.raises(ActionRefused) as refusal:
        world.load(model("c", "x", server="nowhere"))
    assert refusal.value.why == "there is no Server 'nowhere'"
    with pytest.raises(ActionRefused) as refusal:
        world.load(model("c", "x", requirements=("triton",)))
    assert refusal.value.why == "gpu lacks triton; plain lacks triton"


def test_a_replica_that_does_not_answer_or_retires_takes_nothing(world: World) -> None:
    world.up.discard(ReplicaKey("main", 0))
    world.load(model("a", "x"))
    assert world.state.models["a"].live.occupied == (1,)
    world.up.clear()
    with pytest.raises(ActionRefused, match="not enough room") as refusal:
        world.load(model("b", "x"))
    assert "no replica is ready" in refusal.value.why


def test_memory_is_held_until_a_version_is_gone_from_the_replica(world: World) -> None:
    number = world.serve(model("a", "x", memory=400))
    assert world.room("main") == [600, 1000]
    world.do(ActionKind.DECOMMISSION, model("a", "x"))
    assert world.states("a", number) == {0: S.DRAINING}
    for state in (S.UNLOAD_REQUESTED, S.UNLOADING):
        world.becomes("a", number, to=state)
        assert world.room("main") == [600, 1000]
    world.becomes("a", number, to=S.UNLOADED)
    assert world.room("main") == [1000, 1000]
    assert world.state.models == {}


def test_unknown_memory_counts_with_what_the_action_takes_else_nothing(world: World) -> None:
    world.load(model("a", "x", memory=None), takes=(MemoryUse("", 1, 700),))
    assert sorted(world.room("main")) == [300, 1000]
    world.load(model("b", "x", memory=None))
    assert sorted(world.room("main")) == [300, 1000]


def test_a_version_that_fails_on_one_replica_is_given_up_on_all(world: World) -> None:
    number = world.load(model("a", "x", memory=400, replicas=2))
    world.becomes("a", number, 0)
    world.becomes("a", number, 1, to=S.LOAD_FAILED)
    assert world.states("a", number) == {0: S.UNLOAD_REQUESTED, 1: S.LOAD_FAILED}
    world.becomes("a", number, 0, to=S.UNLOADED)
    assert world.room("main") == [1000, 1000]
    assert view.version_state(world.version("a", number)) is VersionState.FAILED


def test_a_load_in_flight_of_a_version_given_up_is_waited_for(world: World) -> None:
    number = world.load(model("a", "x", replicas=2))
    world.becomes("a", number, to=S.LOADING)
    world.becomes("a", number, 1, to=S.LOAD_FAILED)
    assert world.states("a", number)[0] is S.LOADING
    world.becomes("a", number, 0)
    assert world.states("a", number)[0] is S.UNLOAD_REQUESTED


def test_growth_that_fails_keeps_the_replicas_there_are_and_can_be_asked_again(world: World) -> None:
    number = world.serve(model("a", "x"))
    world.do(ActionKind.CHANGE, model("a", "x", replicas=2))
    world.becomes("a", number, 1, to=S.LOAD_FAILED)
    assert world.states("a", number) == {0: S.AVAILABLE, 1: S.LOAD_FAILED}
    assert world.state.models["a"].route == ((number, 100),)
    world.do(ActionKind.CHANGE, model("a", "x", replicas=2))
    assert world.states("a", number)[1] is S.LOAD_REQUESTED
    world.becomes("a", number, 1)
    assert view.version_state(world.version("a", number)) is VersionState.AVAILABLE


def test_fewer_replicas_give_up_the_one_with_the_least_room_and_drain_it(world: World) -> None:
    number = world.serve(model("a", "x", memory=100, replicas=2))
    filler = world.serve(model("filler", "x", memory=500))
    full = world.version("filler", filler).occupied[0]
    world.do(ActionKind.CHANGE, model("a", "x", memory=100))
    assert world.states("a", number)[full] is S.DRAINING
    world.do(ActionKind.CHANGE, model("a", "x", memory=100, replicas=2))
    assert world.states("a", number)[full] is S.AVAILABLE


def test_a_version_not_available_everywhere_cannot_take_the_route(world: World) -> None:
    manifest = model("a", "x", replicas=2)
    number = world.load(manifest)
    world.becomes("a", number, 0)
    with pytest.raises(ActionRefused) as refusal:
        world.do(ActionKind.SHIFT, manifest, number=number)
    assert refusal.value.why == "1 of 2 replicas are available"


def test_the_version_in_the_route_is_not_unloaded(world: World) -> None:
    manifest = model("a", "x")
    number = world.serve(manifest)
    with pytest.raises(ActionRefused, match="off the air"):
        world.do(ActionKind.UNLOAD, manifest, number=number)


def test_a_process_that_dies_is_routed_around_and_its_versions_asked_again(world: World) -> None:
    number = world.serve(model("a", "x", replicas=2))
    replica = ReplicaKey("main", 0)
    world.state = facts.replica_down(world.state, replica)
    assert world.states("a", number) == {0: S.LOADED_UNAVAILABLE, 1: S.AVAILABLE}
    assert view.version_state(world.version("a", number)) is VersionState.PROGRESSING
    world.state = facts.replica_up(world.state, replica)
    assert world.states("a", number)[0] is S.LOAD_REQUESTED
    world.becomes("a", number, 0)
    assert view.version_state(world.version("a", number)) is VersionState.AVAILABLE


def test_what_was_being_done_when_the_gateway_was_killed_is_to_be_done_again(world: World) -> None:
    loading, unloading = world.load(model("a", "x")), world.serve(model("b", "x"))
    world.becomes("a", loading, to=S.LOADING)
    world.do(ActionKind.DECOMMISSION, model("b", "x"))
    world.becomes("b", unloading, to=S.UNLOADING)
    world.state = facts.resumed(world.state)
    assert list(world.states("a", loading).values()) == [S.LOAD_REQUESTED]
    assert list(world.states("b", unloading).values()) == [S.UNLOAD_REQUESTED]


def test_a_shrinking_server_keeps_a_version_where_it_is_until_it_is_available_elsewhere(world: World) -> None:
    world.serve(model("first", "x", memory=300))
    number = world.serve(model("a", "x", memory=400))
    world.server("main", 1000, kind=ActionKind.SHRINK_SERVER)
    assert world.states("a", number) == {0: S.LOAD_REQUESTED, 1: S.AVAILABLE}
    world.becomes("a", number, 0)
    assert world.states("a", number) == {0: S.AVAILABLE, 1: S.DRAINING}
    assert list(facts.idle_retiring(world.state)) == []
    world.becomes("a", number, 1, to=S.UNLOADED)
    assert list(facts.idle_retiring(world.state)) == [ReplicaKey("main", 1)]
    world.state = facts.replica_stopped(world.state, ReplicaKey("main", 1))
    assert [r.index for r in world.state.servers["main"].replicas] == [0]


def test_a_move_that_fails_leaves_the_version_where_it_was_and_can_be_asked_again(world: World) -> None:
    world.serve(model("first", "x", memory=300))
    number = world.serve(model("a", "x", memory=400))
    world.server("main", 1000, kind=ActionKind.SHRINK_SERVER)
    world.becomes("a", number, 0, to=S.LOAD_FAILED)
    assert world.states("a", number) == {0: S.LOAD_FAILED, 1: S.AVAILABLE}
    world.server("main", 1000, kind=ActionKind.SHRINK_SERVER)
    assert world.states("a", number) == {0: S.LOAD_REQUESTED, 1: S.AVAILABLE}


def test_displaced_versions_must_fit_together_not_one_by_one(world: World) -> None:
    world.server("main", 1000, 1000, 1000, kind=ActionKind.UPDATE_SERVER)
    for name in ("a", "b", "c"):
        world.serve(model(name, "x", memory=600))
    with pytest.raises(ActionRefused, match="does not fit elsewhere"):
        world.server("main", 1000, 1000, kind=ActionKind.SHRINK_SERVER)


def test_numbers_grow_even_after_a_model_is_gone(world: World) -> None:
    number = world.serve(model("a", "x"))
    world.do(ActionKind.DECOMMISSION, model("a", "x"))
    world.becomes("a", number, to=S.UNLOADED)
    assert world.load(model("a", "x")) == number + 1


def test_explainers_are_refused(world: World) -> None:
    from reconciler.model.manifests import Explainer

    manifest = model("a", "x")
    explaining = replace(manifest, spec=replace(manifest.spec, explainer=Explainer("anchor", "b")))
    with pytest.raises(ActionRefused, match="explainers"):
        world.load(explaining)


_ASKED = ["load", "other", "again", "shift", "unload", "grow", "shrink", "gone", "down", "up", "facts", "fail"]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["load", "other", "again", "shift", "unload", "grow", "shrink", "gone", "down", "up", "facts", "fail"]
        ),
        st.sampled_from(["a", "b", "c"]),
        st.integers(1, 2),
        st.sampled_from([200, 450, 600]),
    ),
    max_size=40,
)


@given(_STEPS)
def test_whatever_is_asked_and_happens_no_replica_holds_more_than_its_limit(
    steps: list[tuple[str, str, int, int]],
) -> None:
    world = World()
    world.server("main", 1000, 1000)
    for what, name, replicas, memory in steps:
        try:
            _step(world, what, model(name, what, memory=memory, replicas=replicas))
        except ActionRefused:
            continue
        finally:
            assert min(world.room("main")) >= 0
            for found in world.state.models.values():
                assert found.versions
                assert found.live
                assert all(found.version(number) for number, _ in found.route)


def _step(world: World, what: str, manifest: ModelManifest) -> None:
    found = world.state.models.get(manifest.name)
    kinds = {"shift": ActionKind.SHIFT, "unload": ActionKind.UNLOAD, "gone": ActionKind.DECOMMISSION}
    replica = ReplicaKey("main", 0)
    if what in ("load", "other"):
        world.load(manifest)
    elif what in kinds:
        number = found.versions[0 if what == "unload" else -1].number if found else None
        world.do(kinds[what], manifest, number=number)
    elif what in ("grow", "shrink", "again") and found:
        spec = replace(found.live.spec, replicas=1 if what == "shrink" else 2)
        world.do(ActionKind.RETRIGGER if what == "again" else ActionKind.CHANGE, replace(manifest, spec=spec))
    elif what == "down":
        world.state = facts.replica_down(world.state, replica)
    elif what == "up":
        world.state = facts.process_started(facts.replica_up(world.state, replica), replica, Process(1, 1, 1, "t"))
    elif what in ("facts", "fail"):
        _all_happens(world, fail=what == "fail")


def _all_happens(world: World, fail: bool) -> None:
    after = {S.DRAINING: S.UNLOAD_REQUESTED, S.UNLOAD_REQUESTED: S.UNLOADED, S.UNLOADING: S.UNLOADED}
    for key, was in list(world.state.loads()):
        if was in (S.LOAD_REQUESTED, S.LOADING):
            to = S.LOAD_FAILED if fail else S.AVAILABLE
            if world.state.version(key) is not None:
                world.becomes(key.model, key.number, key.replica.index, to=to)
        elif was in after:
            world.state = facts.moved(world.state, key, after[was])
