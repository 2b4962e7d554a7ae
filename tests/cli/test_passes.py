"""The commands that bring Git and a real local cluster together: what they do, print, report and exit with."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import time
from pathlib import Path

import pytest

from reconciler.cli import execute
from reconciler.clusters.local import lifecycle
from reconciler.clusters.local.client import LocalCluster
from reconciler.demo.measure import Expected, Window, failures
from reconciler.demo.traffic import flowing
from reconciler.executor import execute as execute_plan
from reconciler.health import serving_version
from reconciler.model.outcome import Status
from reconciler.model.plan import Guards
from reconciler.planner import plan
from reconciler.repository import load_folder
from tests.cli.conftest import Play

pytestmark = [pytest.mark.mlserver, pytest.mark.xdist_group("cli")]


def serving(play: Play) -> str:
    """The storage URI of the version of `churn` that answers."""
    live = asyncio.run(LocalCluster(play.workspace.state).observe())
    model = live.model("churn")
    assert model is not None
    version = serving_version(model)
    assert version is not None
    return model.spec.storage_uri if version.digest == model.spec.digest else f"not {model.spec.storage_uri}"


def test_nothing_to_do_is_said_and_leaves_no_report(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["plan", "--detailed-exitcode"]) == 0
    assert execute(["sync"]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert play.reports() == []
    assert not play.workspace.report.exists()


def test_a_plan_is_the_same_bytes_each_time_and_changes_nothing(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    play.write("churn", "churn/v2")
    play.push()
    assert execute(["plan", "-o", "json", "--detailed-exitcode"]) == 2
    first = capsys.readouterr().out
    assert execute(["plan", "-o", "json"]) == 0
    assert capsys.readouterr().out == first
    assert [action["kind"] for action in json.loads(first)["actions"]] == ["load", "shift", "drain", "unload"]
    assert serving(play) == "churn/v1"
    assert play.reports() == []


def test_a_saved_plan_is_applied_once_and_then_stale(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    play.write("churn", "churn/v2")
    play.push()
    saved = str(play.workspace.folder / "plan.json")
    assert execute(["plan", "--out", saved]) == 0
    assert execute(["apply", saved]) == 0
    assert serving(play) == "churn/v2"
    assert execute(["apply", saved]) == 6
    assert "stale" in capsys.readouterr().err


def test_sync_rolls_out_and_reports_to_the_branch_and_the_file(play: Play) -> None:
    play.write("churn", "churn/v2")
    play.push()
    assert execute(["sync", "-o", "json"]) == 0
    assert serving(play) == "churn/v2"
    assert len(play.reports()) == 2  # before the first action, and at the end
    assert "4 of 4 actions done" in play.report()
    assert json.loads(play.workspace.report.read_text())["status"] == "done"


def test_invalid_manifests_are_all_told_and_reported_once(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    file = play.workspace.work / "churn.yaml"
    file.write_text(file.read_text().replace("memory: 100M", "memory: lots, replica: 2"))
    play.push()
    assert execute(["sync"]) == 3
    told = capsys.readouterr().err
    assert "churn.yaml:4: spec.memory" in told
    assert "did you mean" in told.lower()
    assert "replicas" in told
    assert execute(["plan", "-o", "markdown"]) == 3
    assert "churn.yaml:4" in capsys.readouterr().out
    assert execute(["plan", "-o", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["status"] == "invalid"
    assert execute(["sync"]) == 3
    assert len(play.reports()) == 1
    assert "churn.yaml" in play.report()
    assert serving(play) == "churn/v1"


def test_what_does_not_fit_is_blocked_and_the_rest_goes_on(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    play.write("churn", "churn/v2", memory="250M")
    play.write("other", "churn/v1", memory="50M")
    play.push()
    assert execute(["sync"]) == 4
    assert "50000000 bytes" in " ".join(capsys.readouterr().out.split())
    assert serving(play) == "churn/v1"
    live = asyncio.run(LocalCluster(play.workspace.state).observe())
    assert live.model("other") is not None


def test_a_version_that_fails_to_load_is_held_back_with_exit_code_5(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    play.write("churn", "churn/none")
    play.push()
    assert execute(["sync"]) == 5
    assert "churn.yaml:1" in capsys.readouterr().out
    assert execute(["plan"]) == 5
    assert execute(["sync"]) == 5
    assert "churn/none" in play.report()


def test_an_emptied_repository_removes_nothing(play: Play) -> None:
    play.workspace.git("rm", "--quiet", "server.yaml", "churn.yaml")
    play.push()
    assert execute(["sync"]) == 4
    assert serving(play) == "churn/v1"


def test_while_another_reconciler_works_the_exit_code_is_7(play: Play) -> None:
    async def contender() -> int:
        async with LocalCluster(play.workspace.state).lock("somebody", 0):
            process = play.start("sync")
            _, told = await asyncio.to_thread(process.communicate, timeout=60)
            assert "somebody" in told
            return process.returncode

    assert asyncio.run(contender()) == 7


def test_reports_that_cannot_be_pushed_are_a_warning_and_exit_code_1(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = play.workspace.folder / "models.git" / "hooks" / "pre-receive"
    play.write("churn", "churn/v2")
    play.push()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    try:
        assert execute(["sync"]) == 1
    finally:
        hook.unlink()
    assert "warning" in capsys.readouterr().err
    assert serving(play) == "churn/v2"


@pytest.mark.parametrize("command", ["apply", "sync"])
def test_a_pass_killed_in_the_middle_is_continued_by_the_next_without_a_failed_request(
    play: Play, command: str
) -> None:
    play.write("churn", "churn/slow")
    play.push()

    async def scenario() -> None:
        async with flowing(play.data_plane(), "churn", 4) as traffic:
            start = time.monotonic()
            process = play.start(command)
            await loading(play)
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.communicate, timeout=60)
            after = play.start("sync")
            await asyncio.to_thread(after.communicate, timeout=60)
            assert after.returncode == 0
            change = Window(start, time.monotonic())
            await traffic.until(len(traffic.requests) + 50)
        assert failures(traffic.requests, change, Expected("v1", "slow")) == {}

    asyncio.run(scenario())
    assert serving(play) == "churn/slow"
    # An apply reports to no branch.
    assert any("interrupted" in subject for subject in play.reports()) == (command == "sync")


def test_a_gateway_killed_in_the_middle_fails_requests_only_until_it_is_up_again(play: Play) -> None:
    play.write("churn", "churn/slow")
    play.push()
    state, artifacts = play.workspace.state, play.workspace.artifacts

    async def scenario() -> None:
        async with flowing(play.data_plane(), "churn", 4) as traffic:
            process = play.start("sync")
            await loading(play)
            address = lifecycle.status(state).address
            assert address is not None
            killed = time.monotonic()
            os.kill(address.pid, signal.SIGKILL)
            await asyncio.to_thread(lifecycle.up, state, artifacts=artifacts)
            back = time.monotonic()
            await asyncio.to_thread(process.communicate, timeout=90)
            after = play.start("sync")
            await asyncio.to_thread(after.communicate, timeout=60)
            assert after.returncode == 0
            await traffic.until(len(traffic.requests) + 50)
        change = Window(traffic.requests[0].start, time.monotonic())
        outside = [request for request in traffic.requests if request.end < killed or request.start > back]
        assert failures(outside, change, Expected("v1", "slow")) == {}
        lost = sum(failures(traffic.requests, change, Expected("v1", "slow")).values())
        print(f"gateway away for {back - killed:.2f} s: {lost} of {len(traffic.requests)} requests failed")

    asyncio.run(scenario())
    assert serving(play) == "churn/slow"


@pytest.mark.parametrize("strategy", ["rolling", "recreate"])
@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_rollout_ended_after_any_action_is_finished_by_the_next_pass(play: Play, strategy: str, done: int) -> None:
    play.write("churn", "churn/v2", memory="150M")
    file = play.workspace.work / "churn.yaml"
    annotation = f"{{name: churn, annotations: {{model-reconciler.io/strategy: {strategy}}}}}"
    file.write_text(file.read_text().replace("{name: churn}", annotation))
    play.push()

    async def first_actions() -> None:
        cluster = LocalCluster(play.workspace.state)
        found = plan(load_folder(play.workspace.work), await cluster.observe(), Guards())
        assert len(found.actions) == 4
        begun = dataclasses.replace(found, actions=found.actions[:done])
        outcomes = await execute_plan(begun, cluster, on_outcome=lambda _: None)
        assert all(outcome.status is Status.DONE for outcome in outcomes)

    asyncio.run(first_actions())
    assert execute(["sync"]) == 0
    assert serving(play) == "churn/v2"
    model = asyncio.run(LocalCluster(play.workspace.state).observe()).model("churn")
    assert model is not None
    assert len(model.versions) == 1
    assert execute(["plan", "--detailed-exitcode"]) == 0


def test_a_saved_plan_is_applied_under_the_guards_it_was_made_under(play: Play) -> None:
    play.write("other", "churn/v1", memory="50M")
    play.push()
    assert execute(["apply"]) == 0
    play.workspace.git("rm", "--quiet", "other.yaml", "churn.yaml")
    play.push()
    saved = str(play.workspace.folder / "plan.json")
    assert execute(["plan", "--out", saved]) == 4
    assert execute(["plan", "--max-deletions", "2", "--out", saved]) == 0
    assert execute(["apply", saved]) == 0
    assert asyncio.run(LocalCluster(play.workspace.state).observe()).models == ()


def test_an_invalid_commit_changes_nothing_but_what_was_under_way_is_finished(play: Play) -> None:
    play.write("churn", "churn/slow")
    play.push()
    process = play.start("sync")
    asyncio.run(loading(play))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    (play.workspace.work / "churn.yaml").write_text("kind: Model\n")
    play.push()
    assert execute(["sync"]) == 3
    assert serving(play) == "churn/slow"
    assert "churn.yaml:1" in play.report()


async def loading(play: Play) -> None:
    """Waits until the second version of `churn` loads."""
    cluster = LocalCluster(play.workspace.state)
    async with asyncio.timeout(60):
        while True:
            model = (await cluster.observe()).model("churn")
            if model is not None and model.live_version is not None and model.live_version.loading:
                return
            await asyncio.sleep(0.02)


def test_sigterm_ends_a_sync_soon_and_it_says_that_it_was_interrupted(play: Play) -> None:
    play.write("churn", "churn/slow")
    play.push()
    process = play.start("sync")
    asyncio.run(loading(play))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 5
    assert "Interrupted" in out
    assert execute(["sync"]) == 0
    assert serving(play) == "churn/slow"


def test_run_takes_up_a_push_and_ends_with_sigterm(play: Play) -> None:
    process = play.start("run", "--interval", "1s")
    play.write("churn", "churn/v2")
    play.push()
    deadline = time.monotonic() + 60
    while not any("4 of 4 actions done" in subject for subject in play.reports()) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert serving(play) == "churn/v2"


def test_status_shows_what_serves(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["status", "-o", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in shown["models"]] == ["churn"]
    assert shown["servers"][0]["replicas"][0]["room"] == 200_000_000
    assert execute(["status"]) == 0
    assert "churn" in capsys.readouterr().out


def test_local_status_and_a_second_up_leave_the_cluster_alone(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["local", "status", "-o", "json"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert before["up"]
    assert before["inferenceServers"] == 1
    assert execute(["local", "up"]) == 0
    assert "up already" in capsys.readouterr().out
    assert execute(["local", "status", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == before


def test_without_a_cluster_it_says_how_to_start_one(
    play: Play, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["sync", "--state", str(tmp_path / "nowhere")]) == 1
    assert "reconciler local up" in capsys.readouterr().err


def test_manifests_that_are_not_committed_are_told_as_no_part_of_a_plan(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["plan", "--repo", str(play.workspace.work)]
    assert execute(arguments) == 0
    assert capsys.readouterr().err == ""
    play.write("churn", "churn/v2")
    assert execute(arguments) == 0
    shown = capsys.readouterr()
    assert "Nothing to do" in shown.out
    assert "uncommitted changes" in shown.err
    assert "churn.yaml" in shown.err


def test_up_warns_of_an_artifacts_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    try:
        assert execute(["local", "up", "--state", str(state)]) == 0
        assert f"warning: there is no folder {state}/artifacts" in capsys.readouterr().err
        (state / "artifacts").mkdir()
        assert execute(["local", "up", "--state", str(state)]) == 0
        assert capsys.readouterr().err == ""
    finally:
        lifecycle.down(state)
