"""What a pass is given beside its cluster: where the desired state comes from, and on which terms it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Plan
from reconciler.reports.following import MOST_PASSES

Source = Callable[[], Awaitable[DesiredState]]
"""Loads what is desired. Raises ManifestsInvalid or RepositoryError."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a pass runs.

    Attributes:
        holder: who holds the lock, shown to others. lock_timeout: seconds to wait for another holder.
        wait_timeout: seconds for each plan, None for no limit beyond those of its actions.
        approve: may refuse a plan, by raising. passes: how many passes may follow each other at once, at least 1.
    """

    holder: str
    lock_timeout: float = 0.0
    wait_timeout: float | None = None
    approve: Callable[[Plan], None] = lambda plan: None
    passes: int = MOST_PASSES
