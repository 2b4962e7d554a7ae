# ruff: noqa: RUF009 - `_setting` is dataclasses.field with our metadata, which is what the rule allows
"""Settings: the only reader of the settings file, the environment and the flags. One frozen `Settings` comes out.

The fields of `Settings` are the one table of what can be set. Each field gives, by one rule, its flag
(`max_deletions`: `--max-deletions`), its variable (`RECONCILER_MAX_DELETIONS`) and its key in the settings file
(`maxDeletions`; fields of a group as in `local: {artifacts: …}`), so that the three cannot diverge. Later sources win:
defaults, settings file, environment, flags. Nothing here acts on a setting.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from reconciler.errors import UsageError
from reconciler.model.codec import parse_duration
from reconciler.model.plan import ProbePolicy
from reconciler.model.quantity import parse_quantity

_T = TypeVar("_T")

PREFIX = "RECONCILER_"
"""Prefix of the environment variables."""

FILE_VARIABLE = PREFIX + "SETTINGS"
"""Environment variable that names the settings file, as the flag `--settings` does."""


FILE_NAME = "reconciler.yaml"
"""Name of the settings file in the current folder, which may be the top of the manifest repository."""


def _text(text: str) -> str:
    return text


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("not a path")
    return Path(text).expanduser().absolute()


def _boolean(text: str) -> bool:
    if text not in ("true", "false", "1", "0"):
        raise ValueError("neither true nor false")
    return text in ("true", "1")


def _whole(text: str, low: int, high: int) -> int:
    if re.fullmatch(r"\d{1,9}", text) is None or not low <= int(text) <= high:
        raise ValueError(f"not a whole number from {low} to {high}")
    return int(text)


def _port(text: str) -> int:
    return _whole(text, 1, 65535)


def _count(text: str) -> int:
    return _whole(text, 1, 100_000)


def _percent(text: str) -> int:
    return _whole(text.removesuffix("%"), 0, 99)


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError("not a time such as 90s, 5m or 1h30m") from error


def _interval(text: str) -> float:
    seconds = _duration(text)
    if seconds < 1:
        raise ValueError("shorter than 1s")
    return seconds


def _deletions(text: str) -> str:
    if re.fullmatch(r"\d{1,6}|(\d{1,2}|100)%", text) is None:
        raise ValueError("neither a number such as 5 nor a share such as 20%")
    return text


def _bytes(text: str) -> int:
    try:
        count = parse_quantity(text)
    except ValueError as error:
        raise ValueError("not an amount of memory such as 300M or 1Gi") from error
    if count <= 0:
        raise ValueError("not more than zero")
    return count


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _cluster(text: str) -> str:
    if text not in ("local", "kubernetes", "simulated"):
        raise ValueError("neither local, kubernetes nor simulated")
    return text


def _label(text: str) -> str:
    if re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text) is None:
        raise ValueError("not a name of lower-case letters, digits and dashes")
    return text


def _output(text: str) -> str:
    if text not in ("text", "json", "markdown"):
        raise ValueError("neither text, json nor markdown")
    return text


def _probe(text: str) -> ProbePolicy:
    if text not in tuple(ProbePolicy):
        raise ValueError("neither auto, always nor never")
    return ProbePolicy(text)


def _instance(text: str) -> str:
    if re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text) is None:
        raise ValueError("not a label value of lower-case letters, digits and dashes")
    return text


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: how a field of `Settings` is named in each source and read from text.

    Attributes:
        attribute: name in `Settings`. key: dotted path in the settings file. help: one line for `--help`.
        parse: from text to the value; raises ValueError with what is wrong, as a phrase.
        shown: how its default is told to people. short: a one-letter flag, or empty. flag: whether it takes no value.
    """

    attribute: str
    key: str
    help: str
    parse: Callable[[str], Any]
    shown: str = ""
    short: str = ""

    @property
    def flag(self) -> str:
        """Its flag, such as `--max-deletions`."""
        return "--" + self.attribute.rstrip("_").replace("_", "-")

    @property
    def variable(self) -> str:
        """Its environment variable, such as `RECONCILER_MAX_DELETIONS`."""
        return PREFIX + self.attribute.rstrip("_").upper()

    @property
    def is_switch(self) -> bool:
        """Whether its flag takes no value."""
        return self.parse is _boolean

    @property
    def is_list(self) -> bool:
        """Whether its flag may be given several times."""
        return self.parse is _names


def _setting(
    default: _T,
    parse: Callable[[str], _T],
    about: str,
    *,
    shown: str = "",
    short: str = "",
    group: str = "",
    secret: bool = False,
) -> _T:
    metadata = {"parse": parse, "about": about, "shown": shown, "short": short, "group": group}
    spec: _T = field(default=default, repr=not secret, metadata=metadata)
    return spec


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user set, checked; see the table itself for what each means. Durations are in seconds, memory in bytes.

    `repo` is left out of the representation: a URL may hold credentials. `cluster` is empty when nobody named one: then
    `simulated` and `kubernetes` say which is meant, and a plan without a cluster follows Seldon's rules. `as_` is
    kubectl's `--as`.
    """

    repo: str = _setting("", _text, "URL or path of the manifest repository", secret=True)
    ref: str = _setting("", _text, "branch, tag or commit to read", shown="the remote's default branch")
    path: str = _setting("", _text, "folder in the repository that holds the manifests", shown="the whole repository")
    git_credentials: Path | None = _setting(
        None,
        _path,
        "folder with files that open the repository: password and username, or ssh-privatekey and known_hosts",
        shown="what Git is set up with",
    )
    instance: str = _setting("default", _instance, "who owns what this reconciler applies")
    cluster: str = _setting(
        "",
        _cluster,
        "what serves the models: kubernetes, local or simulated",
        shown="what other flags speak of, else local",
    )
    kubeconfig: Path | None = _setting(
        None, _path, "file that says how to reach Kubernetes", shown="$KUBECONFIG, ~/.kube/config, or the pod's own"
    )
    context: str = _setting("", _text, "context of the kubeconfig", shown="the current one")
    namespace: str = _setting(
        "", _label, "namespace of Seldon and its models on Kubernetes", shown="the context's, or the pod's", short="-n"
    )
    as_: str = _setting("", _text, "user to impersonate on Kubernetes", shown="nobody")
    seldon_scheduler: str = _setting(
        "", _text, "address HOST:PORT of the gRPC of Seldon's scheduler; none to do without it", shown="found by itself"
    )
    seldon_scheduler_tls: Path | None = _setting(
        None, _path, "folder with ca.crt, tls.crt and tls.key for the gRPC of Seldon's scheduler", shown="plain text"
    )
    force_conflicts: bool = _setting(
        False, _boolean, "take over fields that somebody else manages on Kubernetes, instead of refusing"
    )
    state: Path = _setting(
        Path(),
        _path,
        "folder of the local cluster, or state file of the simulated one",
        shown="in the user's state folder",
    )
    local_port: int | None = _setting(
        None, _port, "port on which the local cluster answers requests", shown="9000, or a free one", group="local"
    )
    local_artifacts: Path | None = _setting(
        None,
        _path,
        "folder below which a relative storageUri lies",
        shown="the one it had before, at first `artifacts` in --state",
        group="local",
    )
    cache: Path = _setting(Path(), _path, "folder for clones of repositories", shown="in the user's cache folder")
    only: tuple[str, ...] = _setting((), _names, "restrict the plan to this model (may be given several times)")
    max_deletions: str = _setting("20%", _deletions, "how many objects may go in one pass: N or P%")
    headroom: int = _setting(0, _percent, "percent of every server replica that plans leave free")
    default_model_memory: int | None = _setting(
        None, _bytes, "memory to reckon with where a model says none, such as 300M", shown="such models are blocked"
    )
    probe: ProbePolicy = _setting(
        ProbePolicy.AUTO, _probe, "when to ask the scheduler before a load whether there is room: auto, always or never"
    )
    wait_timeout: float | None = _setting(
        None, _duration, "give up waiting for the whole plan after this time", shown="each action's own limit"
    )
    lock_timeout: float = _setting(0.0, _duration, "how long to wait for another reconciler", shown="0s")
    output: str = _setting("text", _output, "how to print: text, json or markdown", short="-o")
    report_file: Path | None = _setting(
        None, _path, "also write the report to this file (.md, .json or .txt)", shown="none"
    )
    reports_branch: str = _setting(
        "reconciler-reports", _text, "branch of the repository that takes the reports; empty for none"
    )
    report_history: int = _setting(50, _count, "how many reports to keep on that branch")
    interval: float = _setting(60.0, _interval, "time between two passes of `run`", shown="1m")
    jitter: float = _setting(0.0, _duration, "at most this much is added to the interval at random", shown="0s")
    heartbeat: Path | None = _setting(
        None, _path, "touch this file every 10 seconds while `run` lives, for a probe to look at", shown="none"
    )
    no_color: bool = _setting(False, _boolean, "print without colours (so does the variable NO_COLOR)")

    @property
    def simulated(self) -> bool:
        """Whether the cluster is a simulated one: it was named, or `state` is a file, or is called like one."""
        a_file = self.state.is_file() or (self.state.suffix in (".yaml", ".yml") and not self.state.is_dir())
        return self.cluster == "simulated" or (not self.cluster and a_file)

    @property
    def kubernetes(self) -> bool:
        """Whether the cluster is one of Kubernetes: it was named, or something was set that only means one."""
        spoken_of = bool(self.kubeconfig or self.context or self.namespace or self.as_)
        return self.cluster == "kubernetes" or (not self.cluster and spoken_of and not self.simulated)


def _row(spec: dataclasses.Field[Any]) -> Setting:
    group, name = spec.metadata["group"], spec.name
    own = (name.removeprefix(f"{group}_") if group else name).rstrip("_")
    head, *rest = own.split("_")
    key = head + "".join(part.capitalize() for part in rest)
    shown = spec.metadata["shown"] or ("" if spec.default in ("", (), None, False) else str(spec.default))
    return Setting(
        name,
        f"{group}.{key}" if group else key,
        spec.metadata["about"],
        spec.metadata["parse"],
        shown,
        spec.metadata["short"],
    )


TABLE: dict[str, Setting] = {spec.name: _row(spec) for spec in dataclasses.fields(Settings)}
"""Every setting by its attribute, in the order of `Settings`."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as text, and where it was given, for errors."""

    text: str
    place: str


def load(flags: Mapping[str, str], *, environ: Mapping[str, str], settings_file: Path | None = None) -> Settings:
    """Returns the settings that the four sources give together.

    Args:
        flags: text per attribute, only of flags that were given; several values are joined by commas.
        environ: the environment.
        settings_file: as `--settings` gives it; None looks at `RECONCILER_SETTINGS`, then for `FILE_NAME` in the
            current folder, then in the user's configuration folder.

    Raises:
        UsageError: a value, key, variable or the file itself is wrong; says which and where.
    """
    given = {name: _Given(text, "built in") for name, text in _user_folders(environ).items()}
    given |= _from_file(settings_file, environ) | _from_environment(environ)
    given |= {name: _Given(text, f"flag {TABLE[name].flag}") for name, text in flags.items()}
    values = {name: _parsed(TABLE[name], source) for name, source in given.items()}
    return Settings(**values)


def _parsed(setting: Setting, given: _Given) -> Any:
    try:
        return setting.parse(given.text)
    except ValueError as error:
        # The error of a parser is a phrase about the value; a repository's URL has none, so no secret can be in it.
        raise UsageError(
            f"{given.place}: {error}",
            why=f"this sets: {setting.help}",
            fix="correct it there, or leave it out",
        ) from error


def _user_folders(environ: Mapping[str, str]) -> dict[str, str]:
    home = Path.home()
    state = Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    return {"state": str(state / "model-reconciler" / "local"), "cache": str(cache / "model-reconciler")}


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    known = {setting.variable: name for name, setting in TABLE.items()}
    for variable in environ:
        # Kubernetes sets RECONCILER_PORT and the like for a Service of our name, so only a likely typo is refused.
        if variable.startswith(PREFIX) and variable not in known and variable != FILE_VARIABLE:
            nearest = difflib.get_close_matches(
                variable.removeprefix(PREFIX), [name.upper() for name in TABLE], 1, 0.85
            )
            if nearest:
                raise UsageError(
                    f"environment variable {variable}: no such setting",
                    why="it would be ignored without a word",
                    fix=f"did you mean {PREFIX}{nearest[0]}?",
                )
    # An empty variable counts as unset, except where empty text says something: `RECONCILER_REPORTS_BRANCH=`.
    given = {
        name: _Given(environ[variable], f"environment variable {variable}")
        for variable, name in known.items()
        if variable in environ and (environ[variable] or TABLE[name].parse is _text)
    }
    if environ.get("NO_COLOR") and "no_color" not in given:
        given["no_color"] = _Given("true", "environment variable NO_COLOR")
    return given


def _from_file(chosen: Path | None, environ: Mapping[str, str]) -> dict[str, _Given]:
    if chosen is None and environ.get(FILE_VARIABLE):
        chosen = Path(environ[FILE_VARIABLE])
    if chosen is not None:
        return dict(_read_file(chosen.expanduser()))
    config = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for file in (Path(FILE_NAME), config / "model-reconciler" / "settings.yaml"):
        if file.is_file():
            return dict(_read_file(file))
    return {}


def _read_file(file: Path) -> Iterator[tuple[str, _Given]]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - most runs have no settings file and should not pay for it
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415 - as above

    try:
        document = YAML(typ="rt").load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"settings file {file}: cannot be read", why=str(reason), fix="name another one with --settings FILE"
        ) from error
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(
            f"settings file {file}{line}: not valid YAML",
            why="it has to be one mapping of settings",
            fix="correct that line",
        ) from error
    if document is not None:
        yield from _rows(document, str(file), "")


def _rows(mapping: Any, file: str, prefix: str) -> Iterator[tuple[str, _Given]]:
    known = {setting.key: name for name, setting in TABLE.items()}
    if not isinstance(mapping, dict):
        raise UsageError(
            f"settings file {file}: {prefix or 'the document'} is not a mapping", fix=f"write `{prefix or 'repo'}: …`"
        )
    for name, value in mapping.items():
        key = f"{prefix}{name}"
        line = mapping.lc.key(name)[0] + 1  # type: ignore[attr-defined] # ruamel's round-trip mappings know their lines
        place = f"settings file {file}:{line}: {key}"
        if key in known:
            yield known[key], _Given(_scalar(value, place), place)
        elif isinstance(value, dict) and any(k.startswith(f"{key}.") for k in known):
            yield from _rows(value, file, f"{key}.")
        else:
            nearest = difflib.get_close_matches(key, known, 1)
            fix = f"did you mean {nearest[0]}?" if nearest else f"the settings are {', '.join(known)}"
            raise UsageError(f"{place}: no such setting", fix=fix)


def _scalar(value: object, place: str) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if isinstance(value, dict | list) or value is None:
        raise UsageError(f"{place}: not a single value", fix="give it a value, or leave the line out")
    return str(value).lower() if isinstance(value, bool) else str(value)
