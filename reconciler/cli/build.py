"""Builds the objects that commands work with from the settings. The heavy imports of the command line are here."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from reconciler.errors import UsageError
from reconciler.model.plan import Guards
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.clusters.base import Cluster
    from reconciler.repository import Repository

# Git and the cluster's client are imported when they are built: `--help` and `validate` should not wait for them.


def repository(settings: Settings) -> Repository:
    """Returns the manifest repository, not fetched yet. Raises UsageError when none is set."""
    from reconciler.repository import Repository  # noqa: PLC0415 - see above

    if not settings.repo:
        raise UsageError(
            "no repository is set",
            why="the manifests come from a Git repository",
            fix="Name it with --repo URL, RECONCILER_REPO, or `repo:` in the settings file.",
        )
    return Repository(settings.repo, ref=settings.ref or None, path=settings.path, cache=settings.cache)


@asynccontextmanager
async def cluster(settings: Settings) -> AsyncIterator[Cluster]:
    """Opens the cluster, and lets go of it at the end."""
    from reconciler.clusters.local.client import LocalCluster  # noqa: PLC0415 - see above

    opened = LocalCluster(settings.state)
    try:
        yield opened
    finally:
        await opened.close()


def guards(settings: Settings) -> Guards:
    """Returns what the planner may do."""
    return Guards(
        instance=settings.instance,
        max_deletions=settings.max_deletions,
        headroom=settings.headroom,
        default_model_memory=settings.default_model_memory,
        only=frozenset(settings.only),
    )


def holder(settings: Settings) -> str:
    """Returns who we are to others that want the lock."""
    return f"instance {settings.instance}, process {os.getpid()} on {socket.gethostname()}"


def console(settings: Settings) -> Console:
    """Returns a console on standard output that writes text as it is: no markup, no guessed highlights."""
    return Console(no_color=settings.no_color or None, highlight=False, markup=False)
