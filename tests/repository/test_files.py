"""Which files are read as manifests: the same in a commit and in a folder on disk."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import ManifestsInvalid, RepositoryError
from reconciler.model.manifests import DesiredState
from reconciler.repository import load_folder
from tests.repository.manifest_texts import model
from tests.repository.remotes import Remote, git

Load = Callable[[str], DesiredState]


@pytest.fixture(params=["commit", "folder"])
def load(request: pytest.FixtureRequest, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Reads `path` of the remote's work tree: by way of a commit, or as it lies there."""
    monkeypatch.chdir(remote.work)

    def from_commit(path: str) -> DesiredState:
        remote.push({})
        return remote.repository(path=path).desired_state()

    return from_commit if request.param == "commit" else lambda path: load_folder(Path(path))


def names(state: DesiredState) -> list[str]:
    return [manifest.name for manifest in state.models]


def told(load: Load, path: str = "") -> list[str]:
    """Returns the problems, each as file, what and why."""
    with pytest.raises(ManifestsInvalid) as raised:
        load(path)
    return [f"{problem.file}: {problem.what}: {problem.why}" for problem in raised.value.problems]


def test_endings_count_in_any_case_and_other_files_do_not(remote: Remote, load: Load) -> None:
    remote.write({"a.yaml": model("a"), "b.YML": model("b"), "c.Yaml": model("c"), "d.txt": "a: [", "yaml": "a: ["})
    assert names(load("")) == ["a", "b", "c"]


def test_hidden_files_and_folders_are_skipped(remote: Remote, load: Load) -> None:
    remote.write({".github/x.yaml": "a: [", "a/.hidden.yaml": "a: [", "a/b/.c/d.yaml": "a: [", "a/x.yaml": model("x")})
    assert names(load("")) == ["x"]


def test_a_settings_file_among_the_manifests_is_skipped(remote: Remote, load: Load) -> None:
    remote.write({"reconciler.yaml": "repo: .\nlocal: {port: 9}\n", "a.yaml": model("a")})
    assert names(load("")) == ["a"]


def test_a_manifest_in_a_file_named_like_the_settings_is_read(remote: Remote, load: Load) -> None:
    remote.write({"reconciler.yaml": model("a")})
    assert names(load("")) == ["a"]


def test_other_yaml_is_a_problem_whose_fix_names_the_way_out(remote: Remote, load: Load) -> None:
    remote.write({"compose.yaml": "services: {}\n"})
    with pytest.raises(ManifestsInvalid) as raised:
        load("")
    assert "--path" in raised.value.problems[0].fix


def test_a_hidden_folder_that_is_asked_for_is_read(remote: Remote, load: Load) -> None:
    remote.write({".deploy/x.yaml": model("x")})
    assert names(load(".deploy")) == ["x"]


def test_problems_name_files_as_the_user_would_open_them(remote: Remote, load: Load) -> None:
    remote.write({"prod/models/x.yaml": "a: ["})
    assert told(load, "prod")[0].startswith("prod/models/x.yaml: ")


def test_a_file_that_is_too_large_is_refused_unread(remote: Remote, load: Load) -> None:
    remote.write({"big.yaml": b"#" * (2 * 1024 * 1024 + 1), "fits.yaml": b"#" * (2 * 1024 * 1024)})
    assert told(load) == ["big.yaml: this file is larger than 2 MiB: manifests are small"]


def test_a_file_whose_name_is_no_text_is_refused(remote: Remote, load: Load) -> None:
    remote.write({"ok.yaml": model("ok")})
    for name in (b"bad-\xff.yaml", b"line\nbreak.yaml", b"red\x1b[31m.yaml"):
        Path(os.fsdecode(os.fsencode(remote.work) + b"/" + name)).write_text(model("x"))
    problems = told(load)
    assert sorted(problem.partition(":")[0] for problem in problems) == [
        "bad-\\udcff.yaml",
        "line\\nbreak.yaml",
        "red\\x1b[31m.yaml",
    ]


def test_contents_that_are_no_text_are_refused_with_their_line(remote: Remote, load: Load) -> None:
    remote.write({"latin.yaml": b"a: 1\nb: \xe9\n", "utf16.yaml": "a: 1".encode("utf-16"), "nul.yaml": b"a: \0\n"})
    assert told(load) == [
        "latin.yaml: the file is not UTF-8 text: manifests are read as UTF-8",
        "nul.yaml: the file holds a NUL character: YAML is text",
        "utf16.yaml: the file is not UTF-8 text: manifests are read as UTF-8",
    ]


@pytest.mark.parametrize("name", ["kustomization.yaml", "Kustomization", "kustomization.yml", "Chart.yaml"])
def test_templates_of_other_tools_are_refused_and_not_read(remote: Remote, load: Load, name: str) -> None:
    remote.write({"ok.yaml": model("ok"), f"app/{name}": "a: 1", "app/templates/x.yaml": "{{ if }}"})
    problems = told(load)
    assert [problem.partition(":")[0] for problem in problems] == [f"app/{name}"]
    assert "rendered by another tool" in problems[0]


def test_links_inside_the_repository_are_followed(remote: Remote, load: Load) -> None:
    remote.write({"shared/a.yaml": model("a"), "shared/more/b.yaml": model("b"), "prod/c.yaml": model("c")})
    (remote.work / "prod" / "a.yaml").symlink_to("../shared/a.yaml")
    (remote.work / "prod" / "more").symlink_to("../shared/more")
    (remote.work / "prod" / "notes").symlink_to("/etc/hostname")
    state = load("prod")
    assert [str(manifest.source) for manifest in state.models] == [
        "prod/a.yaml:1",
        "prod/more/b.yaml:1",
        "prod/c.yaml:1",
    ]


def test_the_folder_asked_for_may_be_a_link(remote: Remote, load: Load) -> None:
    remote.write({"versions/2/a.yaml": model("a")})
    (remote.work / "current").symlink_to("versions/2")
    assert [str(manifest.source) for manifest in load("current").models] == ["current/a.yaml:1"]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("/etc/passwd", "it leads out of the repository"),
        ("../../../etc/passwd", "it leads out of the repository"),
        ("gone.yaml", "it leads to something that does not exist"),
        ("loop.yaml", "it leads in a circle"),
        ("other.yaml", "it leads in a circle"),
    ],
)
def test_links_that_lead_nowhere_or_out_are_refused(remote: Remote, load: Load, target: str, why: str) -> None:
    remote.write({"prod/ok.yaml": model("ok")})
    (remote.work / "prod" / "loop.yaml").symlink_to(target)
    if target == "other.yaml":
        (remote.work / "prod" / "other.yaml").symlink_to("loop.yaml")
    assert f"prod/loop.yaml: this symbolic link cannot be followed: {why}" in told(load, "prod")


def test_a_link_to_a_folder_that_holds_it_is_refused(remote: Remote, load: Load) -> None:
    remote.write({"prod/ok.yaml": model("ok")})
    (remote.work / "prod" / "again").symlink_to(".")
    assert told(load) == ["prod/again: this symbolic link cannot be followed: it leads to a folder that holds it"]


def test_links_that_multiply_each_other_end(remote: Remote, load: Load) -> None:
    for level in range(6):
        remote.write({f"{level}/x.txt": ""})
        for number in range(8):
            (remote.work / str(level) / f"l{number}").symlink_to(f"../{level + 1}")
    remote.write({"6/a.txt": ""})
    with pytest.raises(ManifestsInvalid):
        load("0")


def test_a_submodule_among_the_manifests_is_refused_and_elsewhere_it_is_not(remote: Remote, load: Load) -> None:
    remote.write({"prod/ok.yaml": model("ok")})
    git(remote.work, "init", "--quiet", "prod/sub")
    git(remote.work / "prod" / "sub", "commit", "--quiet", "--allow-empty", "-m", "x")
    remote.write({"other/ok.yaml": model("ok")})
    assert told(load, "prod") == [
        "prod/sub: a submodule stands among the manifests: a submodule is another repository, which is not read"
    ]
    assert names(load("other")) == ["ok"]


def test_a_folder_that_is_not_in_any_repository_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(model("a"))
    assert names(load_folder(tmp_path)) == ["a"]


def test_a_single_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(model("a"))
    (tmp_path / "b.yaml").write_text("a: [")
    assert str(load_folder(tmp_path / "a.yaml").models[0].source) == f"{tmp_path}/a.yaml:1"


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="there is no folder"):
        load_folder(tmp_path / "gone")


def test_a_socket_named_like_a_manifest_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.yaml")
        with pytest.raises(ManifestsInvalid) as raised:
            load_folder(Path())
    assert raised.value.problems[0].what == "this is no file"


def test_ten_thousand_files_are_read(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"m{number}.yaml").write_text(model(f"m{number}"))
    assert len(load_folder(tmp_path).models) == 10_000
