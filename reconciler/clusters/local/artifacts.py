"""A version's folder: the artifact copied beside, given its model-settings.json, and renamed in.

Copying makes a version immutable: a process that starts again loads the very bytes that were loaded first. Only the
artifact itself is read: a link that leads out of it fails the load.
"""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from reconciler.clusters.local.mlserver_settings import RUNTIMES, SETTINGS
from reconciler.errors import ClusterError
from reconciler.model.manifests import ModelSpec


class LoadError(ClusterError):
    """A version cannot be loaded; `what` is the cause, one sentence for people."""


class Artifacts:
    """The version folders of one local cluster.

    Args:
        root: the folder of all version folders. base: what a relative `storageUri` is below.
    """

    def __init__(self, root: Path, base: Path) -> None:
        self._root = root
        self._base = base

    def stage(self, name: str, spec: ModelSpec) -> Path:
        """Returns the folder of the version loaded as `name`, made from its artifact unless it is there already.

        Raises:
            LoadError: the artifact cannot be used; names the storageUri.
        """
        folder = self._root / name
        if folder.is_dir():
            return folder
        beside = self._root / f".{name}.staging"
        _remove(beside)
        try:
            source = _source(spec.storage_uri, self._base)
            beside.mkdir(parents=True)
            content = _copy(source, beside)
            settings = _settings(beside, content, folder, name, spec)
            (beside / SETTINGS).unlink(missing_ok=True)  # it may be a link
            (beside / SETTINGS).write_text(json.dumps(settings, indent=1), encoding="utf-8")
            beside.rename(folder)
        except _ArtifactError as error:
            raise LoadError(f"artifact {spec.storage_uri!r}: {error}") from error
        except (OSError, shutil.Error) as error:
            raise LoadError(f"artifact {spec.storage_uri!r} cannot be copied: {_cause(error)}") from error
        finally:
            _remove(beside)
        return folder

    def discard(self, name: str) -> None:
        """Removes the folder of the version loaded as `name`; a missing one is no error."""
        _remove(self._root / name)

    def present(self) -> set[str]:
        """Returns the names of all version folders, half-made ones included."""
        return {path.name for path in self._root.iterdir()} if self._root.is_dir() else set()


class _ArtifactError(Exception):
    """What is wrong with an artifact."""


def _source(uri: str, base: Path) -> Path:
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        raise _ArtifactError(f"the local cluster reads plain paths and file:// only, not {parts.scheme}://")
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        raise _ArtifactError(f"file:// names the host {parts.netloc!r}; write file:///path")
    text = unquote(parts.path) if parts.scheme == "file" else uri
    if not text or "\0" in text:
        raise _ArtifactError("it names no path")
    path = Path(text)
    source = _resolved(path if path.is_absolute() else base / path)
    if not path.is_absolute() and not source.is_relative_to(_resolved(base)):
        raise _ArtifactError(f"it leads out of the artifact folder {base}")
    return source


def _resolved(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except FileNotFoundError as error:
        raise _ArtifactError(f"{path} does not exist") from error
    except (OSError, RuntimeError) as error:
        raise _ArtifactError(f"{path} cannot be read: {error}") from error


def _copy(source: Path, folder: Path) -> Path:
    """Copies the artifact into `folder`; returns the copied file, or `folder` when the artifact is a folder."""
    if source.is_file():
        return Path(shutil.copyfile(source, folder / source.name))
    if not source.is_dir():
        raise _ArtifactError("it is neither a file nor a folder")
    for path in source.rglob("*"):
        kind = path.lstat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind)):
            raise _ArtifactError(f"{path.relative_to(source)} is neither a file nor a folder nor a link")
    shutil.copytree(source, folder, symlinks=True, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for path in (folder, *folder.rglob("*/")):
        if not path.is_symlink():
            path.chmod(0o700)  # a read-only source must not make a version that cannot be removed
    _check_links(folder)
    return folder


def _check_links(folder: Path) -> None:
    root = folder.resolve()
    for path in folder.rglob("*"):
        if not path.is_symlink():
            continue
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            target = None
        if target is None or path.readlink().is_absolute() or not target.is_relative_to(root):
            raise _ArtifactError(f"the link {path.relative_to(folder)} leads out of it or nowhere")


def _settings(beside: Path, content: Path, folder: Path, name: str, spec: ModelSpec) -> dict[str, Any]:
    """The version's model-settings.json: the artifact's own with name and paths made ours, or an inferred one."""
    given = beside / SETTINGS
    if given.is_file() and content == beside:
        return _own_settings(given, folder, name, spec)
    runtime = next((RUNTIMES[need] for need in spec.requirements if need in RUNTIMES), None)
    if runtime is None:
        known = ", ".join(sorted(RUNTIMES))
        raise _ArtifactError(f"it has no {SETTINGS}, and no requirement says the runtime (known: {known})")
    file = content if content.is_file() else next((content / n for n in runtime.files if (content / n).is_file()), None)
    if file is None:
        raise _ArtifactError(f"it has neither {SETTINGS} nor one of {', '.join(runtime.files)}")
    uri = str(folder / file.relative_to(beside))
    parameters = {"uri": uri} | _extra({}, spec)
    return {"name": name, "implementation": runtime.implementation, "parameters": parameters}


def _extra(parameters: dict[str, Any], spec: ModelSpec) -> dict[str, Any]:
    """Returns `spec.parameters` as MLServer's `extra`, over those of the artifact; nothing when there are none."""
    given = {parameter.name: parameter.value for parameter in spec.parameters}
    own = parameters.get("extra")
    return {"extra": {**(own if isinstance(own, dict) else {}), **given}} if given else {}


def _own_settings(file: Path, folder: Path, name: str, spec: ModelSpec) -> dict[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _ArtifactError(f"its {SETTINGS} is not JSON") from error
    parameters = settings.get("parameters", {}) if isinstance(settings, dict) else None
    if not isinstance(parameters, dict):
        raise _ArtifactError(f"its {SETTINGS} is not an object, or its parameters are not")
    uri = parameters.get("uri", ".")
    inside = (file.parent / str(uri)).resolve()
    if not isinstance(uri, str) or not inside.is_relative_to(file.parent.resolve()):
        raise _ArtifactError(f"parameters.uri in its {SETTINGS} leads out of it")
    if not inside.exists():
        raise _ArtifactError(f"parameters.uri in its {SETTINGS} names {uri!r}, which does not exist")
    place = {"uri": str(folder / inside.relative_to(file.parent.resolve()))}
    return {**settings, "name": name, "parameters": {**parameters, **place, **_extra(parameters, spec)}}


def _cause(error: Exception) -> str:
    """One line of an error of `shutil`, which may carry hundreds."""
    inner = error.args[0] if isinstance(error, shutil.Error) and error.args else None
    return str(inner[0][2] if isinstance(inner, list) and inner else error)[:300]


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink(missing_ok=True)
    elif folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
