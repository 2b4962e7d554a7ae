"""The command line as such: usage, exit codes, streams, colours; no cluster and no repository is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from reconciler import __version__
from reconciler.cli import app, build, execute, failures
from reconciler.cli.views import print_report
from reconciler.errors import ManifestsInvalid, Problem, UsageError
from reconciler.model.plan import Plan
from reconciler.reports.report import Context, planned
from reconciler.settings import Settings

ROOT = Path(__file__).parents[2]
COMMANDS = [
    "validate",
    "plan",
    "apply",
    "sync",
    "run",
    "simulate",
    "status",
    "doctor",
    "local up",
    "local down",
    "local status",
    "demo",
]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("RECONCILER_")]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["plan", "--nonsense"], ["sync", "too", "many"], ["plan", "--headroom"], ["local", "nonsense"]],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_1_and_told_on_the_error_stream(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert "fix: " in shown.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([*command.split(), "--help"]) == 0
    assert "Usage:" in capsys.readouterr().out


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([]) == 0
    shown = capsys.readouterr().out
    assert all(command.split()[0] in shown for command in COMMANDS)


def test_the_lists_of_commands_are_whole_on_80_columns() -> None:
    for done in (run("--help", COLUMNS="80"), run("local", COLUMNS="80")):
        assert done.returncode == 0
        assert "Commands:" in done.stdout
        assert "..." not in done.stdout.partition("Commands:")[2]


def test_the_help_shows_optional_arguments_once() -> None:
    assert "apply [OPTIONS] [PLAN]\n" in run("apply", "--help").stdout
    assert "validate [OPTIONS] [FOLDER]\n" in run("validate", "--help").stdout
    assert "--only MODEL" in run("plan", "--help").stdout


@pytest.mark.parametrize(("option", "fix"), [("--repoo", "did you mean --repo?"), ("--nonsense", "--help")])
def test_of_an_unknown_option_only_one_that_is_alike_is_named(
    option: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["plan", option, "x"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: no such option: {option}\n")
    assert fix in told


@pytest.mark.parametrize("command", ["status", "local status", "demo"])
def test_what_cannot_print_markdown_refuses_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([*command.split(), "-o", "markdown"]) == 1
    assert "text or json" in capsys.readouterr().err
    assert execute([*command.split(), "--help"]) == 0
    assert "markdown" not in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out == f"reconciler {__version__}\n"


def test_the_list_of_commands_here_is_complete() -> None:
    group = typer.main.get_command(app)
    names = {name for name in group.commands if name != "local"}  # type: ignore[attr-defined] # a private class
    assert names == {command for command in COMMANDS if " " not in command}


@pytest.mark.parametrize("command", ["plan", "apply", "sync", "run"])
def test_a_pass_needs_a_repository(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([command]) == 1
    assert "--repo" in capsys.readouterr().err


def test_a_flag_with_a_wrong_value_names_the_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["plan", "--max-deletions", "many"]) == 1
    assert "--max-deletions" in capsys.readouterr().err


def test_a_saved_plan_that_is_not_there_is_told_before_anything_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["apply", "none.json", "--repo", "."]) == 1
    assert "none.json" in capsys.readouterr().err


def test_valid_manifests_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["validate", str(ROOT / "examples" / "repo")]) == 0
    assert capsys.readouterr().out == "valid: 2 servers, 4 models\n"


def test_experiments_are_counted_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    head = "apiVersion: mlops.seldon.io/v1alpha1\nmetadata: {name: iris}\n"
    experiment = "kind: Experiment\nspec: {candidates: [{name: iris, weight: 1}]}\n"
    Path("both.yaml").write_text(f"{head}kind: Model\nspec: {{storageUri: iris/1}}\n---\n{head}{experiment}")
    assert execute(["validate", "both.yaml"]) == 0
    assert capsys.readouterr().out == "valid: 0 servers, 1 model, 1 experiment\n"


def test_one_manifest_is_not_told_as_several(capsys: pytest.CaptureFixture[str]) -> None:
    Path("one.yaml").write_text((ROOT / "examples" / "repo" / "servers.yaml").read_text().split("---")[0])
    assert execute(["validate", "one.yaml"]) == 0
    assert capsys.readouterr().out == "valid: 1 server, 0 models\n"


def test_manifests_on_standard_input_are_checked() -> None:
    text = (ROOT / "examples" / "repo" / "models" / "spam.yaml").read_text().replace("memory: 100M", "memory: -1")
    done = run("validate", "-", given=text)
    assert done.returncode == 3
    assert "-:8: spec.memory" in done.stderr


def test_all_problems_are_shown_with_place_why_and_fix(capsys: pytest.CaptureFixture[str]) -> None:
    problems = tuple(Problem("a.yaml", n, "spec.memory", "too little", "the rule", "more") for n in (7, 3))
    failures.show(ManifestsInvalid(problems))
    told = capsys.readouterr().err
    assert told.index("a.yaml:3: spec.memory: too little") < told.index("a.yaml:7: spec.memory: too little")
    assert told.count("why: the rule") == told.count("fix: more") == 2


def test_errors_keep_what_looks_like_markup(capsys: pytest.CaptureFixture[str]) -> None:
    failures.show(UsageError("[bold]no[/bold] :smile:", fix="see [1]"))
    assert "[bold]no[/bold] :smile:" in capsys.readouterr().err


def test_nothing_is_coloured_without_a_terminal() -> None:
    done = run("sync", FORCE_COLOR="")
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("sync",), ("plan", "--nonsense"), ("validate", "nowhere"), ("local", "down"), ("plan", "--headroom", "x")],
    ids=" ".join,
)
def test_no_color_leaves_no_escape_sequence_in_errors(arguments: tuple[str, ...], tmp_path: Path) -> None:
    state = {"RECONCILER_STATE": str(tmp_path / "state"), "FORCE_COLOR": "1"}
    for done in (run(*arguments, "--no-color", **state), run(*arguments, NO_COLOR="1", **state)):
        assert "\x1b" not in done.stdout + done.stderr
    assert "\x1b" in run(*arguments, **state).stderr or arguments == ("local", "down")


def test_no_color_leaves_no_escape_sequence_in_reports(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    report = planned(Plan("default", "c1", "d", "l"), Context("default", "local", 0.0))
    for no_color in (True, False):
        print_report(report, "text", build.console(Settings(no_color=no_color)))
        assert ("\x1b" in capsys.readouterr().out) != no_color


def test_the_help_waits_for_nothing_heavy() -> None:
    heavy = {
        "aiohttp",
        "apscheduler",
        "git",
        "jsonschema",
        "kubernetes",
        "mlserver",
        "ruamel",
        "sklearn",
    }
    code = "import sys, reconciler.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environ(), capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()


def test_what_nobody_reads_any_more_does_not_end_a_command() -> None:
    code = (
        "import sys\nfrom reconciler.cli import build\nfrom reconciler.settings import Settings\n"
        "console = build.console(Settings())\nsys.stdin.readline()\n"
        "for _ in range(3):\n    console.print('x' * 100_000)\nprint('went on', file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ(), text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, told = process.communicate("go\n", timeout=60)
    assert told == "went on\n"
    assert process.returncode == 0


def environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RECONCILER_")}
    return kept | {"PYTHONPATH": str(ROOT)} | more


def run(*arguments: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "reconciler", *arguments]
    return subprocess.run(command, env=environ(**more), input=given, capture_output=True, text=True, check=False)
