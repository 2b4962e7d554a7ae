"""The form stepped on a real local cluster, under steady requests: two replicas without room for a second version.

Whatever ends a pass in the middle, and whatever Git says next: the following one finishes or goes back, and no request
fails meanwhile.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import joblib
import pytest

from reconciler.cli import execute
from reconciler.clusters.local import lifecycle
from reconciler.clusters.local.client import LocalCluster
from reconciler.demo.artifacts import Artifact, build, write_broken
from reconciler.demo.measure import Expected, Request, Window, failures
from reconciler.demo.traffic import flowing
from reconciler.demo.workspace import environment, opened
from reconciler.executor import execute as execute_plan
from reconciler.health import carries_all_traffic, is_whole
from reconciler.model.live import LiveModel
from reconciler.model.outcome import Status
from reconciler.model.plan import Guards
from reconciler.planner import plan
from reconciler.repository import load_folder
from tests.cli.conftest import Play, Slowly

pytestmark = [pytest.mark.mlserver, pytest.mark.xdist_group("stepped")]

SERVER = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Server
metadata: {name: tight}
spec:
  serverConfig: mlserver
  replicas: 2
  podSpec:
    containers:
      - {name: mlserver, resources: {requests: {memory: 300M}}}
      - {name: agent, env: [{name: SELDON_OVERCOMMIT_PERCENTAGE, value: "0"}]}
"""

MODEL = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Model
metadata: {{name: pair{annotations}}}
spec: {{storageUri: pair/{version}, requirements: [sklearn], memory: 200M, replicas: 2}}
"""

STEPS = 6
"""Actions of the stepped rollout: shrink, load, shift, drain, unload, grow back."""


@pytest.fixture(scope="module")
def tight() -> Iterator[Play]:
    """A cluster that is up, empty, with a server of two replicas in Git; artifacts of `pair`, all good but `broken`."""
    with opened() as workspace:
        play = Play(workspace, environment(workspace) | {"PYTHONPATH": str(Path(__file__).parents[2])})
        artifacts = {version: Artifact("pair", version, 4) for version in ("v1", "v2", "slow", "mended", "broken")}
        build(workspace.artifacts, tuple(artifacts.values()))
        write_broken(workspace.artifacts, artifacts["broken"])
        slow = workspace.artifacts / "pair" / "slow" / "model.joblib"
        joblib.dump(Slowly(joblib.load(slow), 1.0), slow)
        play.workspace.git("rm", "-r", "--quiet", ".")
        (workspace.work / "server.yaml").write_text(SERVER)
        lifecycle.up(workspace.state, artifacts=workspace.artifacts)
        yield play


@pytest.fixture
def play(tight: Play, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Play:
    """`tight`, serving v1 of `pair` on both replicas as if nothing had ever happened."""
    monkeypatch.setenv("RECONCILER_SETTINGS", str(tight.workspace.settings))
    (tight.workspace.work / "pair.yaml").unlink(missing_ok=True)
    tight.push("without pair")
    assert execute(["apply", "--max-deletions", "100%"]) == 0
    ask(tight, "v1")
    assert execute(["apply"]) == 0
    capsys.readouterr()
    return tight


def ask(play: Play, version: str, annotations: str = "") -> None:
    """Pushes a manifest that asks for `version`."""
    told = f", annotations: {{{annotations}}}" if annotations else ""
    (play.workspace.work / "pair.yaml").write_text(MODEL.format(version=version, annotations=told))
    play.push(f"pair {version}")


def pair(play: Play) -> LiveModel:
    """What is live of `pair`."""
    found = asyncio.run(LocalCluster(play.workspace.state).observe()).model("pair")
    assert found is not None
    return found


def assert_settled(play: Play, version: str, *, held: bool = False) -> None:
    """`version` serves alone with both replicas, nothing is on record, and nothing is left to do."""
    found = pair(play)
    assert found.spec.storage_uri == f"pair/{version}"
    assert found.rollout is None
    assert [is_whole(v) and v.available for v in found.versions] == [2]
    assert carries_all_traffic(found, found.versions[0].number)
    assert execute(["plan", "--detailed-exitcode"]) == (5 if held else 0)


def under_requests(play: Play, scenario: Callable[[], None], expected: Expected | None) -> None:
    """Runs `scenario` under steady requests: none fails, and none is answered by a version that should not.

    The requests have a thread of their own: commands need the main one for their signals.
    """
    url, over = play.data_plane(), threading.Event()
    began: Future[None] = Future()

    async def send() -> list[Request]:
        async with flowing(url, "pair", 4) as traffic:
            await traffic.until(20)
            began.set_result(None)
            await asyncio.to_thread(over.wait, 100)
            await traffic.until(len(traffic.requests) + 50)
        return traffic.requests

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(lambda: asyncio.run(send()))
        try:
            began.result(timeout=30)
            start = time.monotonic()
            scenario()
            change = Window(start, time.monotonic())
        finally:
            over.set()
        requests = sent.result(timeout=60)
    print(f"{len(requests)} requests")
    if expected is None:  # it goes there and back again
        assert {request.status for request in requests} == {200}
    else:
        assert failures(requests, change, expected) == {}


def pass_ended_at(play: Play, command: str, step: int, word: str) -> None:
    """Runs a pass in a process of its own and kills it as soon as it says that action number `step` is `word`."""
    process = play.start(command)
    assert process.stdout is not None
    said = []
    for told in process.stdout:
        said.append(told)
        if f" {step}/{STEPS} " in told and f" {word}" in told:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, "".join(said)


def first_actions(play: Play, done: int) -> None:
    """Does the first actions of the plan, and leaves it there."""

    async def begin() -> None:
        cluster = LocalCluster(play.workspace.state)
        found = plan(load_folder(play.workspace.work), await cluster.observe(), Guards())
        assert len(found.actions) == STEPS
        begun = dataclasses.replace(found, actions=found.actions[:done])
        outcomes = await execute_plan(begun, cluster, on_outcome=lambda _: None)
        assert all(outcome.status is Status.DONE for outcome in outcomes)

    asyncio.run(begin())


def test_what_does_not_fit_beside_is_stepped_as_the_plan_says_and_no_request_fails(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(play, "v2")
    assert execute(["plan", "-o", "markdown"]) == 0
    assert "replicas 2 → 1; at least 1 replica answers meanwhile" in capsys.readouterr().out
    under_requests(play, lambda: _sync(0), Expected("v1", "v2"))
    assert_settled(play, "v2")


@pytest.mark.parametrize("done", range(1, STEPS))
def test_a_stepped_rollout_ended_after_any_action_is_finished_by_the_next_pass(play: Play, done: int) -> None:
    ask(play, "v2")

    def scenario() -> None:
        first_actions(play, done)
        assert pair(play).rollout is not None
        _sync(0)

    under_requests(play, scenario, Expected("v1", "v2"))
    assert_settled(play, "v2")


@pytest.mark.parametrize("step", range(1, STEPS + 1))
@pytest.mark.parametrize(("command", "word"), [("apply", "running"), ("sync", "done")])
def test_a_stepped_rollout_killed_at_any_action_is_finished_by_the_next_pass(
    play: Play, command: str, word: str, step: int
) -> None:
    version = "slow" if (word, step) == ("running", 2) else "v2"
    ask(play, version)

    def scenario() -> None:
        pass_ended_at(play, command, step, word)
        _sync(0)

    under_requests(play, scenario, Expected("v1", version))
    assert_settled(play, version)


def test_a_version_that_fails_half_way_is_followed_by_the_way_back_and_a_mended_one_succeeds(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(play, "broken")
    under_requests(play, lambda: _sync(5), Expected("v1", "v1"))
    assert "pair.yaml:1" in capsys.readouterr().out
    assert_settled(play, "v1", held=True)
    ask(play, "mended")
    under_requests(play, lambda: _sync(0), Expected("v1", "mended"))
    assert_settled(play, "mended")
    assert pair(play).failure is None


def test_the_way_back_has_a_report_of_its_own_and_json_is_that_of_the_last_pass(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(play, "broken")
    before = len(play.reports())
    assert execute(["sync", "-o", "json"]) == 5
    shown = json.loads(capsys.readouterr().out)
    assert [action["kind"] for action in shown["actions"]] == ["change"]
    assert shown["exitCode"] == 5
    failed_pass, way_back = play.reports()[2], play.reports()[0]
    assert len(play.reports()) == before + 4
    assert "1 of 6 actions done, 1 failed, 4 not run" in failed_pass
    assert "1 of 1 action done; 1 on hold" in way_back
    assert_settled(play, "v1", held=True)


def test_a_version_that_fails_after_a_killed_pass_is_followed_by_the_way_back_too(play: Play) -> None:
    ask(play, "broken")

    def scenario() -> None:
        first_actions(play, 1)
        _sync(5)

    under_requests(play, scenario, Expected("v1", "v1"))
    assert_settled(play, "v1", held=True)


def test_a_pass_killed_when_the_new_version_failed_is_followed_by_the_way_back(play: Play) -> None:
    ask(play, "broken")

    def scenario() -> None:
        pass_ended_at(play, "sync", 2, "failed")
        _sync(5)

    under_requests(play, scenario, Expected("v1", "v1"))
    assert_settled(play, "v1", held=True)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_git_reverted_half_way_ends_on_the_version_before(play: Play, done: int) -> None:
    ask(play, "v2")

    def scenario() -> None:
        first_actions(play, done)
        ask(play, "v1")
        _sync(0)

    under_requests(play, scenario, None)
    assert_settled(play, "v1")


def test_git_reverted_while_the_new_version_loads_waits_for_it_and_ends_on_the_version_before(play: Play) -> None:
    ask(play, "slow")

    def scenario() -> None:
        pass_ended_at(play, "sync", 2, "running")
        ask(play, "v1")
        _sync(0)

    under_requests(play, scenario, None)
    assert_settled(play, "v1")


@pytest.mark.parametrize(("done", "version"), [(1, "v1"), (2, "v2")])
def test_a_model_suspended_half_way_becomes_whole_and_is_held(play: Play, done: int, version: str) -> None:
    ask(play, "v2")

    def scenario() -> None:
        first_actions(play, done)
        ask(play, "v2", 'model-reconciler.io/suspend: "true"')
        _sync(0)

    under_requests(play, scenario, Expected("v1", version))
    assert_settled(play, version)


@pytest.mark.parametrize(("done", "version"), [(1, "v1"), (2, "v2")])
def test_a_commit_that_is_not_valid_half_way_leaves_the_model_whole(play: Play, done: int, version: str) -> None:
    ask(play, "v2")

    def scenario() -> None:
        first_actions(play, done)
        (play.workspace.work / "pair.yaml").write_text("kind: Model\n")
        play.push()
        _sync(3)

    under_requests(play, scenario, Expected("v1", version))
    ask(play, version)
    assert_settled(play, version)


def _sync(code: int) -> None:
    assert execute(["sync"]) == code
