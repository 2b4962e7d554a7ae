"""What is read off API server and scheduler is what a simulated cluster knows of itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.clusters.kubernetes.reported import (
    Reported,
    ReportedModel,
    ReportedReplica,
    ReportedServer,
    ReportedVersion,
)
from reconciler.clusters.kubernetes.view import NEWEST, Seen, View
from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.records import Scheduler, World
from reconciler.clusters.simulated.view import live_state
from reconciler.model.live import LiveModel, LiveServer, LiveState, LiveVersion, VersionState
from tests.kubernetes import told
from tests.recordings.artifacts import artifacts_in
from tests.recordings.operations import Wait
from tests.recordings.player import OPERATION_SECONDS, carry_out, rules, settle
from tests.recordings.recording import read_recording

RECORDED = sorted((Path(__file__).parent.parent / "recorded").glob("*.yaml"))
FROZEN = {"experiment-all-zero"}
"""Where an experiment freezes all routes, so that they do not follow from the states of versions."""


def moments(path: Path) -> Iterator[Simulation]:
    """Plays a recording's operations, and yields the simulation after everything that happens."""
    recording = read_recording(path)
    everything = tuple(operation for _, operations in recording.stages for operation in operations)
    simulation = Simulation(rules(recording), artifacts_in(everything))
    for stage, (_, operations) in enumerate(recording.stages):
        for operation in operations:
            if not isinstance(operation, Wait):
                carry_out(simulation, operation)
            pause = operation.seconds if isinstance(operation, Wait) else OPERATION_SECONDS
            yield from _until(simulation, simulation.now + pause)
        if stage == 0:
            settle(simulation)
        else:
            yield from _until(simulation, simulation.now + recording.steps[stage - 1].seconds)


def _until(simulation: Simulation, end: float) -> Iterator[Simulation]:
    yield simulation
    while (due := simulation.next_event_at()) is not None and due <= end:
        simulation.step()
        yield simulation
    simulation.run_until(end)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_view_shows_what_the_simulated_cluster_shows(path: Path) -> None:
    view = View()
    for simulation in moments(path):
        world = simulation.world
        if world.scheduler is not Scheduler.UP or world.now < world.routes_held_until:
            continue
        found = view.live_state(told.seen(world), told.reported(world), world.now)
        known = live_state(world, 0.0)
        known = dataclasses.replace(known, models=tuple(_told_late(model, world) for model in known.models))
        routes = path.stem not in FROZEN
        assert _models(found, routes=routes) == _models(known, routes=routes)
        assert _servers(found) == _servers(known)


def _models(live: LiveState, *, routes: bool) -> list[LiveModel]:
    """Since when an object is being deleted is told in whole seconds."""
    return [
        dataclasses.replace(
            model,
            versions=tuple(_versions(model)),
            route=model.route if routes else (),
            deleting_since=None if model.deleting_since is None else 0.0,
        )
        for model in live.models
    ]


def _told_late(model: LiveModel, world: World) -> LiveModel:
    """Returns `model` with the digest that its latest version has while the object says something newer."""
    found = world.models.get(model.name)
    generation = world.objects[f"Model/{model.name}"].generation
    if not model.versions or found is None or found.latest.generation == generation:
        return model
    late = dataclasses.replace(model.versions[-1], digest=f"generation {found.latest.generation}")
    return dataclasses.replace(model, versions=(*model.versions[:-1], late))


def _versions(model: LiveModel) -> Iterator[LiveVersion]:
    """The scheduler names versions by generation: what older ones asked for is not told."""
    for version in model.versions[:-1]:
        yield dataclasses.replace(version, digest=None, memory=0, wanted=0)
    for version in model.versions[-1:]:
        yield version


def _servers(live: LiveState) -> list[LiveServer]:
    """Servers whose object is gone show as little as replicas that are not ready."""
    return [
        dataclasses.replace(server, replicas=tuple(replica for replica in server.replicas if replica.ready))
        for server in live.servers
        if not server.deleting
    ]


def _model(generation: int) -> dict[str, object]:
    metadata = {"name": "m", "uid": "1", "generation": generation, "resourceVersion": str(generation)}
    return {"metadata": metadata, "spec": {"storageUri": f"gs://m/{generation}", "memory": "100k"}}


def test_since_when_a_model_is_being_deleted_is_told() -> None:
    found = _model(1)
    metadata = {"name": "m", "uid": "1", "deletionTimestamp": "2026-01-01T00:00:05Z"}
    (model,) = View().live_state(Seen(models={"m": {**found, "metadata": metadata}}), Reported(), 0).models
    assert (model.deleting, model.deleting_since) == (True, 1767225605.0)


def test_the_latest_version_equals_no_digest_while_the_object_says_something_newer() -> None:
    simulation = Simulation(rules(read_recording(RECORDED[0])))
    simulation.apply([{"kind": "Server", "name": "mlserver", "spec": {"serverConfig": "mlserver"}}])
    simulation.run_until(20)
    simulation.apply([{"kind": "Model", "name": "m", "spec": {"storageUri": "gs://m/1", "memory": "100k"}}])
    simulation.run_until(30)
    report = told.reported(simulation.world)
    late = View().live_state(Seen(models={"m": _model(2)}), report, 0).models[0].versions[0]
    assert late.digest == "generation 1"
    view = View()
    before = view.live_state(Seen(models={"m": _model(1)}), report, 0).models[0]
    after = view.live_state(Seen(models={"m": _model(2)}), report, 0).models[0]
    assert before.versions[0].digest == before.spec.digest
    assert after.versions[0].digest == "generation 1"


def test_a_model_that_nobody_reports_has_no_version() -> None:
    assert View().live_state(Seen(models={"m": _model(1)}), Reported(), 0).models[0].versions == ()


@pytest.mark.parametrize("odd", [{"spec": None}, {"spec": {"memory": "lots"}}, {"spec": {"explainer": {"type": 1}}}])
def test_an_absurd_object_is_shown_and_stops_nothing(odd: dict[str, object]) -> None:
    found = {"metadata": {"name": "m"}, **odd}
    assert View().live_state(Seen(models={"m": found}), Reported(), 0).models[0].spec.memory is None


def _server_objects(memory: str, generation: int) -> Seen:
    containers = [{"name": "mlserver", "resources": {"requests": {"memory": memory}}}]
    spec = {"serverConfig": "mlserver", "replicas": 1, "podSpec": {"containers": containers}}
    set_ = {"metadata": {"name": "s", "generation": generation}, "spec": {"replicas": 1}}
    return Seen(servers={"s": {"metadata": {"name": "s", "uid": "1"}, "spec": spec}}, stateful_sets={"s": set_})


def test_replicas_are_not_ready_from_the_moment_their_server_says_other_pods_until_the_stateful_set_follows() -> None:
    report = Reported(servers={"s": ReportedServer("s", 1, (ReportedReplica(0, 1000, 1000),))})
    view = View()

    def ready(seen: Seen, now: float) -> bool:
        return view.live_state(seen, report, now).servers[0].replicas[0].ready

    assert ready(_server_objects("1k", 1), 0)
    assert not ready(_server_objects("2k", 1), 1)
    assert ready(_server_objects("2k", 2), 2)
    assert not ready(_server_objects("3k", 2), 3)
    assert ready(_server_objects("3k", 2), 14)


def test_nothing_may_be_changed_while_routes_do_not_follow_a_restarted_scheduler() -> None:
    assert View().live_state(Seen(), Reported(restarted=True), 0).hold
    assert not View().live_state(Seen(), Reported(), 0).hold


def test_what_the_scheduler_has_of_another_namespace_is_not_ours() -> None:
    models = {
        name: ReportedModel(name, (), namespace) for name, namespace in (("a", "ours"), ("b", "theirs"), ("c", ""))
    }
    servers = {"s": ReportedServer("s", 1, (), "theirs")}
    found = Reported(models, servers, restarted=True).of("ours")
    assert (sorted(found.models), sorted(found.servers), found.restarted) == (["a", "c"], [], True)


def _experiment(weight: int, generation: int, ready: str) -> Seen:
    metadata = {"name": "x", "uid": "1", "generation": generation}
    spec = {"candidates": [{"name": "a", "weight": weight}]}
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return Seen(experiments={"x": {"metadata": metadata, "spec": spec, "status": status}})


def test_an_experiment_that_was_written_to_is_ready_only_once_its_status_changed_or_time_has_passed() -> None:
    view = View()

    def ready(seen: Seen, now: float) -> bool | None:
        return view.live_state(seen, Reported(), now).experiments[0].ready

    assert ready(_experiment(1, 1, "True"), 0) is True
    assert ready(_experiment(2, 2, "True"), 1) is None
    assert ready(_experiment(2, 2, "False"), 2) is False
    assert ready(_experiment(3, 3, "False"), 3) is None
    assert ready(_experiment(3, 3, "False"), 9) is False


def _reports(*generations: int) -> Reported:
    versions = tuple(
        ReportedVersion(number, generation, "s", VersionState.AVAILABLE, available=1)
        for number, generation in enumerate(generations, start=1)
    )
    return Reported({"m": ReportedModel("m", versions)})


def test_specs_that_no_version_names_are_forgotten_but_for_the_newest() -> None:
    view = View()
    for generation in range(1, 100):
        view.live_state(Seen(models={"m": _model(generation)}), _reports(1, generation), generation)
    known = [n for n in range(1, 101) if view._known.spec("1", n) is not None]
    assert known == [1, *range(100 - NEWEST, 100)]
    live = view.live_state(Seen(models={"m": _model(100)}), _reports(1, 97, 100), 100)
    assert all(version.digest is not None for version in live.models[0].versions), "what may come late is known"


def test_a_moment_without_reports_forgets_nothing() -> None:
    view = View()
    for generation in range(1, 100):
        reports = _reports(1, generation) if generation < 50 else Reported()
        view.live_state(Seen(models={"m": _model(generation)}), reports, generation)
    assert view._known.spec("1", 1) is not None


def test_what_an_object_said_that_is_gone_is_forgotten() -> None:
    view = View()
    view.live_state(Seen(models={"m": _model(1)}), _reports(1), 0)
    view.live_state(Seen(), Reported(), 1)
    assert len(view._known) == 0
