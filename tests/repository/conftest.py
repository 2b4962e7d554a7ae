"""A Git that knows nothing of the machine it runs on, and a remote."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repository.remotes import Remote


@pytest.fixture(autouse=True)
def plain_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keeps the configuration of the machine and of the user out; returns the file of the user's."""
    config = tmp_path / "gitconfig"
    config.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return config


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """A remote without commits."""
    return Remote(tmp_path)
