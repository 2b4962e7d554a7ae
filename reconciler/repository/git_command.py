"""Runs Git, at the edge: bounded in time, asking nobody anything, running no hook, and showing no secret."""

from __future__ import annotations

import os
import tempfile
from functools import cached_property
from pathlib import Path

from git.cmd import Git
from git.exc import GitCommandError, GitCommandNotFound

from reconciler.errors import RepositoryError
from reconciler.repository.address import Address
from reconciler.repository.credentials import Access, access, ssh_command

# Inside a Git hook these point at the repository that is being committed to, not at the one we mean.
_FOREIGN = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
    *("GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_QUARANTINE_PATH", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE"),
    *("GIT_TRACE", "GIT_TRACE_CURL", "GIT_CURL_VERBOSE", "GIT_TRACE_PACKET"),
)
_REMOTE = ("fetch", "push")
"""Commands that speak to the remote: only they are given its credentials."""

_LONGEST_SAID = 600
_ENDED_BY_TIMEOUT = (124, 137, -9)


class GitError(Exception):
    """Git failed. `said` is what it wrote, scrubbed; `timed_out` whether the time limit ended it."""

    def __init__(self, said: str, *, timed_out: bool = False) -> None:
        super().__init__(said)
        self.said = said
        self.timed_out = timed_out


class GitCommand:
    """Git commands on one bare repository and its remote.

    Args:
        folder: the bare repository. address: its remote, known to Git as `origin`.
        timeout: seconds that a command may take. credentials: folder with those of the remote, see `access`.
    """

    def __init__(self, folder: Path, address: Address, timeout: float, credentials: Path | None = None) -> None:
        self.folder = folder
        self._address = address
        self._timeout = timeout
        self._credentials = credentials

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Returns the output of `git <arguments>`.

        Raises:
            GitError: it failed. RepositoryError: there is no Git on this machine, or the credentials do not suit.
        """
        entry = access(self._address, self._credentials) if arguments[0] in _REMOTE else Access()
        # `timeout` ends Git's helper processes too: they would hold the connection, and us, for ever.
        limit = ["timeout", "-k", "2", f"{self._timeout:g}"]
        unset = [word for name in _FOREIGN for word in ("-u", name)]
        command = [*limit, "env", *unset, "git", f"--git-dir={self.folder}", *arguments]
        with tempfile.TemporaryFile() as stream:
            stream.write(stdin)
            stream.seek(0)
            try:
                status, output, said = Git(self.folder.parent).execute(
                    command,
                    istream=stream,
                    with_extended_output=True,
                    with_exceptions=False,
                    stdout_as_string=False,
                    strip_newline_in_stdout=False,
                    env=self._environment(entry),
                )
            except (GitCommandNotFound, GitCommandError) as error:
                raise RepositoryError(
                    "Git cannot be started",
                    why="a command is missing: `git`, `env` or `timeout`",
                    fix="install Git and coreutils",
                ) from error
        if status in _ENDED_BY_TIMEOUT:
            raise GitError(f"it took more than {self._timeout:g} s and was ended", timed_out=True)
        if status != 0:
            raise GitError(self._scrubbed(entry.scrub(said)) or f"Git ended with status {status} and said nothing")
        return bytes(output)

    def text(self, *arguments: str, stdin: bytes = b"") -> str:
        """Returns the output of `git <arguments>` as text, white space at its ends removed. Raises as `run` does."""
        return self.run(*arguments, stdin=stdin).decode("utf-8", "replace").strip()

    def _scrubbed(self, said: str) -> str:
        text = self._address.scrub(said.strip())
        return text if len(text) <= _LONGEST_SAID else text[:_LONGEST_SAID] + "…"

    def _environment(self, entry: Access) -> dict[str, str]:
        settings = {
            "remote.origin.url": self._address.location,
            "core.hooksPath": os.devnull,
            "protocol.ext.allow": "never",
            "protocol.fd.allow": "never",
            "fetch.recurseSubmodules": "false",
            "gc.auto": "0",
            "maintenance.auto": "false",
        }
        header = self._address.header or entry.header
        if header:
            settings[f"http.{self._address.location}.extraHeader"] = header
        first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
        environment = {"GIT_CONFIG_COUNT": str(first + len(settings)), "GIT_TERMINAL_PROMPT": "0"}
        for index, (name, value) in enumerate(settings.items(), first):
            environment[f"GIT_CONFIG_KEY_{index}"], environment[f"GIT_CONFIG_VALUE_{index}"] = name, value
        if entry.ca:
            environment["GIT_SSL_CAINFO"] = str(entry.ca)  # which wins over any configuration
        if entry.ssh or self._may_ask_by_ssh:
            environment["GIT_SSH_COMMAND"] = ssh_command(entry.ssh, max(1, int(self._timeout)))
        return environment

    @cached_property
    def _may_ask_by_ssh(self) -> bool:
        """Whether ssh is used and the user has not said how: then it must be told to ask nobody."""
        if self._address.local or self._address.location.startswith("http"):
            return False
        configured = Git().execute(["git", "config", "--get", "core.sshCommand"], with_exceptions=False)
        return not (configured or os.environ.get("GIT_SSH_COMMAND") or os.environ.get("GIT_SSH"))
