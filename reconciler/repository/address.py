"""Addresses of Git repositories: which are allowed, how they are shown, and how credentials stay out of sight. Pure."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from reconciler.errors import RepositoryError

_SCHEMES = frozenset({"https", "http", "ssh", "git", "file", "git+ssh", "ssh+git"})
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_COMMAND_TRANSPORT = re.compile(r"[A-Za-z0-9+.-]+::")
_SCP_LIKE = re.compile(r"(?:[^@/:\s]+@)?[^@/:\s]+:(?!//).+")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a repository is.

    Attributes:
        location: what Git is given: a URL without its password, or an absolute path.
        header: HTTP header that carries the credentials of the URL, None when it has none.
        secrets: texts that must never be shown.
        local: the folder, None when the repository is elsewhere.
    """

    location: str
    header: str | None = None
    secrets: tuple[str, ...] = ()
    local: Path | None = None

    def __repr__(self) -> str:
        return f"Address({self.display!r})"

    @property
    def display(self) -> str:
        """The address as it is shown: credentials removed, and query and fragment, which may hold a token."""
        shown = _USER_INFO.sub("", self.location)
        return shown if self.local else re.split(r"[?#]", shown, maxsplit=1)[0]

    def scrub(self, text: str) -> str:
        """Returns `text` without the credentials of this address and of any URL in it."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return _USER_INFO.sub("", text)


def parse_address(url: str) -> Address:
    """Returns the address that `url` says: a URL, `host:path` as scp writes it, or a path.

    Raises:
        RepositoryError: it is not one that is safe to give to Git.
    """
    if not url or url.startswith("-") or any(not char.isprintable() for char in url):
        raise _refused("it is empty, begins with `-` or holds a control character")
    if _COMMAND_TRANSPORT.match(url):
        raise _refused("an address with `::` runs a command on this machine")
    scheme = _URL.match(url)
    if scheme is None:
        looks_remote = _SCP_LIKE.fullmatch(url) and not url.startswith((".", "/", "~")) and not Path(url).exists()
        if looks_remote and url.partition("@")[2].startswith("-"):
            raise _refused("its host begins with `-`")
        if looks_remote and "@" in url.partition(":")[2]:
            raise _refused("a password in an address is used with http and https only")
        return Address(url) if looks_remote else _local(Path(url))
    if scheme[1].lower() not in _SCHEMES:
        raise _refused(f"`{scheme[1]}` is not a way to reach a repository that is allowed")
    if scheme[1].lower() == "file":
        return _local(Path(unquote(urlsplit(url).path)))
    return _remote(url)


def check_ref(ref: str) -> str:
    """Returns `ref` if it can be given to Git as a branch, tag or commit. Raises RepositoryError if not."""
    if not ref or ref.startswith(("-", "^")) or re.search(r"[\x00-\x20\x7f:?*\[\\]|\.\.", ref):
        raise RepositoryError(
            "this is not the name of a branch, tag or commit",
            why="it is empty, begins with `-` or `^`, or holds a space, `..`, `:` or another character Git refuses",
            fix="name a branch, a tag or a commit hash",
        )
    return ref


def check_folder(path: str) -> str:
    """Returns `path` as a folder inside the repository: without `.`, trailing or doubled slashes.

    Raises:
        RepositoryError: it is absolute or leads out of the repository.
    """
    steps = [step for step in path.split("/") if step not in ("", ".")]
    if path.startswith(("/", "-", "~")) or ".." in steps or any(not char.isprintable() for char in path):
        raise RepositoryError(
            "this path cannot be a folder inside the repository",
            why="it is absolute, begins with `-` or `~`, or holds `..` or a control character",
            fix="give the folder as seen from the top of the repository, such as `models/prod`",
        )
    return "/".join(steps)


def _local(path: Path) -> Address:
    folder = Path(os.path.normpath(path.expanduser().absolute()))
    return Address(str(folder), local=folder)


def _remote(url: str) -> Address:
    try:
        parts = urlsplit(url)
        host, user, password = parts.hostname, parts.username, parts.password
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError as error:
        raise _refused("it is not a URL") from error
    if not host or host.startswith("-") or (user or "").startswith("-"):
        raise _refused("it names no host, or one that begins with `-`")
    extras = tuple(text for text in (parts.query, parts.fragment) if text)
    if password is None:
        return Address(url, secrets=extras)
    host = f"[{host}]" if ":" in host else host
    plain = (unquote(user or ""), unquote(password))
    secrets = tuple({text for text in (password, plain[1], f"{user}:{password}") if text})
    if parts.scheme.lower() not in ("http", "https"):
        raise _refused("a password in an address is used with http and https only")
    location = urlunsplit((parts.scheme, host + port, parts.path, parts.query, parts.fragment))
    # Sent as a header, the password is neither in a process list nor in the configuration of the cache.
    token = base64.b64encode(":".join(plain).encode()).decode()
    return Address(location, f"Authorization: Basic {token}", (*secrets, token, *extras))


def _refused(why: str) -> RepositoryError:
    return RepositoryError(
        "this address of a repository is refused",
        why=why,
        fix="use an https, http, ssh, git or file URL, `user@host:path`, or a path",
    )
