"""What this project knows of MLServer: its settings as environment variables, its runtimes, and what is installed.

Does not import MLServer, so that it works, and says what is missing, where MLServer is not installed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import reconciler

SETTINGS = "model-settings.json"
"""File in a version's folder that tells MLServer how to load it."""

STATE_VARIABLE = "MODEL_RECONCILER_STATE"
"""Set in every MLServer process: the state folder it belongs to, by which processes nobody recorded are found."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """How MLServer loads one kind of artifact: the class, and the files it knows by name."""

    implementation: str
    files: tuple[str, ...]


RUNTIMES: Mapping[str, Runtime] = {
    "sklearn": Runtime("mlserver_sklearn.SKLearnModel", ("model.joblib", "model.pickle", "model.pkl")),
}
"""By requirement: for artifacts that bring no model-settings.json."""


def installed() -> frozenset[str]:
    """Returns the capabilities of the MLServer installed here, named as Seldon's default servers name them.

    `mlserver`, `python` (an artifact may bring its own class) and one for each installed runtime.
    """
    names = {re.sub(r"[-_.]+", "-", dist.name).lower() for dist in metadata.distributions() if dist.name}
    if "mlserver" not in names:
        return frozenset()
    return frozenset({"mlserver", "python"} | {n.removeprefix("mlserver-") for n in names if n.startswith("mlserver-")})


def environment(inherited: Mapping[str, str], state: Path, versions: Path, port: int, token: str) -> dict[str, str]:
    """Returns the environment of an MLServer process: ours alone says how it is set up.

    Args:
        inherited: of the gateway; whatever MLServer would read of it is left out (it ignores case).
        state: the state folder. versions: the folder of all version folders. port: of its REST API.
        token: the name it gives itself.
    """
    kept = {key: value for key, value in inherited.items() if not key.upper().startswith("MLSERVER_")}
    package_root = str(Path(reconciler.__file__).parent.parent)
    paths = [str(Path(p).absolute()) for p in kept.get("PYTHONPATH", "").split(os.pathsep) if p]
    return kept | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([*paths, package_root])),
        STATE_VARIABLE: str(state),
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_GRPC_PORT": "0",  # any free one: two processes on one gRPC port do not notice each other
        "MLSERVER_METRICS_ENDPOINT": "",
        "MLSERVER_PARALLEL_WORKERS": "0",  # with workers, broken models crash-loop and SIGTERM hangs
        "MLSERVER_DEBUG": "false",
        "MLSERVER_LOAD_MODELS_AT_STARTUP": "false",
        "MLSERVER_SERVER_NAME": token,
        "MLSERVER_MODEL_REPOSITORY_ROOT": str(versions),
        "MLSERVER_MODEL_REPOSITORY_IMPLEMENTATION": "reconciler.clusters.local.mlserver_repository.VersionRepository",
    }
