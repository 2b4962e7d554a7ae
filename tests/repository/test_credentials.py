"""Credentials in a folder, as a mounted Secret is one: they open the remote, are read anew, and are shown nowhere."""

from __future__ import annotations

import getpass
import os
import socket
import time
from pathlib import Path

import pytest

from reconciler.errors import ReportError, RepositoryError
from reconciler.repository import Repository
from reconciler.repository.address import parse_address
from reconciler.repository.credentials import access, ssh_command
from tests.repository.git_hosts import SSHD, http_host, new_key, self_signed, ssh_host
from tests.repository.manifest_texts import model
from tests.repository.remotes import Remote, git


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder for credentials, without any."""
    folder = tmp_path / "secret folder 100%"
    folder.mkdir()
    return folder


def opened(tmp_path: Path, url: str, secret: Path) -> Repository:
    return Repository(url, cache=tmp_path / "cache", timeout=20, credentials=secret)


def write(secret: Path, **files: str) -> None:
    for name, content in files.items():
        (secret / {"ssh_privatekey": "ssh-privatekey", "ca": "ca.crt"}.get(name, name)).write_text(content)


def test_a_token_in_a_file_fetches_and_publishes_and_is_written_nowhere(
    remote: Remote, secret: Path, tmp_path: Path
) -> None:
    commit = remote.push({"iris.yaml": model("iris")})
    git(remote.bare, "config", "http.receivepack", "true")
    write(secret, username="ann\n", password="hunter2\n")
    with http_host(tmp_path, ["ann:hunter2"]) as url:
        repository = opened(tmp_path, f"{url}/remote.git", secret)
        repository.fetch()
        published = repository.publish("reports", {"report.md": b"all is well"}, "a report")
    assert repository.commit() == commit
    assert git(remote.bare, "rev-parse", "reports") == published
    written = [place for place in (tmp_path / "cache").rglob("*") if place.is_file()]
    assert not [place for place in written if b"hunter2" in place.read_bytes()]


def test_a_token_without_a_name_is_sent_with_one_that_hosts_take(remote: Remote, secret: Path, tmp_path: Path) -> None:
    remote.push({})
    write(secret, password="hunter2")
    with http_host(tmp_path, ["git:hunter2"]) as url:
        opened(tmp_path, f"{url}/remote.git", secret).fetch()


def test_a_token_that_was_replaced_is_used_without_a_restart(remote: Remote, secret: Path, tmp_path: Path) -> None:
    remote.push({})
    allowed = ["git:first"]
    write(secret, password="first")
    with http_host(tmp_path, allowed) as url:
        repository = opened(tmp_path, f"{url}/remote.git", secret)
        repository.fetch()
        allowed[:] = ["git:second"]
        with pytest.raises(RepositoryError):
            repository.fetch()
        write(secret, password="second")
        repository.fetch()


def test_a_token_that_is_refused_is_told_without_it(remote: Remote, secret: Path, tmp_path: Path) -> None:
    remote.push({})
    write(secret, username="ann", password="wrong-hunter2")
    with http_host(tmp_path, ["ann:hunter2"]) as url:
        repository = opened(tmp_path, f"{url}/remote.git", secret)
        with pytest.raises(RepositoryError, match="cannot be fetched") as raised:
            repository.fetch()
        with pytest.raises(ReportError) as unpublished:
            repository.publish("reports", {"report.md": b"1"}, "a report", retries=0)
    for error in (raised.value, unpublished.value):
        assert "hunter2" not in f"{error}{error.why}{error.fix}{error.__cause__!r}"


def test_a_password_in_the_address_wins_over_the_one_in_the_folder(
    remote: Remote, secret: Path, tmp_path: Path
) -> None:
    remote.push({})
    write(secret, password="other")
    with http_host(tmp_path, ["ann:hunter2"]) as url:
        address = url.replace("://", "://ann:hunter2@")
        opened(tmp_path, f"{address}/remote.git", secret).fetch()


def test_https_is_checked_by_the_certificate_in_the_folder_and_only_by_that(
    remote: Remote, secret: Path, tmp_path: Path
) -> None:
    commit = remote.push({"iris.yaml": model("iris")})
    certificate, authority = self_signed(tmp_path)
    write(secret, password="hunter2")
    with http_host(tmp_path, ["git:hunter2"], certificate) as url:
        repository = opened(tmp_path, f"{url}/remote.git", secret)
        with pytest.raises(RepositoryError, match="cannot be fetched") as raised:
            repository.fetch()
        assert "certificate" in raised.value.why
        write(secret, ca=authority.decode())
        repository.fetch()
    assert repository.commit() == commit


@pytest.mark.parametrize("missing", [True, False])
def test_a_folder_that_is_missing_or_empty_is_as_none(
    missing: bool, remote: Remote, secret: Path, tmp_path: Path
) -> None:
    remote.push({})
    with http_host(tmp_path, []) as url, pytest.raises(RepositoryError, match="cannot be fetched"):
        opened(tmp_path, f"{url}/remote.git", secret / "no" if missing else secret).fetch()
    opened(tmp_path, str(remote.bare), secret).fetch()
    assert access(parse_address("git@host:team/x.git"), secret) == access(parse_address("git@host:team/x.git"), None)


def test_what_speaks_to_no_remote_reads_no_credentials(remote: Remote, secret: Path, tmp_path: Path) -> None:
    commit = remote.push({"iris.yaml": model("iris")})
    write(secret, password="hunter2")
    with http_host(tmp_path, ["git:hunter2"]) as url:
        repository = opened(tmp_path, f"{url}/remote.git", secret)
        repository.fetch()
        (secret / "password").unlink()
        write(secret, ssh_privatekey="of no use for this address")
        assert repository.commit() == commit


@pytest.mark.parametrize(
    ("url", "files", "told"),
    [
        ("https://host/x.git", {"ssh_privatekey": "k"}, "no file `password`"),
        ("git@host:x.git", {"password": "hunter2"}, "no file `ssh-privatekey`"),
        ("ssh://git@host/x.git", {"password": "hunter2"}, "no file `ssh-privatekey`"),
        ("ssh://git@host/x.git", {"ssh_privatekey": "k"}, "nobody could tell the Git host"),
    ],
)
def test_credentials_that_do_not_suit_the_address_are_refused_and_not_shown(
    url: str, files: dict[str, str], told: str, secret: Path
) -> None:
    write(secret, **files)
    with pytest.raises(RepositoryError) as raised:
        access(parse_address(url), secret)
    assert told in raised.value.why
    assert raised.value.fix
    assert "hunter2" not in f"{raised.value}{raised.value.why}{raised.value.fix}"


def test_a_file_that_cannot_be_read_is_told(secret: Path) -> None:
    (secret / "password").mkdir()
    with pytest.raises(RepositoryError, match="cannot be read"):
        access(parse_address("https://host/x.git"), secret)


def test_access_shows_no_secret(secret: Path) -> None:
    write(secret, username="ann", password="hunter2")
    found = access(parse_address("https://host/x.git"), secret)
    assert found.header
    assert "hunter2" not in repr(found)
    assert found.scrub(f"no: hunter2 {found.header}") == "no: *** Authorization: Basic ***"


def test_ssh_asks_nobody_and_trusts_no_unknown_host(secret: Path) -> None:
    write(secret, ssh_privatekey="k", known_hosts="h")
    command = ssh_command(access(parse_address("git@host:x.git"), secret).ssh, 20)
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "ConnectTimeout=20"):
        assert f"-o {option}" in command


def reachable(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("sshd does not come up")


@pytest.mark.skipif(not os.access(SSHD, os.X_OK), reason="no sshd here (Debian: openssh-server)")
def test_a_key_opens_a_known_host_by_ssh_and_an_unknown_host_is_refused(
    remote: Remote, secret: Path, tmp_path: Path
) -> None:
    commit = remote.push({"iris.yaml": model("iris")})
    public = new_key(secret / "ssh-privatekey")
    (secret / "ssh-privatekey.pub").unlink()
    with ssh_host(tmp_path / "sshd", public) as (port, host_key):
        reachable(port)
        repository = opened(tmp_path, f"ssh://{getpass.getuser()}@127.0.0.1:{port}{remote.bare}", secret)
        wrong = {"": "verification failed", f"[127.0.0.1]:{port} {new_key(tmp_path / 'other')}\n": "HAS CHANGED"}
        for known, told in wrong.items():
            write(secret, known_hosts=known)
            with pytest.raises(RepositoryError, match="cannot be fetched") as raised:
                repository.fetch()
            assert told in raised.value.why
        write(secret, known_hosts=f"[127.0.0.1]:{port} {host_key}\n")
        repository.fetch()
        published = repository.publish("reports", {"report.md": b"all is well"}, "a report")
    assert repository.commit() == commit
    assert git(remote.bare, "rev-parse", "reports") == published
