"""Runs inside every MLServer process: finds the settings of one version by its folder's name alone.

It also lets MLServer say why a load failed: as delivered it answers any exception of a runtime with a bare 500.
Named by the variable MLSERVER_MODEL_REPOSITORY_IMPLEMENTATION. Imports nothing of this project.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlserver.errors import MLServerError, ModelNotFound
from mlserver.repository import ModelRepository
from mlserver.settings import ModelSettings

Settings = list[ModelSettings]

SETTINGS = "model-settings.json"
"""File in a version's folder that tells MLServer how to load it."""


def _told(error: BaseException) -> MLServerError:
    if isinstance(error, MLServerError):
        return error
    text = " ".join(str(error).split())
    return MLServerError(f"{type(error).__name__}: {text}" if text else type(error).__name__, 500)


class TellingSettings(ModelSettings):  # type: ignore[misc]  # mlserver has no type stubs
    """Settings whose runtime says why it cannot load."""

    @property
    def implementation(self) -> Any:
        """The runtime's class, its constructor and `load` wrapped."""
        try:
            runtime: Any = super().implementation
        except Exception as error:
            raise _told(error) from error

        def __init__(self: Any, settings: ModelSettings) -> None:  # noqa: N807 - it becomes the class's
            try:
                runtime.__init__(self, settings)
            except Exception as error:
                raise _told(error) from error

        async def load(self: Any) -> bool:
            try:
                return bool(await runtime.load(self))
            except Exception as error:
                raise _told(error) from error

        return type(
            runtime.__name__, (runtime,), {"__init__": __init__, "load": load, "__module__": runtime.__module__}
        )


class VersionRepository(ModelRepository):  # type: ignore[misc]  # mlserver has no type stubs
    """One folder per version below `root`, named `<model>_<n>`."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    async def list(self) -> Settings:
        """Returns the settings of all versions; MLServer's index asks for them, nothing here does."""
        folders = sorted(path.parent for path in self._root.glob(f"*/{SETTINGS}"))
        return [self._read(folder) for folder in folders]

    async def find(self, name: str) -> Settings:
        """Returns the settings of one version. Raises ModelNotFound when it has no folder."""
        folder = self._root / name
        if folder.parent != self._root or not (folder / SETTINGS).is_file():
            raise ModelNotFound(name)
        return [self._read(folder)]

    def _read(self, folder: Path) -> ModelSettings:
        try:
            return TellingSettings.parse_file(str(folder / SETTINGS))
        except Exception as error:
            raise _told(error) from error
