"""Starting, stopping and finding a gateway; processes by pid and start time."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.clusters.local import lifecycle
from reconciler.clusters.local.client import LocalCluster
from reconciler.clusters.local.mlserver_settings import environment, installed
from reconciler.clusters.local.process import Identity, free_port, spawn, started_at
from reconciler.errors import ClusterError, ClusterUnavailable, LockHeld, UsageError

pytestmark = pytest.mark.xdist_group("local-faults")

Start = Callable[..., lifecycle.Address]


def test_up_twice_is_up_once(started: Start) -> None:
    first = started()
    second = started()
    assert (first.started, second.started) == (True, False)
    assert first.pid == second.pid
    assert lifecycle.status(first.state).address == second


def test_a_running_cluster_keeps_its_settings(started: Start, tmp_path: Path) -> None:
    local = started()
    with pytest.raises(UsageError, match="artifacts"):
        lifecycle.up(local.state, artifacts=tmp_path)
    with pytest.raises(UsageError, match="port"):
        started(local.state, port=free_port())


def test_the_artifacts_folder_is_remembered(started: Start, artifacts: Path) -> None:
    state = started().state
    assert lifecycle.up(state).artifacts == artifacts
    lifecycle.down(state)
    assert lifecycle.up(state).artifacts == artifacts


def test_the_port_is_the_same_after_a_restart(started: Start) -> None:
    port = free_port()
    assert started(port=port).url == f"http://127.0.0.1:{port}"
    lifecycle.down(started().state)
    assert started().url == f"http://127.0.0.1:{port}"


def test_a_port_that_is_taken_is_refused_when_asked_for_and_avoided_when_not(started: Start, tmp_path: Path) -> None:
    port = free_port()
    lifecycle.down(started(tmp_path / "a", port=port).state)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(ClusterError) as error:
            started(tmp_path / "b", port=port)
        assert f"port {port} cannot be used" in error.value.why
        assert started(tmp_path / "a").url != f"http://127.0.0.1:{port}"


def test_nothing_runs_where_nothing_was_started(tmp_path: Path) -> None:
    assert lifecycle.status(tmp_path / "none") == lifecycle.Status(tmp_path / "none", None, 0)
    assert not lifecycle.down(tmp_path / "none")
    assert not (tmp_path / "none").exists()


async def test_a_cluster_that_is_not_up_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnavailable) as error:
        await LocalCluster(tmp_path).observe()
    assert error.value.why == "nothing was started in this folder"
    assert error.value.fix.startswith(f"start it: reconciler local up --state {tmp_path}; or, for Kubernetes")
    with pytest.raises(ClusterUnavailable, match="does not answer") as error:
        await LocalCluster(tmp_path / "none").observe()
    assert error.value.why == "nothing was started in this folder"


def test_a_cluster_that_was_taken_down_names_its_log(started: Start) -> None:
    state = started().state
    lifecycle.down(state)
    with pytest.raises(ClusterUnavailable) as error:
        asyncio.run(LocalCluster(state).observe())
    assert error.value.why == f"its gateway has ended; see {state / 'gateway.log'}"


def test_a_state_that_cannot_be_read_is_told_by_up(started: Start, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ClusterError) as error:
        started(tmp_path)
    assert "state.json cannot be read" in error.value.why


def test_a_state_folder_that_is_a_file_is_refused(started: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be used"):
        lifecycle.up(tmp_path / "file", artifacts=tmp_path)


@pytest.mark.parametrize(("version", "there"), [((3, 13), {"mlserver"}), ((3, 10), {"mlserver"}), ((3, 12), set())])
def test_another_python_or_a_missing_mlserver_is_refused_with_what_to_do(
    version: tuple[int, int], there: set[str]
) -> None:
    with pytest.raises(UsageError) as error:
        lifecycle.check_here(version, there)
    assert error.value.fix == "in a clone, on Python 3.11 or 3.12: pip install '.[local]'"


def test_this_python_with_mlserver_is_good() -> None:
    lifecycle.check_here((3, 12), installed())
    assert installed() >= {"mlserver", "python", "sklearn"}


def test_a_lock_is_free_again_when_its_holder_dies(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\nfrom pathlib import Path\n"
        "from reconciler.clusters.local.client import LocalCluster\n"
        "async def main():\n"
        "    async with LocalCluster(Path(sys.argv[1])).lock('the dead', 0):\n"
        "        print('held', flush=True)\n        sys.stdin.read()\n"
        "asyncio.run(main())\n"
    )
    root = str(Path(lifecycle.__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeld, match="the dead"):
            _try_lock(tmp_path)
        holder.kill()
        holder.wait()
        _try_lock(tmp_path)


def _try_lock(state: Path) -> None:
    async def lock() -> None:
        async with LocalCluster(state).lock("me", 0):
            pass

    asyncio.run(lock())


async def test_a_process_is_known_by_pid_and_start_time(tmp_path: Path) -> None:
    child = spawn(["sleep", "60"], cwd=tmp_path, environment=os.environ, log=tmp_path / "log")
    assert child.alive()
    assert os.getsid(child.pid) == child.pid
    another = Identity(child.pid, child.started + 1)
    assert not another.alive()
    await another.end(0)
    assert child.alive()
    await child.end(5)
    assert not child.alive()
    assert started_at(child.pid) is None


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    command = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]
    child = spawn(command, cwd=tmp_path, environment=os.environ, log=tmp_path / "log")
    while "ready" not in (tmp_path / "log").read_text():
        pass
    await child.end(0.2)
    assert not child.alive()


def test_a_log_that_grew_too_long_is_begun_anew(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 6_000_000)
    spawn(["true"], cwd=tmp_path, environment=os.environ, log=log)
    assert log.stat().st_size == 0


def test_the_environment_of_mlserver_holds_nothing_inherited_that_it_reads(tmp_path: Path) -> None:
    inherited = {"PATH": "/bin", "MLSERVER_DEBUG": "true", "mlserver_model_name": "x", "PYTHONPATH": "relative"}
    made = environment(inherited, tmp_path, tmp_path / "versions", 1234, "token")
    assert made["MLSERVER_DEBUG"] == "false"
    assert "mlserver_model_name" not in made
    assert made["PATH"] == "/bin"
    assert made["MLSERVER_HTTP_PORT"] == "1234"
    assert all(Path(entry).is_absolute() for entry in made["PYTHONPATH"].split(os.pathsep))
