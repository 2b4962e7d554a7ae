"""Files with nothing wrong are read once: what is kept of them says the same, and nothing that is wrong is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.errors import ManifestsInvalid
from reconciler.model.manifests import DesiredState
from reconciler.repository.files import Entry, Kind, choose
from reconciler.repository.manifests import desired_state
from reconciler.repository.sound_files import SoundFiles

HEAD = "apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\n"
MODEL = HEAD + "metadata: {{name: {0}}}\nspec: {{storageUri: gs://{0}, memory: 1M}}\n"
RICH = (
    "# of two documents\n---\n"
    + HEAD
    + """\
metadata:
  name: rich
  namespace: prod
  labels: {team: a}
  annotations: {model-reconciler.io/load-timeout: 5m, owner: "1"}
spec:
  storageUri: gs://rich
  requirements: [b, a]
  memory: 1.5Gi
  replicas: 2
  parameters: [{name: x, value: "01"}]
  explainer: {type: anchor_tabular, modelRef: iris}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: not-ours}
"""
)
SERVER = """\
apiVersion: v1
kind: List
items:
- apiVersion: mlops.seldon.io/v1alpha1
  kind: Server
  metadata: {name: main}
  spec: {serverConfig: mlserver, podSpec: {terminationGracePeriodSeconds: 5, nodeSelector: {zone: b, arch: a}}}
"""
FILES = {"a/iris.yaml": MODEL.format("iris"), "rich.yaml": RICH, "server.yaml": SERVER}


@dataclass
class Texts:
    """A tree in memory that keeps which files were read."""

    files: Mapping[str, str]
    reads: list[str] = field(default_factory=list)

    def entry(self, path: str) -> Entry | None:
        return Entry(path, Kind.FOLDER)

    def below(self, folder: str) -> Sequence[Entry]:
        return [
            Entry(name, Kind.FILE, len(text), hashlib.sha256(text.encode()).hexdigest())
            for name, text in sorted(self.files.items())
        ]

    def target(self, link: Entry) -> str:
        raise AssertionError("there are no links")

    def read(self, entries: Sequence[Entry]) -> Mapping[str, bytes | str]:
        self.reads += [entry.path for entry in entries]
        return {entry.path: self.files[entry.path].encode() for entry in entries}


def read(folder: Path, files: Mapping[str, str], path: str = "") -> tuple[DesiredState, list[str]]:
    """What `files` say, and which of them were read for it."""
    tree = Texts(files)
    return SoundFiles(folder, path).desired_state(tree, choose(tree, "", ""), "c0"), tree.reads


def fresh(files: Mapping[str, str]) -> DesiredState:
    return desired_state([(name, text.encode()) for name, text in files.items()], "c0")


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "reconciler").iterdir())


def test_files_that_did_not_change_are_not_read_again_and_say_the_same(tmp_path: Path) -> None:
    assert read(tmp_path, FILES) == (fresh(FILES), sorted(FILES))
    assert read(tmp_path, FILES) == (fresh(FILES), [])


def test_of_a_new_commit_only_what_it_changed_is_read(tmp_path: Path) -> None:
    read(tmp_path, FILES)
    later = {**FILES, "a/iris.yaml": MODEL.format("iris").replace("1M", "2M"), "b.yaml": MODEL.format("b")}
    assert read(tmp_path, later) == (fresh(later), ["a/iris.yaml", "b.yaml"])
    assert read(tmp_path, later) == (fresh(later), [])


def test_a_file_that_is_gone_says_nothing_any_more(tmp_path: Path) -> None:
    read(tmp_path, {**FILES, "b.yaml": MODEL.format("b")})
    assert read(tmp_path, FILES) == (fresh(FILES), [])


def test_a_file_that_moved_is_told_by_its_new_name(tmp_path: Path) -> None:
    read(tmp_path, {"a.yaml": MODEL.format("a")})
    found, reads = read(tmp_path, {"b.yaml": MODEL.format("a")})
    assert (found.models[0].source.file, reads) == ("b.yaml", ["b.yaml"])


def test_what_is_wrong_between_known_files_and_new_ones_is_told_with_its_lines(tmp_path: Path) -> None:
    read(tmp_path, FILES)
    later = {**FILES, "z.yaml": MODEL.format("rich")}
    with pytest.raises(ManifestsInvalid) as told:
        read(tmp_path, later)
    with pytest.raises(ManifestsInvalid) as in_full:
        fresh(later)
    assert told.value.problems == in_full.value.problems
    assert "rich.yaml:6" in told.value.problems[0].what


def test_a_reference_whose_model_is_gone_is_found_though_its_file_is_known(tmp_path: Path) -> None:
    read(tmp_path, FILES)
    with pytest.raises(ManifestsInvalid) as told:
        read(tmp_path, {name: text for name, text in FILES.items() if name != "a/iris.yaml"})
    assert [problem.line for problem in told.value.problems] == [16]


def test_nothing_of_a_commit_that_is_not_valid_is_kept(tmp_path: Path) -> None:
    read(tmp_path, FILES)
    invalid = {**FILES, "b.yaml": MODEL.format("b"), "c.yaml": MODEL.format("c").replace("1M", "much")}
    for _ in range(2):
        with pytest.raises(ManifestsInvalid, match="1 problem in"):
            read(tmp_path, invalid)
    valid = {**invalid, "c.yaml": MODEL.format("c")}
    assert read(tmp_path, valid) == (fresh(valid), ["b.yaml", "c.yaml"])


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b.replace(b"gs://iris", b"gs://evil"), len])
def test_what_is_damaged_is_as_good_as_absent(tmp_path: Path, damage: object) -> None:
    read(tmp_path, FILES)
    (file,) = kept(tmp_path)
    assert callable(damage)
    changed = damage(file.read_bytes())
    file.write_bytes(changed if isinstance(changed, bytes) else b"")
    assert read(tmp_path, FILES) == (fresh(FILES), sorted(FILES))
    assert read(tmp_path, FILES) == (fresh(FILES), [])


def test_what_other_checks_passed_is_checked_again(tmp_path: Path) -> None:
    read(tmp_path, FILES)
    (file,) = kept(tmp_path)
    checks, _, rest = file.read_bytes().partition(b" ")
    file.write_bytes(bytes(reversed(checks)) + b" " + rest)
    assert read(tmp_path, FILES) == (fresh(FILES), sorted(FILES))


def test_a_place_that_cannot_be_written_costs_time_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "reconciler").write_text("in the way")
    for _ in range(2):
        assert read(tmp_path, FILES) == (fresh(FILES), sorted(FILES))


def test_a_value_that_json_cannot_say_is_read_each_time(tmp_path: Path) -> None:
    files = {"server.yaml": SERVER.replace("Seconds: 5", f"Seconds: {2**70}")}
    for _ in range(2):
        assert read(tmp_path, files) == (fresh(files), ["server.yaml"])


def test_folders_of_manifests_are_kept_apart_and_the_oldest_make_way(tmp_path: Path) -> None:
    for number in range(12):
        read(tmp_path, {"a.yaml": MODEL.format(f"m{number}")}, path=f"p{number}")
    assert len(kept(tmp_path)) == 8
    assert read(tmp_path, {"a.yaml": MODEL.format("m11")}, path="p11")[1] == []
