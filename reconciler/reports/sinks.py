"""Where reports are kept: a file, and a branch of the manifest repository with a history. Knows no Git itself."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from reconciler.errors import ReportError, UsageError
from reconciler.reports.encode import iso
from reconciler.reports.markdown import markdown
from reconciler.reports.report import Report, Verdict, interrupted
from reconciler.reports.report_json import report_from_json, report_json
from reconciler.reports.text import text

FORMATS: Mapping[str, Callable[[Report], bytes]] = {
    ".json": report_json,
    ".md": lambda report: markdown(report).encode(),
    ".txt": lambda report: text(report).encode(),
}
"""How a report is written to a file, by the ending of the file's name."""

KILLED = "its process ended before it could say so"
"""Why an action or a pass counts as interrupted when the next pass finds its report still running."""


class Publisher(Protocol):
    """What the branch sink needs of a repository. Errors are ReportErrors."""

    def publish(self, branch: str, files: Mapping[str, bytes | None], message: str) -> str:
        """Commits and pushes `files` (None deletes) to `branch`, keeping its others; returns the commit."""
        ...

    def read(self, branch: str, file: str) -> bytes | None:
        """Returns a file of `branch`, None when there is none."""
        ...

    def list(self, branch: str, folder: str) -> tuple[str, ...]:
        """Returns the names of the files in a folder of `branch`."""
        ...


class FileSink:
    """Keeps the latest report in one file, replaced as a whole.

    Raises:
        UsageError: the ending of `path` names no format.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix not in FORMATS:
            known = ", ".join(FORMATS)
            raise UsageError(
                f"no report format for {path.name!r}", why=f"known endings are {known}", fix="rename the file"
            )
        self._path = path

    def write(self, report: Report) -> None:
        """Writes `report`. Raises ReportError when the file cannot be written; the old one is kept then."""
        content = FORMATS[self._path.suffix](report)
        try:
            _replace(self._path, content)
        except OSError as error:
            raise ReportError(
                f"the report cannot be written to {self._path}",
                why=error.strerror or type(error).__name__,
                fix="name a file in a folder that is there, can be written to and has space left",
            ) from error


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            Path(name).unlink()
        raise


class BranchSink:
    """Keeps the latest report and a history of `keep` reports in a folder of a branch, one commit per write.

    Args:
        publisher: the repository. instance: names the folder. keep: reports in the history, at least 1.
    """

    def __init__(self, publisher: Publisher, branch: str, instance: str, keep: int = 50) -> None:
        self._publisher = publisher
        self._branch = branch
        self._folder = instance
        self._keep = max(keep, 1)

    def write(self, report: Report) -> None:
        """Writes `report` as the latest one and into the history; what is too old goes in the same commit.

        Raises:
            ReportError: it could not be pushed.
        """
        files = self._latest(report) | self._history(report)
        files |= dict.fromkeys(self._too_old(history_name(report)))
        self._publisher.publish(self._branch, files, f"{self._folder}: {report.verdict.value}, {report.summary}")

    def latest(self) -> Report | None:
        """Returns the report that was written last, None when there is none that can be read."""
        found = self._publisher.read(self._branch, f"{self._folder}/latest.json")
        return None if found is None else report_from_json(found)

    def close_interrupted(self, now: float) -> Report | None:
        """Closes the latest report if its pass was killed; to be called under the cluster's lock, before a new pass.

        Args:
            now: Unix time in seconds.

        Returns:
            The report as it was closed, None when there was nothing to close.

        Raises:
            ReportError: it could not be pushed.
        """
        left = self.latest()
        if left is None or left.verdict is not Verdict.RUNNING:
            return None
        report = interrupted(left, now, KILLED)
        files = self._latest(report) | self._history(report)
        self._publisher.publish(self._branch, files, f"{self._folder}: interrupted, {report.summary}")
        return report

    def is_news(self, report: Report) -> bool:
        """Returns whether `report` says something that the latest one does not."""
        return not same_news(self._publisher.read(self._branch, f"{self._folder}/latest.json"), report)

    def _latest(self, report: Report) -> dict[str, bytes | None]:
        return {f"{self._folder}/latest{ending}": FORMATS[ending](report) for ending in (".md", ".json")}

    def _history(self, report: Report) -> dict[str, bytes | None]:
        name = f"{self._folder}/history/{history_name(report)}"
        return {f"{name}{ending}": FORMATS[ending](report) for ending in (".md", ".json")}

    def _too_old(self, newest: str) -> list[str]:
        folder = f"{self._folder}/history"
        there = [PurePosixPath(name).name for name in self._publisher.list(self._branch, folder)]
        kept = sorted({PurePosixPath(name).stem for name in there} | {newest})[-self._keep :]
        return [f"{folder}/{name}" for name in there if PurePosixPath(name).stem not in kept]


def history_name(report: Report) -> str:
    """Returns the name of a report's files in the history, without ending: sorted by name is sorted by time."""
    when = (iso(report.context.started_at) or "").replace("-", "").replace(":", "")
    return f"{when}-{report.context.commit[:8] or 'uncommitted'}"


def same_news(old: bytes | None, report: Report) -> bool:
    """Returns whether `report`, of a pass that did nothing, says what the report `old` (as JSON) says already.

    A commit that stays blocked, invalid or on hold is told once, not with every pass.
    """
    before = None if old is None else report_from_json(old)
    if before is None or report.actions or before.actions:
        return False
    return _news(before) == _news(report)


def _news(report: Report) -> tuple[object, ...]:
    return (
        report.context.commit,
        report.verdict,
        report.decisions,
        report.problems,
        report.warnings,
        report.error,
        report.exit_code,
    )
