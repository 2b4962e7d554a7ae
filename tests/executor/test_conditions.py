"""When an action may run and when it is done, told from what is live alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.live import LiveModel, LiveReplica, LiveServer, LiveState, LiveVersion, ReplicaState, VersionState
from reconciler.model.manifests import PREFIX, ModelManifest, ServerManifest, ServerSpec, Source, Strategy
from reconciler.model.plan import Action, ActionKind, Reason
from reconciler.planner.conditions import Patience, Stage, obstacle, precondition, progress
from tests.executor.plans import action, load, model

OLD, NEW = model("iris", "1"), model("iris", "2")
LOADING, AVAILABLE = ReplicaState.LOADING, ReplicaState.AVAILABLE


def version(
    number: int,
    manifest: ModelManifest,
    *states: ReplicaState,
    state: VersionState = VersionState.AVAILABLE,
    wanted: int = 0,
) -> LiveVersion:
    replicas = tuple(enumerate(states))
    memory = manifest.spec.memory or 0
    return LiveVersion(number, manifest.spec.digest, memory, "s", state, replicas, wanted or len(states))


def server(*room: int, name: str = "s", capabilities: tuple[str, ...] = ("sklearn",)) -> LiveServer:
    replicas = tuple(LiveReplica(index, 1_000_000, free) for index, free in enumerate(room))
    return LiveServer(name, ServerSpec("mlserver", len(room)), frozenset(capabilities), replicas, "default")


def state(*versions: LiveVersion, route: int = 0, servers: tuple[LiveServer, ...] = (), **fields: object) -> LiveState:
    newest = next((m for m in (NEW, OLD) if versions and m.spec.digest == versions[-1].digest), OLD)
    live = LiveModel("iris", newest.spec, "default", versions=versions, route=((route, 100),) if route else ())
    live = replace(live, **fields)  # type: ignore[arg-type] # any field of the model, by name
    return LiveState(0.0, (live,) if versions or fields else (), servers or (server(500_000, 500_000),))


SERVES = version(1, OLD, AVAILABLE)
LOADS = version(2, NEW, LOADING, state=VersionState.PROGRESSING)
UP = version(2, NEW, AVAILABLE)


def test_a_new_model_may_be_loaded_where_there_is_room() -> None:
    assert precondition(load(NEW), state()) is None


@pytest.mark.parametrize(
    ("manifest", "servers", "why"),
    [
        (model("iris", memory=600_000), (server(500_000),), "there is room on s on 0"),
        (model("iris", replicas=2), (server(500_000, 10),), "there is room on s on 1"),
        (model("iris"), (server(500_000, capabilities=("xgboost",)),), "no server can take it"),
        (model("iris", replicas=2), (server(500_000), server(500_000, name="t")), "there is room on s on 1, t on 1"),
    ],
)
def test_a_model_is_not_loaded_where_it_does_not_fit(
    manifest: ModelManifest, servers: tuple[LiveServer, ...], why: str
) -> None:
    assert why in (precondition(load(manifest), state(servers=servers)) or "")


def test_a_pinned_model_looks_at_its_server_only() -> None:
    pinned = replace(NEW, spec=replace(NEW.spec, server="t"))
    servers = (server(500_000), server(10, name="t"))
    assert "there is room on t on 0" in (precondition(load(pinned), state(servers=servers)) or "")


def test_min_replicas_lets_a_model_load_on_fewer_replicas() -> None:
    spec = replace(NEW.spec, replicas=2, min_replicas=1)
    assert precondition(load(replace(NEW, spec=spec)), state(servers=(server(500_000, 10),))) is None


def test_a_version_that_is_loading_already_needs_no_room() -> None:
    live = state(SERVES, LOADS, route=1, servers=(server(0),))
    assert precondition(load(NEW), live) is None


def test_a_load_in_flight_is_never_superseded() -> None:
    live = state(SERVES, LOADS, route=1)
    assert "never superseded" in (precondition(load(model("iris", "3")), live) or "")


def test_nothing_is_loaded_over_a_serving_version_that_is_not_whole() -> None:
    partly = version(1, OLD, AVAILABLE, wanted=2)
    found = obstacle(load(NEW), state(partly, route=1))
    assert found is not None
    assert (found.why, found.patience) == (
        "version 1 serves, but is not whole: 1 of 2 replicas available",
        Patience.BRIEF,
    )


def test_what_another_instance_owns_is_not_touched() -> None:
    live = state(SERVES, route=1, instance="prod")
    assert obstacle(load(NEW), live, instance="default") is not None
    for kind in (ActionKind.CHANGE, ActionKind.ADOPT, ActionKind.DECOMMISSION, ActionKind.UNLOAD):
        assert precondition(action(kind, OLD, number=1), live, instance="default") == "iris is owned by instance prod"


def test_a_load_is_done_when_the_whole_version_is_available() -> None:
    assert progress(load(NEW), state(SERVES, LOADS, route=1)).detail == "0 of 1 replica available"
    assert progress(load(NEW), state(SERVES, UP, route=1)).state is Stage.DONE
    assert progress(load(NEW), state(SERVES, route=1)).state is Stage.PENDING


def test_with_min_replicas_fewer_replicas_are_enough_once_nothing_loads() -> None:
    spec = replace(NEW.spec, replicas=2, min_replicas=1)
    one = version(1, replace(NEW, spec=spec), AVAILABLE, wanted=2)
    more = replace(one, replicas=((0, AVAILABLE), (1, LOADING)))
    wanted = load(replace(NEW, spec=spec))
    assert progress(wanted, state(one, spec=spec)).state is Stage.DONE
    assert progress(wanted, state(more, spec=spec)).state is Stage.PENDING


def test_a_load_that_failed_is_the_versions_fault_and_one_that_was_not_placed_is_not() -> None:
    failed = replace(version(2, NEW, ReplicaState.LOAD_FAILED, state=VersionState.FAILED), reason="cannot unpickle")
    seen = progress(load(NEW), state(SERVES, failed, route=1))
    assert (seen.state, seen.detail, seen.version_failed) == (Stage.FAILED, "cannot unpickle", True)
    unplaced = version(2, NEW, state=VersionState.SCHEDULE_FAILED, wanted=1)
    assert progress(load(NEW), state(SERVES, unplaced, route=1)).version_failed is False


def test_traffic_is_shifted_to_a_whole_version_only() -> None:
    shift = action(ActionKind.SHIFT, NEW)
    assert "not whole" in (precondition(shift, state(SERVES, LOADS, route=1)) or "")
    assert precondition(shift, state(SERVES, UP, route=1)) is None
    assert progress(shift, state(SERVES, UP, route=1)).detail == "version 2 carries 0 % of the traffic"
    assert progress(shift, state(SERVES, UP, route=2)).state is Stage.DONE


def test_a_version_is_drained_when_no_request_is_in_flight() -> None:
    drain = action(ActionKind.DRAIN, OLD, number=1)
    busy = replace(SERVES, in_flight=2)
    assert progress(drain, state(busy, UP, route=2)).detail == "2 requests in flight"
    assert progress(drain, state(replace(SERVES, in_flight=0), UP, route=2)).state is Stage.DONE
    assert progress(drain, state(SERVES, UP, route=2)).state is Stage.DONE
    assert progress(drain, state(UP, route=2)).state is Stage.DONE


def test_the_last_version_that_answers_is_unloaded_only_by_recreate() -> None:
    unload = action(ActionKind.UNLOAD, OLD, number=1)
    assert "still carries traffic" in (precondition(unload, state(SERVES, route=1)) or "")
    assert "no other version answers" in (precondition(unload, state(SERVES, LOADS)) or "")
    assert precondition(unload, state(SERVES, UP, route=2)) is None
    recreate = action(ActionKind.UNLOAD, model("iris", "1", strategy=Strategy.RECREATE), number=1)
    assert precondition(recreate, state(SERVES, route=1)) is None


def test_an_unload_is_done_when_the_version_takes_no_memory() -> None:
    unload = action(ActionKind.UNLOAD, OLD, number=1)
    unloading = replace(SERVES, state=VersionState.TERMINATING, replicas=((0, ReplicaState.UNLOADING),))
    assert progress(unload, state(unloading, UP, route=2)).state is Stage.PENDING
    unloaded = replace(SERVES, state=VersionState.TERMINATED, replicas=((0, ReplicaState.UNLOADED),))
    assert progress(unload, state(unloaded, UP, route=2)).state is Stage.DONE


def test_an_old_version_is_meant_by_its_number_not_by_a_later_load_of_the_same_digest() -> None:
    unload = action(ActionKind.UNLOAD, OLD, number=1)
    again = version(3, OLD, AVAILABLE)
    assert progress(unload, state(again, route=3)).state is Stage.DONE


def test_a_change_is_done_when_the_live_spec_has_it_and_is_whole() -> None:
    more = replace(OLD, spec=replace(OLD.spec, replicas=2))
    change = action(ActionKind.CHANGE, more)
    assert progress(change, state(SERVES, route=1)).detail == "not taken in yet"
    growing = version(1, OLD, AVAILABLE, wanted=2, state=VersionState.PROGRESSING)
    assert progress(change, state(growing, route=1, spec=more.spec)).detail == "1 of 2 replicas available"
    assert progress(change, state(version(1, OLD, AVAILABLE, AVAILABLE), route=1, spec=more.spec)).state is Stage.DONE


def test_a_change_that_the_object_has_and_the_scheduler_has_not_is_not_done() -> None:
    fewer = action(ActionKind.CHANGE, OLD)
    before = version(1, OLD, AVAILABLE, AVAILABLE, wanted=2)
    assert progress(fewer, state(before, route=1, spec=OLD.spec)).detail == "not taken in yet"


def test_a_shrink_is_done_when_the_surplus_replicas_are_gone() -> None:
    change = action(ActionKind.CHANGE, OLD)
    both = version(1, OLD, AVAILABLE, AVAILABLE, wanted=1)
    assert progress(change, state(both, route=1)).detail == "replicas are being unloaded"


def test_growing_in_place_needs_room_on_the_servers_other_replicas() -> None:
    more = action(ActionKind.CHANGE, replace(OLD, spec=replace(OLD.spec, replicas=2)))
    assert precondition(more, state(SERVES, route=1)) is None
    live = state(SERVES, route=1, servers=(server(0, 10),))
    assert precondition(more, live) == "needs 100k on 2 replicas of s; there is room on 1"


def test_a_model_is_decommissioned_only_while_it_is_ours_unprotected_and_not_loading() -> None:
    gone = action(ActionKind.DECOMMISSION, OLD)
    assert precondition(gone, state(SERVES, route=1)) is None
    assert "not ours any more" in (precondition(gone, state(SERVES, route=1, instance=None)) or "")
    protected = state(SERVES, route=1, annotations=((PREFIX + "prune", "disabled"),))
    assert "protected" in (precondition(gone, protected) or "")
    assert "still loading" in (precondition(gone, state(SERVES, LOADS, route=1)) or "")
    assert progress(gone, state(SERVES, route=1)).state is Stage.PENDING
    assert progress(gone, state()).state is Stage.DONE


def test_adopting_is_done_when_the_labels_are_there() -> None:
    labels = ((PREFIX + "instance", "default"),)
    adopt = action(ActionKind.ADOPT, replace(OLD, labels=labels))
    assert precondition(adopt, state(SERVES, route=1, instance=None)) is None
    assert progress(adopt, state(SERVES, route=1, instance=None)).state is Stage.PENDING
    assert progress(adopt, state(SERVES, route=1, labels=labels)).state is Stage.DONE


def server_action(kind: ActionKind, spec: ServerSpec) -> Action:
    manifest = ServerManifest("s", spec, Source("servers.yaml", 1))
    return Action(f"{kind.value}:s", kind, "s", Reason.SERVER_SPEC, 60.0, server=manifest)


def test_a_server_is_there_when_its_spec_is_and_all_replicas_are_ready() -> None:
    create = server_action(ActionKind.CREATE_SERVER, ServerSpec("mlserver", 2))
    starting = replace(server(1, 1), replicas=(LiveReplica(0, 1, 1), LiveReplica(1, 1, 1, ready=False)))
    assert precondition(create, LiveState(0.0)) is None
    assert progress(create, LiveState(0.0)).state is Stage.PENDING
    assert progress(create, LiveState(0.0, servers=(starting,))).detail == "1 of 2 replicas ready"
    assert progress(create, LiveState(0.0, servers=(server(1, 1),))).state is Stage.DONE


def test_a_field_of_the_pod_spec_that_differs_is_not_done() -> None:
    wanted = ServerSpec("mlserver", 1, rest='{"podSpec":{"nodeName":"a"}}')
    filled = replace(server(1), spec=replace(wanted, rest='{"podSpec":{"dnsPolicy":"x","nodeName":"a"}}'))
    update = server_action(ActionKind.UPDATE_SERVER, wanted)
    assert progress(update, LiveState(0.0, servers=(server(1),))).state is Stage.PENDING
    assert progress(update, LiveState(0.0, servers=(filled,))).state is Stage.DONE


@pytest.mark.parametrize(
    ("room", "fits"), [((500_000, 900_000), True), ((50_000, 900_000), False), ((50_000, 0, 900_000), False)]
)
def test_a_server_shrinks_only_if_what_it_displaces_fits_elsewhere(room: tuple[int, ...], fits: bool) -> None:
    shrink = server_action(ActionKind.SHRINK_SERVER, ServerSpec("mlserver", 1))
    displaced = replace(SERVES, replicas=((1, AVAILABLE),))
    found = precondition(shrink, state(displaced, route=1, servers=(server(*room),)))
    assert (found is None) is fits


def test_a_servers_limit_is_not_lowered_below_what_is_scheduled() -> None:
    update = server_action(ActionKind.UPDATE_SERVER, ServerSpec("mlserver", 1, memory=100_000, overcommit_percent=0))
    found = precondition(update, state(servers=(server(500_000),)))
    assert found == "s/0 has 500k scheduled, more than its new limit 100k"


def test_a_server_is_deleted_only_when_it_is_empty_ours_and_unprotected() -> None:
    delete = server_action(ActionKind.DELETE_SERVER, ServerSpec("mlserver", 1))
    assert precondition(delete, state(SERVES, route=1)) == "it still holds iris"
    assert precondition(delete, state()) is None
    protected = replace(server(1), annotations=((PREFIX + "prune", "disabled"),))
    assert "protected" in (precondition(delete, state(servers=(protected,))) or "")
    assert "not ours" in (precondition(delete, state(servers=(replace(server(1), instance=None),))) or "")
    assert progress(delete, LiveState(0.0)).state is Stage.DONE


def test_waiting_for_a_deleted_object_ends_when_it_is_gone() -> None:
    wait = action(ActionKind.WAIT_DELETED, OLD)
    assert precondition(wait, state(SERVES, deleting=True)) is None
    assert progress(wait, state(SERVES, deleting=True)).state is Stage.PENDING
    assert progress(wait, state()).state is Stage.DONE


def test_what_is_written_to_an_object_being_deleted_would_be_lost_so_it_waits() -> None:
    for kind in (ActionKind.LOAD, ActionKind.CHANGE, ActionKind.ADOPT):
        found = obstacle(action(kind, OLD), state(SERVES, route=1, deleting=True))
        assert found is not None
        assert found.patience is Patience.TIME_LIMIT
