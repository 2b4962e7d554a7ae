"""The state file of a simulated cluster: YAML, its first part by people, its last part saved by us.

    rules: {memory: 1M}                 the beginning, by people: never touched, comments and all
    artifacts: {...}                    how artifacts behave from now on: may be edited at any time
    objects: [...]
    # Saved by model-reconciler ...
    saved: {...}                        what has become of it; deleting it begins anew

A reader always sees a whole file: it is replaced, never written over. Writers take turns by a lock beside it.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import Any

from filelock import FileLock, Timeout
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from reconciler.clusters.holder import HolderLock
from reconciler.clusters.simulated import beginning
from reconciler.clusters.simulated.choices import SeededChoices
from reconciler.clusters.simulated.simulation import Simulation
from reconciler.clusters.simulated.view import live_state
from reconciler.errors import ClusterError, ClusterUnavailable
from reconciler.model.live import LiveState

FORMAT = 1
_SCHEMA = "simulated-state.schema.json"
_NOTE = "# Saved by model-reconciler. Delete all from here on to begin anew."
_SAVED = re.compile(rf"^(?:{re.escape(_NOTE)}\n)?saved:(.*)\Z", re.MULTILINE | re.DOTALL)
_PATIENCE = 30.0
"""Seconds for which another process may hold the file."""


@dataclass(slots=True)
class Cluster:
    """A simulated cluster with its place in time. `epoch`: Unix time of its beginning, in seconds."""

    simulation: Simulation
    epoch: float
    choices: SeededChoices | None = None
    _shown: LiveState | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.simulation.listeners.append(self._changed)

    def live(self) -> LiveState:
        """Returns what everybody sees of it now."""
        if self._shown is None:
            self._shown = live_state(self.simulation.world, self.epoch)
        return replace(self._shown, observed_at=self.epoch + self.simulation.now)

    def _changed(self, _: float) -> None:
        self._shown = None


class StateFile:
    """A state file and the cluster in it. Reads again only what somebody else has written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cluster: Cluster | None = None
        self._signature: tuple[int, int, int] | None = None
        self._head = ""
        self._beginning = ""

    @property
    def name(self) -> str:
        """How reports name the cluster."""
        return f"simulated ({self.path.name})"

    def read(self) -> Cluster:
        """Returns the cluster, only to be looked at.

        Raises:
            ClusterError: there is no file, it is not a state file, or cannot be gone on from.
        """
        signature = self._look()
        if self._cluster is None or signature != self._signature:
            self._cluster, self._signature = self._load(), signature
        return self._cluster

    @contextmanager
    def changed(self) -> Iterator[Cluster]:
        """Gives the cluster to be changed, alone, and saves it at the end.

        Raises:
            ClusterUnavailable: another process keeps the file for long. ClusterError: as `read`, or it cannot be saved.
        """
        with self._alone():
            cluster = self.read()
            try:
                yield cluster
            finally:
                self._save(cluster)

    def lock(self, holder: str, timeout: float) -> AbstractAsyncContextManager[None]:
        """Returns a context that holds the lock of whoever plans and executes; see `Cluster.lock`."""
        return self._lock(holder, timeout)

    @asynccontextmanager
    async def _lock(self, holder: str, within: float) -> AsyncIterator[None]:
        self._look()
        beside = self.path.with_name(self.path.name + ".lock")
        lock = HolderLock(beside, beside.with_name(beside.name + ".holder"), f"the simulated cluster in {self.path}")
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(lock.held(holder, within))
            except OSError as error:
                raise self._unwritable(error) from error
            yield

    def _look(self) -> tuple[int, int, int]:
        """Returns what changes with every write. Raises ClusterError when there is no file."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise self._missing(error.strerror or str(error)) from error
        if not S_ISREG(found.st_mode):
            raise self._missing("it is a folder, or something else that is no file")
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _missing(self, why: str) -> ClusterError:
        return ClusterError(
            f"the simulated cluster's state file {self.path} cannot be read",
            why=why,
            fix='write one (docs/guide.md, "A simulated cluster"), and name it with --state FILE',
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = FileLock(self.path.with_name(self.path.name + ".busy"))
        try:
            lock.acquire(timeout=_PATIENCE)
        except Timeout as error:
            raise ClusterUnavailable(f"{self.path} is kept busy by another process") from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _load(self) -> Cluster:
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self._wrong("it cannot be read as UTF-8 text") from error
        self._head, saved = _parted(text)
        document = self._parsed(self._head)
        if saved is not None:
            document = {**document, "saved": self._saved(saved)}
        self._check(document)
        self._beginning = beginning.identity(document)
        try:
            return self._gone_on(document) if "saved" in document else _begun(document)
        except (ValueError, TypeError, KeyError) as error:
            raise self._wrong(" ".join(str(error).split()) or type(error).__name__) from error

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            document = YAML(typ="safe", pure=True).load(text)
        except YAMLError as error:
            mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
            raise self._wrong(f"not valid YAML{f' at line {mark.line + 1}' if mark else ''}") from error
        if document is not None and not isinstance(document, dict):
            raise self._wrong("it is not one mapping")
        return document or {}

    def _saved(self, text: str) -> Any:
        try:
            return json.loads(text)  # as we write it; quick, and JSON is YAML
        except ValueError:
            document = self._parsed(f"saved:{text}")
            if len(document) > 1:
                raise self._wrong("`saved` does not come last") from None
            return document["saved"]

    def _check(self, document: Mapping[str, Any]) -> None:
        error = best_match(_validator().iter_errors(document))
        if error is not None:
            place = ".".join(str(step) for step in error.absolute_path)
            raise self._wrong(f"{place}: {error.message}" if place else error.message)

    def _gone_on(self, document: Mapping[str, Any]) -> Cluster:
        saved = document["saved"]
        if saved["beginning"] != self._beginning:
            raise ClusterError(
                f"the state file {self.path} was edited after the cluster began",
                why="rules, objects, seed and epoch say how it began, and what is saved goes on from something else",
                fix="delete all from `saved:` on to begin anew, or undo the edit",
            )
        chance = beginning.choices(document, saved["made"])
        simulation = Simulation.load(saved["cluster"], chance)
        for uri, artifact in beginning.artifacts(document).items():
            simulation.set_artifact(uri, artifact)
        return Cluster(simulation, saved["epoch"], chance)

    def _save(self, cluster: Cluster) -> None:
        saved = {
            "format": FORMAT,
            "beginning": self._beginning,
            "epoch": cluster.epoch,
            "made": cluster.choices.made if cluster.choices else 0,
        }
        told, whole = json.dumps(saved), cluster.simulation.dump_json()
        text = f'{self._head}{_NOTE}\nsaved: {told[:-1]}, "cluster": {whole}}}\n'
        try:
            _replace(self.path, text)
        except OSError as error:
            self._cluster = None
            raise self._unwritable(error) from error
        self._signature = self._look()

    def _wrong(self, why: str) -> ClusterError:
        what = f"the state file {self.path} cannot be used"
        return ClusterError(what, why=why, fix=f"correct it (schemas/{_SCHEMA}), or begin anew without `saved:`")

    def _unwritable(self, error: OSError) -> ClusterError:
        return ClusterError(
            f"the state file {self.path} cannot be written",
            why=error.strerror or str(error),
            fix="put it into a folder that may be written to",
        )


def _begun(document: Mapping[str, Any]) -> Cluster:
    chance = beginning.choices(document)
    simulation = beginning.begin(document, chance)
    epoch = document.get("epoch")
    return Cluster(simulation, (time.time() if epoch is None else epoch) - simulation.now, chance)


def _parted(text: str) -> tuple[str, str | None]:
    """Returns what people wrote, ending with a line break, and what was saved, None when nothing was."""
    match = _SAVED.search(text)
    head = text if match is None else text[: match.start()]
    return head if not head or head.endswith("\n") else head + "\n", None if match is None else match[1]


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@cache
def _validator() -> Draft202012Validator:
    package = Path(__file__).parents[2]
    # An installed package carries the schemas inside itself, a source tree beside itself.
    folder = next(place for place in (package / "schemas", package.parent / "schemas") if (place / _SCHEMA).is_file())
    return Draft202012Validator(json.loads((folder / _SCHEMA).read_text(encoding="utf-8")))
