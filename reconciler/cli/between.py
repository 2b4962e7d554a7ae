"""`reconciler plan --from REV --to REV`: what a change in Git would do, told without any cluster.

The manifests of the first commit are assumed live, whole; the plan leads from there to the second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.cli import build
from reconciler.errors import ManifestsInvalid, UsageError
from reconciler.model.live import SELDON_TRAITS
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.model.live import Traits
    from reconciler.model.manifests import DesiredState
    from reconciler.model.plan import Plan
    from reconciler.reports.report import Context
    from reconciler.repository import Repository


@dataclass(frozen=True, slots=True)
class Revisions:
    """What `--from` and `--to` say; None where they were not given."""

    first: str | None = None
    second: str | None = None

    def check(self, settings: Settings, *, saved: bool) -> None:
        """Checks that they can be used together and with the other flags. Raises UsageError when they cannot.

        Args:
            saved: whether the plan is to be saved for `apply`.
        """
        if self.first is None:
            what, why = "--to without --from", "a plan that begins at the cluster leads to --ref"
            raise UsageError(what, why=why, fix="add --from REV, or write --ref instead of --to")
        if "" in (self.first, self.second):
            flag = "--to" if self.first else "--from"
            raise UsageError(f"{flag} is empty", why="it names a commit", fix="check the variable that it comes from")
        if saved:
            why = "what `apply` executes is planned from what a cluster observes, not from an assumption"
            raise UsageError("--out with --from", why=why, fix="leave out one of them; `-o json` prints the plan")
        _kind(settings)


class Between:
    """A plan from one commit to another, step by step: what is told on the way depends on how far it came.

    Args:
        settings: `--to` takes the place of `--ref`. revisions: checked; without a `first` only `desired_state` works.
    """

    def __init__(self, settings: Settings, revisions: Revisions) -> None:
        self._first, self._second = revisions.first, revisions.second
        self._settings = settings if self._second is None else replace(settings, ref=self._second)
        self.repository: Repository = build.repository(self._settings, also=(self._first,) if self._first else ())

    def context(self, cluster: str = "") -> Context:
        """Returns what the report is about; `cluster`: how it names the cluster, by default the one assumed."""
        return build.look(self._settings, self.repository, cluster or self._assumed())()

    def _assumed(self) -> str:
        first = self.repository.commit(self._first)[:8]
        return f"none asked; {_kind(self._settings).name} assumed, commit {first} live and whole"

    def plan(self) -> tuple[Plan, tuple[str, ...]]:
        """Returns the plan, and what of it rests on guesses.

        Raises:
            ManifestsInvalid: one of the two commits is invalid; says which.
            RepositoryError: one of them cannot be read. UsageError: the first cannot be assumed live.
        """
        from reconciler import planner  # noqa: PLC0415 - `--help` should not wait for it
        from reconciler.planner.assumed import assumed_configs, doubts, whole  # noqa: PLC0415 - as above

        before, desired = self.desired_states()
        guards, kind = build.guards(self._settings), _kind(self._settings)
        configs = tuple(c for c in assumed_configs(before, desired) if c.name in kind.serves or not kind.serves)
        live = whole(before, guards, configs=configs, traits=kind.traits, observed_at=time.time())
        return planner.plan(desired, live, guards), doubts(before, guards, configs)

    def desired_states(self) -> tuple[DesiredState, DesiredState]:
        """Fetches the repository and returns what its two commits say.

        Raises:
            ManifestsInvalid: one of them is invalid; says which. RepositoryError: one of them cannot be read.
        """
        desired = self.desired_state()  # the author of a change hears of the change's own problems first
        fix = "begin at a valid commit: name the last one that was applied with --from"
        return self._desired(self._first, f"--from {self._first}", fix), desired

    def desired_state(self) -> DesiredState:
        """Fetches the repository and returns what the second commit says. Raises as `desired_states`."""
        self.repository.fetch()
        named = f"--to {self._second}" if self._second else f"--ref {self._settings.ref}"
        return self._desired(None, named if self._settings.ref else "what HEAD names", "")

    def _desired(self, rev: str | None, called: str, fix: str) -> DesiredState:
        try:
            return self.repository.desired_state(rev)
        except ManifestsInvalid as error:
            commit = self.repository.commit(rev)[:8]
            raise ManifestsInvalid(error.problems, of=f"commit {commit} ({called})", fix=fix) from error


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of cluster that can be assumed. `serves`: its only kinds of server, empty when it may have any."""

    name: str
    traits: Traits
    serves: tuple[str, ...] = ()


def _kind(settings: Settings) -> _Kind:
    """Returns the kind of cluster that is assumed: Seldon's, unless one was named."""
    from reconciler.clusters.local.servers import SERVER_CONFIG  # noqa: PLC0415 - `--help` should not wait for it
    from reconciler.clusters.local.view import TRAITS  # noqa: PLC0415 - as above

    known = {"": _Kind("Seldon Core 2", SELDON_TRAITS), "local": _Kind("a local cluster", TRAITS, (SERVER_CONFIG,))}
    if settings.simulated or settings.cluster not in known:
        named = f"--cluster {settings.cluster}" if settings.cluster else f"--state {settings.state}"
        why = "its live state is observed, so nothing needs to be assumed"
        raise UsageError(f"--from with {named}", why=why, fix="leave out one of them")
    return known[settings.cluster]
