"""Artifacts become version folders, or a clear reason why not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reconciler.clusters.local.artifacts import Artifacts, LoadError
from reconciler.model.manifests import ModelSpec, Parameter


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The folder that relative URIs are below."""
    folder = tmp_path / "artifacts"
    (folder / "good").mkdir(parents=True)
    (folder / "good" / "model.joblib").write_bytes(b"weights")
    return folder


@pytest.fixture
def made(tmp_path: Path, base: Path) -> Artifacts:
    """Version folders below a fresh root."""
    return Artifacts(tmp_path / "versions", base)


def spec(uri: str, *requirements: str) -> ModelSpec:
    return ModelSpec(uri, requirements=requirements or ("sklearn",))


def settings(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "model-settings.json").read_text())
    return found


@pytest.mark.parametrize("form", ["good", "{base}/good", "file://{base}/good", "file://localhost{base}/good"])
def test_plain_and_file_uris_name_the_same_artifact(made: Artifacts, base: Path, form: str) -> None:
    folder = made.stage("m_1", spec(form.format(base=base)))
    assert (folder / "model.joblib").read_bytes() == b"weights"
    assert settings(folder) == {
        "name": "m_1",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(folder / "model.joblib")},
    }


def test_an_artifact_may_be_one_file(made: Artifacts, base: Path) -> None:
    (base / "weights.bin").write_bytes(b"x")
    folder = made.stage("m_1", spec("weights.bin"))
    assert settings(folder)["parameters"] == {"uri": str(folder / "weights.bin")}


def test_settings_of_the_artifact_are_kept_but_for_name_and_place(made: Artifacts, base: Path) -> None:
    given = {
        "name": "x",
        "implementation": "a.B",
        "inputs": [],
        "parameters": {"uri": "./model.joblib", "extra": {"k": 1}},
    }
    (base / "good" / "model-settings.json").write_text(json.dumps(given))
    folder = made.stage("m_2", spec("good", "python"))
    place = {"uri": str(folder / "model.joblib"), "extra": {"k": 1}}
    assert settings(folder) == {"name": "m_2", "implementation": "a.B", "inputs": [], "parameters": place}


def test_parameters_of_the_manifest_reach_the_runtime_over_those_of_the_artifact(made: Artifacts, base: Path) -> None:
    given = {"implementation": "a.B", "parameters": {"extra": {"kept": 1, "changed": 1}}}
    (base / "good" / "model-settings.json").write_text(json.dumps(given))
    folder = made.stage("m_1", ModelSpec("good", parameters=(Parameter("changed", "2"),)))
    extra = {"kept": 1, "changed": "2"}
    assert settings(folder)["parameters"] == {"uri": str(folder), "extra": extra}


def test_a_version_keeps_its_bytes_when_the_artifact_changes(made: Artifacts, base: Path) -> None:
    made.stage("m_1", spec("good"))
    (base / "good" / "model.joblib").write_bytes(b"others")
    assert (made.stage("m_1", spec("good")) / "model.joblib").read_bytes() == b"weights"
    made.discard("m_1")
    assert (made.stage("m_1", spec("good")) / "model.joblib").read_bytes() == b"others"


def test_a_link_within_the_artifact_is_followed(made: Artifacts, base: Path) -> None:
    (base / "good" / "model.pkl").symlink_to("model.joblib")
    assert (made.stage("m_1", spec("good")) / "model.pkl").read_bytes() == b"weights"


def test_a_read_only_artifact_makes_a_folder_that_can_be_removed(made: Artifacts, base: Path) -> None:
    (base / "good").chmod(0o500)
    folder = made.stage("m_1", spec("good"))
    assert os.access(folder, os.W_OK)
    made.discard("m_1")
    assert made.present() == set()


def _link_out(base: Path) -> None:
    (base.parent / "secret").write_text("s")
    (base / "bad").mkdir()
    (base / "bad" / "model.joblib").symlink_to("../../secret")


def _absolute_link(base: Path) -> None:
    (base / "bad").mkdir()
    (base / "bad" / "model.joblib").symlink_to(base / "good" / "model.joblib")


def _link_loop(base: Path) -> None:
    (base / "bad").mkdir()
    (base / "bad" / "model.joblib").symlink_to("model.joblib")


def _folder_link_out(base: Path) -> None:
    (base / "bad").symlink_to(base.parent)


def _pipe(base: Path) -> None:
    (base / "bad").mkdir()
    os.mkfifo(base / "bad" / "model.joblib")


def _uri_out(base: Path) -> None:
    (base / "bad").mkdir()
    (base / "bad" / "model-settings.json").write_text('{"parameters": {"uri": "../good"}}')


def _uri_missing(base: Path) -> None:
    (base / "bad").mkdir()
    (base / "bad" / "model-settings.json").write_text('{"parameters": {"uri": "gone.bin"}}')


def _not_json(base: Path) -> None:
    (base / "bad").mkdir()
    (base / "bad" / "model-settings.json").write_text("{")


def _not_an_object(base: Path) -> None:
    (base / "bad").mkdir()
    (base / "bad" / "model-settings.json").write_text('{"parameters": 1}')


def _empty(base: Path) -> None:
    (base / "bad").mkdir()


def _nothing(base: Path) -> None:
    return None


@pytest.mark.parametrize(
    ("make", "uri", "cause"),
    [
        (_link_out, "bad", "the link model.joblib leads out of it"),
        (_absolute_link, "bad", "the link model.joblib leads out of it"),
        (_link_loop, "bad", "the link model.joblib leads out of it"),
        (_folder_link_out, "bad", "leads out of the artifact folder"),
        (_pipe, "bad", "model.joblib is neither a file nor a folder"),
        (_uri_out, "bad", "parameters.uri in its model-settings.json leads out of it"),
        (_uri_missing, "bad", "'gone.bin', which does not exist"),
        (_not_json, "bad", "is not JSON"),
        (_not_an_object, "bad", "is not an object"),
        (_empty, "bad", "neither model-settings.json nor one of model.joblib"),
        (_nothing, "bad", "does not exist"),
        (_nothing, "../versions", "does not exist"),
        (_nothing, "../artifacts/../..", "leads out of the artifact folder"),
        (_nothing, "/dev/null", "neither a file nor a folder"),
        (_nothing, "gs://bucket/good", "not gs://"),
        (_nothing, "file://elsewhere/good", "names the host 'elsewhere'"),
        (_nothing, "", "names no path"),
        (_nothing, "a\0b", "names no path"),
        (_nothing, "x" * 5000, "cannot be read"),
    ],
)
def test_a_bad_artifact_is_told_with_its_uri_and_leaves_nothing(
    made: Artifacts, base: Path, make: object, uri: str, cause: str
) -> None:
    make(base)  # type: ignore[operator]  # one of the functions above
    with pytest.raises(LoadError) as error:
        made.stage("m_1", spec(uri))
    assert cause in error.value.what
    assert repr(uri) in error.value.what
    assert made.present() == set()


def test_a_requirement_without_a_known_runtime_needs_settings(made: Artifacts) -> None:
    with pytest.raises(LoadError, match="no requirement says the runtime"):
        made.stage("m_1", spec("good", "python"))
