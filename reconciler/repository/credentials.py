"""Credentials of a remote, from a folder of files such as a mounted Secret. They reach Git and nothing else.

They are read again for every command that speaks to the remote: whoever rotates them need not restart anything. The
files are named as Kubernetes names the keys of its own kinds of Secret (`kubernetes.io/basic-auth` and
`kubernetes.io/ssh-auth`); `known_hosts` and `ca.crt` are the customary names.
"""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import RepositoryError
from reconciler.repository.address import Address

USERNAME, PASSWORD, CA = "username", "password", "ca.crt"
KEY, KNOWN_HOSTS = "ssh-privatekey", "known_hosts"

_ANYBODY = "git"
"""The name sent with a token that came without one: hosts that know tokens look at nothing but the token."""


@dataclass(frozen=True, slots=True)
class Access:
    """How Git is let in to a remote.

    Attributes:
        header: HTTP header that carries the credentials, None for none. secrets: texts that must never be shown.
        ca: certificates to check the remote by, None for those of the machine.
        ssh: options of ssh, empty for those of the user.
    """

    header: str | None = None
    secrets: tuple[str, ...] = ()
    ca: Path | None = None
    ssh: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Access()"

    def scrub(self, text: str) -> str:
        """Returns `text` without the secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def access(address: Address, folder: Path | None) -> Access:
    """Returns how the remote at `address` is entered with the files in `folder`.

    A folder that is missing or empty is that of a remote that asks nobody: the Secret is optional. Credentials in the
    address win over those in the folder.

    Raises:
        RepositoryError: the files there are not those that the address needs, or cannot be read.
    """
    if folder is None or address.local:
        return Access()
    if re.match(r"https?://", address.location, re.IGNORECASE):
        return _by_http(address, folder)
    return Access() if re.match(r"git://", address.location, re.IGNORECASE) else _by_ssh(folder)


def _by_http(address: Address, folder: Path) -> Access:
    ca = folder / CA if (folder / CA).is_file() else None
    password = _read(folder / PASSWORD)
    if address.header:
        return Access(ca=ca)
    if not password:
        if (folder / KEY).is_file():
            raise _unsuitable(folder, f"it holds a key for SSH and no file `{PASSWORD}`", "https", "an SSH address")
        return Access(ca=ca)
    pair = (_read(folder / USERNAME) or _ANYBODY.encode()) + b":" + password
    token = base64.b64encode(pair).decode()
    secrets = (pair.decode("utf-8", "replace"), password.decode("utf-8", "replace"), token)
    return Access(f"Authorization: Basic {token}", secrets, ca)


def _by_ssh(folder: Path) -> Access:
    key, known = folder / KEY, folder / KNOWN_HOSTS
    if not key.is_file():
        if (folder / PASSWORD).is_file():
            raise _unsuitable(folder, f"it holds a password and no file `{KEY}`", "SSH", "an https address")
        return Access()
    if not known.is_file():
        raise RepositoryError(
            f"the credentials in `{folder}` lack the file `{KNOWN_HOSTS}`",
            why="without it nobody could tell the Git host from one that only says it is",
            fix=f"add what `ssh-keyscan HOST` prints, compared with what the host publishes, as `{KNOWN_HOSTS}`",
        )
    options = (
        *("-o", f"IdentityFile={_one_path(key)}", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"),
        *("-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no"),
        *("-o", f"UserKnownHostsFile={_one_path(known)}", "-o", "GlobalKnownHostsFile=/dev/null"),
    )
    return Access(ssh=options)


def _one_path(path: Path) -> str:
    """Returns `path` as a value of an option of ssh, which would split it at spaces and expand a percent sign."""
    return '"' + str(path).replace("%", "%%") + '"'


def ssh_command(options: tuple[str, ...], connect_timeout: int) -> str:
    """Returns the value of `GIT_SSH_COMMAND`: ssh that asks nobody anything.

    Args:
        options: of ssh, beyond that. connect_timeout: seconds.
    """
    return shlex.join(["ssh", *options, "-o", "BatchMode=yes", "-o", f"ConnectTimeout={connect_timeout}"])


def _read(file: Path) -> bytes:
    """Returns the content without the line end that most editors leave there, nothing when there is no such file."""
    try:
        return file.read_bytes().rstrip(b"\r\n")
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise RepositoryError(
            f"the credentials in `{file}` cannot be read",
            why=error.strerror or "the file cannot be opened",
            fix="make the file readable for the user that the reconciler runs as",
        ) from error


def _unsuitable(folder: Path, why: str, scheme: str, instead: str) -> RepositoryError:
    return RepositoryError(
        f"the credentials in `{folder}` are not for this repository",
        why=f"{why}, and the repository's address is one for {scheme}",
        fix=f"put the credentials for {scheme} there, or give {instead}",
    )
