"""The demo itself, on real servers: every step ends as it should, no request fails, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mlserver, pytest.mark.xdist_group("demo"), pytest.mark.timeout(300)]

ENVIRON = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


def demo(*arguments: str, temporary: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "reconciler", "demo", *arguments]
    environ = ENVIRON | {"TMPDIR": str(temporary)}
    return subprocess.Popen(
        command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that work in `folder` or are told of it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder) in (line := (entry / "cmdline").read_bytes().decode()):
                found.append(line)
        except OSError:
            continue  # it has just ended
    return found


def wait_until_nothing_is_left(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while (list(folder.iterdir()) or processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, str, Path]:
    folder = tmp_path_factory.mktemp("d")
    process = demo("--exit", "-o", "json", temporary=folder)
    out, told = process.communicate(timeout=240)
    return process.returncode, out, told, folder


def test_every_step_ends_as_it_should_and_no_request_fails(played: tuple[int, str, str, Path]) -> None:
    code, out, told, _ = played
    result = json.loads(out)
    assert code == 0, told
    assert result["failed"] == 0
    assert [(step["name"], step["exitCode"], step["failed"]) for step in result["steps"]] == [
        ("first sync", 0, 0),
        ("new version", 0, 0),
        ("broken artifact", 5, 0),
        ("mended artifact", 0, 0),
        ("does not fit", 4, 0),
        ("revert", 0, 0),
        ("stepped update", 0, 0),
        ("removed model", 0, 0),
    ]
    assert result["steps"][1]["requests"] >= 1000
    assert result["requests"] == sum(step["requests"] for step in result["steps"])
    assert all(step.keys() == {"name", "requests", "failed", "p50Ms", "p99Ms", "exitCode"} for step in result["steps"])


def test_the_story_is_told_on_the_error_stream_and_shows_the_reports(played: tuple[int, str, str, Path]) -> None:
    _, _, told, _ = played
    assert "models/churn.yaml" in told  # where the version that failed to load stands
    assert "100000000 bytes" in told  # what was missing
    assert "default: done, 10 of 10 actions done" in told  # from the branch of reports
    assert "Every step ended as it should" in told
    assert "$ git commit -am 'Churn v2' && git push" in told
    assert "$ git revert --no-edit HEAD && git push" in told


def test_the_stepped_update_is_told_by_its_plan_before_anything_is_touched(played: tuple[int, str, str, Path]) -> None:
    told = played[2]
    plan, sync = (told.index(f"$ reconciler {name}", told.index("stepped update")) for name in ("plan", "sync"))
    beforehand = " ".join(told[plan:sync].split())
    assert "Plan: 1 to roll out" in beforehand
    assert "replicas 2 → 1" in beforehand
    assert "default: done, 6 of 6 actions done" in told


def test_its_end_says_what_was_removed(played: tuple[int, str, str, Path]) -> None:
    assert f"{played[3]}/reconciler-demo-" in played[2].splitlines()[-1]
    assert "is removed" in played[2]


def test_nothing_is_left_after_its_end(played: tuple[int, str, str, Path]) -> None:
    wait_until_nothing_is_left(played[3])


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_it_is_ended(ending: signal.Signals, tmp_path: Path) -> None:
    process = demo(temporary=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "create-server" in line:  # the first sync is under way
            break
    os.killpg(process.pid, ending) if ending is signal.SIGINT else process.send_signal(ending)
    process.communicate(timeout=60)
    wait_until_nothing_is_left(tmp_path)
