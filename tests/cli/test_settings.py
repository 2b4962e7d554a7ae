"""Settings come from defaults, file, environment and flags, in that order, and errors name where a value was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.errors import UsageError
from reconciler.settings import TABLE, load

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "schemas" / "settings.schema.json").read_text())


def write(folder: Path, text: str) -> Path:
    file = folder / "settings.yaml"
    file.write_text(text)
    return file


def test_a_later_source_wins_over_an_earlier_one(tmp_path: Path) -> None:
    file = write(tmp_path, "headroom: 1\ninstance: file\nmaxDeletions: 7\n")
    environ = {"RECONCILER_HEADROOM": "2", "RECONCILER_INSTANCE": "environment"}
    settings = load({"headroom": "3"}, environ=environ, settings_file=file)
    assert (settings.headroom, settings.instance, settings.max_deletions) == (3, "environment", "7")
    assert settings.report_history == 50


def test_every_setting_can_be_given_in_each_source(tmp_path: Path) -> None:
    samples = {
        "local_port": "9",
        "headroom": "5",
        "default_model_memory": "3k",
        "report_history": "4",
        "no_color": "true",
        "force_conflicts": "true",
    }
    samples |= dict.fromkeys(("wait_timeout", "lock_timeout", "interval", "jitter"), "5m")
    samples |= {"max_deletions": "5%", "output": "json", "cluster": "local", "probe": "never"}
    for name, setting in TABLE.items():
        text = samples.get(name, "sample")
        *group, key = setting.key.split(".")
        file = write(tmp_path, f"{group[0]}:\n  {key}: {text}\n" if group else f"{key}: {text}\n")
        values = [
            getattr(load({name: text}, environ={}), name),
            getattr(load({}, environ={setting.variable: text}), name),
            getattr(load({}, environ={}, settings_file=file), name),
        ]
        assert values[0] == values[1] == values[2], name
        assert str(values[0]) not in ("", "None"), name


def test_the_published_schema_lists_exactly_the_settings() -> None:
    listed = set()
    for key, schema in SCHEMA["properties"].items():
        listed |= {f"{key}.{inner}" for inner in schema["properties"]} if "properties" in schema else {key}
    assert listed == {setting.key for setting in TABLE.values()}
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("instance: ok\nmaxDeletion: 3\n", ":2: maxDeletion", "maxDeletions"),
        ("local:\n  prot: 3\n", ":2: local.prot", "local.port"),
        ("headroom: 120\n", ":1: headroom", "0 to 99"),
        ("interval: 60\n", ":1: interval", "90s, 5m or 1h30m"),
        ("defaultModelMemory: lots\n", ":1: defaultModelMemory", "300M or 1Gi"),
        ("repo: [1, 2]\n", ":1: repo", "single value"),
        ("repo:\n  a: b\n", ":1: repo", "single value"),
        ("headroom:\n", ":1: headroom", "single value"),
        ("- a\n", "settings.yaml", "mapping"),
        ("a: b\na: [\n", "settings.yaml:", "YAML"),
        ("headroom: 1\nheadroom: 2\n", "settings.yaml:2", "YAML"),
        ("probe: sometimes\n", ":1: probe", "auto, always nor never"),
        ("cluster: nomad\n", ":1: cluster", "local"),
    ],
)
def test_an_error_in_the_settings_file_names_file_and_line(tmp_path: Path, text: str, place: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load({}, environ={}, settings_file=write(tmp_path, text))
    assert place in caught.value.what
    assert hint in caught.value.what + caught.value.fix


def test_a_settings_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load({}, environ={"RECONCILER_SETTINGS": str(tmp_path / "none.yaml")})


def test_an_error_names_the_variable_or_the_flag() -> None:
    with pytest.raises(UsageError, match="environment variable RECONCILER_LOCAL_PORT"):
        load({}, environ={"RECONCILER_LOCAL_PORT": "x"})
    with pytest.raises(UsageError, match="flag --local-port"):
        load({"local_port": "0"}, environ={})


def test_a_likely_typo_in_a_variable_is_refused_and_variables_of_kubernetes_are_not() -> None:
    with pytest.raises(UsageError) as caught:
        load({}, environ={"RECONCILER_MAX_DELETION": "1"})
    assert "RECONCILER_MAX_DELETIONS" in caught.value.fix
    load({}, environ={"RECONCILER_SERVICE_HOST": "10.0.0.1", "RECONCILER_PORT": "tcp://10.0.0.1:80"})


def test_an_empty_variable_counts_as_unset_except_where_empty_says_something() -> None:
    settings = load({}, environ={"RECONCILER_HEADROOM": "", "RECONCILER_REPORTS_BRANCH": ""})
    assert (settings.headroom, settings.reports_branch) == (0, "")


def test_no_color_of_the_environment_is_heeded() -> None:
    assert load({}, environ={"NO_COLOR": "1"}).no_color
    assert not load({}, environ={"NO_COLOR": "1", "RECONCILER_NO_COLOR": "false"}).no_color


def test_folders_follow_the_users_environment_and_are_absolute() -> None:
    settings = load({"cache": "relative"}, environ={"XDG_STATE_HOME": "/somewhere"})
    assert settings.state == Path("/somewhere/model-reconciler/local")
    assert settings.local_artifacts is None
    assert settings.cache.is_absolute()


def test_the_repository_is_not_in_the_representation() -> None:
    assert "hunter2" not in repr(load({"repo": "https://me:hunter2@example.org/r.git"}, environ={}))
