"""`reconciler doctor` on a simulated cluster."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reconciler.cli import execute

TIGHT = """\
rules: {serverAutoscaling: true}
objects:
- kind: Server
  metadata: {name: mlserver}
  spec: {serverConfig: mlserver, replicas: 2, minReplicas: 2}
- kind: Model
  metadata: {name: churn}
  spec: {storageUri: churn/1, requirements: [sklearn], memory: %s, replicas: 2}
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("RECONCILER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def state(tmp_path: Path, memory: str) -> Path:
    file = tmp_path / "cluster.yaml"
    file.write_text(TIGHT % memory)
    return file


def test_hazards_are_told_and_make_exit_code_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = state(tmp_path, "600M")
    assert execute(["doctor", "--state", str(file)]) == 4
    told = capsys.readouterr().out
    assert "Model churn has no room for a second version beside it" in told
    assert told.endswith("\n1 hazard: 1 where the next change is an outage. 1 server and 1 model looked at.\n")
    assert file.read_text() == TIGHT % "600M", "nothing is written"


def test_a_healthy_cluster_is_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["doctor", "--state", str(state(tmp_path, "300M"))]) == 0
    assert capsys.readouterr().out == "No hazard found: 1 server and 1 model looked at.\n"


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["doctor", "--state", str(state(tmp_path, "600M")), "-o", "json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["exitCode"], told["counts"]["nextChangeIsAnOutage"]) == ("Diagnosis", 4, 1)
    assert told["findings"][0]["object"] == {"kind": "Model", "name": "churn", "namespace": None}


def test_markdown_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["doctor", "--state", str(state(tmp_path, "600M")), "-o", "markdown"]) == 1
    assert "not Markdown" in capsys.readouterr().err


def test_probes_are_sent_only_when_they_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = state(tmp_path, "300M")
    assert execute(["doctor", "--state", str(file), "--probe"]) == 0
    assert "model-reconciler-probe" in file.read_text(), "the scheduler remembers that it was deleted"
    assert capsys.readouterr().out == "No hazard found: 1 server and 1 model looked at.\n"
