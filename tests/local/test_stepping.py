"""What a stepped rollout asks of the local cluster, without a process: shrink, grow back, go back, try once more."""

from __future__ import annotations

import pytest

from reconciler.clusters.local import actions, view
from reconciler.errors import ActionRefused
from reconciler.model.live import ReplicaState, Rollout, VersionState
from reconciler.model.manifests import ModelManifest
from reconciler.model.plan import ActionKind
from reconciler.model.records import FAILED_ANNOTATION, ROLLOUT_ANNOTATION, records, rollout_to_json
from tests.local.serving import action, model
from tests.local.world import S, World


def old(replicas: int, *, stepping: bool = False) -> ModelManifest:
    return _version("one", replicas, stepping)


def new(replicas: int, *, stepping: bool = False) -> ModelManifest:
    return _version("two", replicas, stepping)


def _version(uri: str, replicas: int, stepping: bool) -> ModelManifest:
    target, before = model("m", "two", memory=600, replicas=2), model("m", "one", memory=600, replicas=2)
    kept = rollout_to_json(Rollout(target.spec.digest, before.spec, 2, 1000.0))
    annotations = {ROLLOUT_ANNOTATION: kept} if stepping else {}
    return model("m", uri, memory=600, replicas=replicas, annotations=annotations)


def stepping(world: World) -> bool:
    """Whether a stepped rollout is on record."""
    return records(world.state.models["m"].annotations).rollout is not None


def half_way(world: World) -> int:
    """Shrinks the old version and has the new one loading in its place; returns the new version's number."""
    first = world.serve(old(2))
    world.do(ActionKind.CHANGE, old(1, stepping=True))
    world.becomes("m", first, 1, to=S.UNLOADED)
    return world.load(new(1, stepping=True))


def test_the_new_version_comes_where_the_old_one_left_and_grows_back_over_it(world: World) -> None:
    number = half_way(world)
    assert world.states("m", number) == {1: S.LOAD_REQUESTED}
    world.becomes("m", number)
    world.do(ActionKind.SHIFT, new(1), number=number)
    assert stepping(world)
    world.do(ActionKind.UNLOAD, new(1), number=1)
    with pytest.raises(ActionRefused, match="not enough room"):
        world.do(ActionKind.CHANGE, new(2))
    assert stepping(world)
    world.becomes("m", 1, 0, to=S.UNLOADED)
    world.do(ActionKind.CHANGE, new(2))
    assert world.states("m", number) == {0: S.LOAD_REQUESTED, 1: S.AVAILABLE}
    assert not stepping(world)


def test_replicas_with_the_least_room_are_given_up_though_others_come_first(world: World) -> None:
    world.serve(model("filler", "x", memory=100))
    number = world.serve(old(2))
    world.do(ActionKind.CHANGE, old(1, stepping=True))
    assert world.states("m", number) == {0: S.DRAINING, 1: S.AVAILABLE}


def test_a_failure_on_record_outlasts_whatever_a_manifest_says_of_it(world: World) -> None:
    world.serve(old(2))
    world.state = actions.annotated(world.state, "m", FAILED_ANNOTATION, "the newest")
    stale = model("m", "one", memory=600, replicas=2, annotations={FAILED_ANNOTATION: "an older one"})
    world.do(ActionKind.CHANGE, stale)
    assert world.state.models["m"].annotations[FAILED_ANNOTATION] == "the newest"
    world.state = actions.annotated(world.state, "m", FAILED_ANNOTATION, None)
    world.do(ActionKind.CHANGE, stale)
    assert FAILED_ANNOTATION not in world.state.models["m"].annotations


def test_the_version_before_comes_back_to_all_its_replicas_when_the_new_one_failed(world: World) -> None:
    number = half_way(world)
    world.becomes("m", number, to=S.LOAD_FAILED)
    world.do(ActionKind.CHANGE, old(2), digest=old(2).spec.digest)
    assert world.state.models["m"].live.number == 1
    assert world.states("m", 1) == {0: S.AVAILABLE, 1: S.LOAD_REQUESTED}
    assert not stepping(world)
    assert [version.number for version in world.state.models["m"].versions] == [1]


def test_what_is_left_of_a_failed_version_is_unloaded_before_the_one_before_comes_back() -> None:
    world = World()
    world.server("main", 1000, 1000, 1000, 1000)
    first = world.serve(old(4))
    world.do(ActionKind.CHANGE, old(2, stepping=True))
    world.becomes("m", first, 2, 3, to=S.UNLOADED)
    number = world.load(new(2, stepping=True))
    world.becomes("m", number, 2)
    world.becomes("m", number, 3, to=S.LOAD_FAILED)
    world.do(ActionKind.UNLOAD, new(2), number=number)
    with pytest.raises(ActionRefused, match="not enough room"):
        world.do(ActionKind.CHANGE, old(4), digest=old(4).spec.digest)
    world.becomes("m", number, 2, to=S.UNLOADED)
    world.do(ActionKind.CHANGE, old(4), digest=old(4).spec.digest)
    assert world.states("m", first) == dict.fromkeys((0, 1), S.AVAILABLE) | dict.fromkeys((2, 3), S.LOAD_REQUESTED)


def test_a_version_that_failed_everywhere_is_loaded_anew_when_tried_again(world: World) -> None:
    number = world.load(new(1))
    world.becomes("m", number, to=S.LOAD_FAILED)
    world.do(ActionKind.RETRIGGER, new(1))
    again = world.state.models["m"].live
    assert again.number == number + 1
    assert again.replicas == ((0, S.LOAD_REQUESTED),)


def test_replicas_that_a_version_lacks_are_loaded_when_it_is_tried_again(world: World) -> None:
    number = world.serve(new(1))
    world.do(ActionKind.CHANGE, new(2))
    world.becomes("m", number, 1, to=S.LOAD_FAILED)
    assert view.version_state(world.version("m", number)) is VersionState.FAILED
    world.do(ActionKind.RETRIGGER, new(2))
    assert world.states("m", number) == {0: S.AVAILABLE, 1: S.LOAD_REQUESTED}
    assert world.state.models["m"].route == ((number, 100),)


def test_a_version_placed_on_fewer_replicas_gets_the_rest_when_it_is_tried_again(world: World) -> None:
    filler = world.serve(model("filler", "x", memory=600))
    manifest = model("m", "two", memory=600, replicas=2, min_replicas=1)
    number = world.serve(manifest)
    world.do(ActionKind.RETRIGGER, manifest)
    assert world.states("m", number) == {1: S.AVAILABLE}
    world.do(ActionKind.DECOMMISSION, model("filler", "x"), number=filler)
    world.becomes("filler", filler, to=S.UNLOADED)
    world.do(ActionKind.RETRIGGER, manifest)
    assert world.states("m", number) == {0: S.LOAD_REQUESTED, 1: S.AVAILABLE}


def test_trying_a_version_again_that_is_whole_changes_nothing(world: World) -> None:
    world.serve(new(2))
    before = world.state
    world.do(ActionKind.RETRIGGER, new(2))
    assert world.state == before


@pytest.mark.parametrize("kind", [ActionKind.LOAD, ActionKind.RETRIGGER])
def test_a_version_has_failed_only_when_none_of_it_loads_any_more(world: World, kind: ActionKind) -> None:
    number = world.load(new(2))
    world.becomes("m", number, to=S.LOADING)
    world.becomes("m", number, 0, to=S.LOAD_FAILED)
    assert view.version_state(world.version("m", number)) is VersionState.PROGRESSING
    world.do(kind, new(2))
    assert world.state.models["m"].live.number == number
    world.becomes("m", number, 1, to=S.LOAD_FAILED)
    assert view.version_state(world.version("m", number)) is VersionState.FAILED


def test_a_probe_says_whether_there_is_room_and_leaves_nothing(world: World) -> None:
    world.serve(old(2))
    before = world.state
    world.do(ActionKind.PROBE, model("probed", "nowhere", memory=400, replicas=2))
    with pytest.raises(ActionRefused, match="not enough room"):
        world.do(ActionKind.PROBE, model("probed", "nowhere", memory=401, replicas=2))
    assert world.state == before


def test_a_withdrawn_model_is_written_anew_once_it_is_gone(world: World) -> None:
    number = world.serve(old(2))
    world.do(ActionKind.WITHDRAW, old(2))
    with pytest.raises(ActionRefused, match="being deleted"):
        world.load(new(2))
    for state in (ReplicaState.UNLOAD_REQUESTED, ReplicaState.UNLOADED):
        world.becomes("m", number, to=state) if "m" in world.state.models else None
    assert "m" not in world.state.models
    assert world.load(new(2)) == number + 1
    with pytest.raises(ActionRefused, match="no model"):
        world.act(action(ActionKind.RETRIGGER, "nobody", model=model("nobody", "two")))
