"""Addresses, refs and paths that are refused, and credentials that are never seen."""

from __future__ import annotations

import base64
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from reconciler.errors import ReportError, RepositoryError
from reconciler.repository import Repository
from reconciler.repository.address import parse_address
from tests.repository.manifest_texts import model
from tests.repository.remotes import Remote, git


@pytest.mark.parametrize(
    "url",
    [
        *("", "-u", "--upload-pack=touch /tmp/x", "ext::sh -c true", "fd::17", "foo::bar", "EXT::sh", "a\nb"),
        *(
            "ftp://host/x",
            "javascript://x",
            "https://",
            "https://-x/y",
            "ssh://-oProxyCommand=x/y",
            "git@-oProxyCommand=x:y",
        ),
        "bob:hunter2@host:x",
        *("ssh://user:hunter2@host/x", "https://[bad/x", "https://host:99999/x"),
    ],
)
def test_an_address_that_is_not_safe_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError) as raised:
        Repository(url, cache=tmp_path)
    assert raised.value.why
    assert raised.value.fix
    assert "hunter2" not in f"{raised.value}{raised.value.why}"


def test_a_path_is_shown_and_cached_without_detours(tmp_path: Path) -> None:
    straight, detour = Repository(f"{tmp_path}/r", cache=tmp_path), Repository(f"{tmp_path}/a/../r/", cache=tmp_path)
    assert detour.display_url == straight.display_url == f"{tmp_path}/r"
    assert parse_address(f"{tmp_path}/a/../r") == parse_address(f"{tmp_path}/r")


@pytest.mark.parametrize(
    "ref", ["", "-x", "--all", "a b", "a..b", "main:file", "a\nb", "^main", "ma*", "x?", "@{-1}\\"]
)
def test_a_ref_that_is_not_safe_is_refused(ref: str, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError):
        Repository(str(tmp_path), ref=ref, cache=tmp_path)


@pytest.mark.parametrize("path", ["/etc", "..", "a/../..", "a/..", "-x", "~/x", "a\0b"])
def test_a_path_that_leads_elsewhere_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError):
        Repository(str(tmp_path), path=path, cache=tmp_path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ann:hunter2@git.example/x.git", "https://git.example/x.git"),
        ("https://hunter2@git.example/x.git", "https://git.example/x.git"),
        ("https://git.example/x.git?token=hunter2", "https://git.example/x.git"),
        ("https://git.example/x.git#hunter2", "https://git.example/x.git"),
        ("https://ann:hunter2@[::1]:8443/x", "https://[::1]:8443/x"),
        ("ssh://git@git.example:22/x", "ssh://git.example:22/x"),
        ("git@git.example:team/x.git", "git@git.example:team/x.git"),
        ("file:///srv/my%20repo", "/srv/my repo"),
        ("/srv/x", "/srv/x"),
    ],
)
def test_an_address_is_shown_without_its_credentials(url: str, shown: str, tmp_path: Path) -> None:
    repository = Repository(url, cache=tmp_path)
    assert repository.display_url == shown
    assert "hunter2" not in f"{repository!r}{parse_address(url)!r}"


def test_a_password_is_given_to_git_as_a_header_and_not_as_an_argument() -> None:
    address = parse_address("https://ann:hunter2@git.example/x.git")
    assert address.location == "https://git.example/x.git"
    assert address.header == "Authorization: Basic " + base64.b64encode(b"ann:hunter2").decode()


def test_what_git_says_is_scrubbed_of_a_query_that_may_hold_a_token() -> None:
    said = parse_address("https://git.example/x.git?token=hunter2").scrub("https://git.example/x.git?token=hunter2: no")
    assert said == "https://git.example/x.git?***: no"


def test_what_git_says_is_scrubbed_of_credentials_in_every_spelling() -> None:
    address = parse_address("https://ann:p%40ss@git.example/x")
    token = base64.b64encode(b"ann:p@ss").decode()
    said = f"p%40ss p@ss {token} fatal: https://other:secret@git.example/y"
    assert address.scrub(said) == "*** *** *** fatal: https://git.example/y"


class _Server:
    """A server on a free port of this machine; `answer` is given each connection."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._answer = answer
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for place in (self._listener, *self._connections):
            place.close()


def _says_nothing(connection: socket.socket) -> None:
    connection.recv(1)


def _sends_without_end(connection: socket.socket) -> None:
    try:
        while True:
            connection.sendall(b"0032" + b"0" * 40 + b" capabilities^{}\n"[:6])
    except OSError:
        return  # the other end was ended, as it should be


@pytest.fixture(params=[_says_nothing, _sends_without_end])
def bad_server(request: pytest.FixtureRequest) -> Iterator[_Server]:
    server = _Server(request.param)
    yield server
    server.close()


@pytest.mark.parametrize("scheme", ["http", "git"])
def test_a_remote_that_hangs_or_sends_without_end_is_ended(bad_server: _Server, scheme: str, tmp_path: Path) -> None:
    repository = Repository(f"{scheme}://127.0.0.1:{bad_server.port}/x", cache=tmp_path / "cache", timeout=1)
    with pytest.raises(RepositoryError) as raised:
        repository.fetch()
    assert raised.value.why
    assert [place.name for place in (tmp_path / "cache").iterdir() if place.is_dir()] == []


def test_a_hanging_remote_makes_publishing_fail_once(tmp_path: Path) -> None:
    server = _Server(_says_nothing)
    try:
        with pytest.raises(ReportError, match="cannot be written"):
            Repository(f"http://127.0.0.1:{server.port}/x", cache=tmp_path, timeout=1).publish("b", {"a": b"1"}, "m")
    finally:
        server.close()


class _WithPassword(http.server.SimpleHTTPRequestHandler):
    """Serves files to those who have the password, and keeps what was asked."""

    seen: list[str]

    def __init__(self, *args: object, seen: list[str], **kwargs: str) -> None:
        self.seen = seen
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    def do_GET(self) -> None:
        self.seen.append(f"{self.path} {self.headers.get('Authorization')}")
        if self.headers.get("Authorization") == "Basic " + base64.b64encode(b"ann:hunter2").decode():
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keeps the terminal quiet."""


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[int, list[str]]]:
    seen: list[str] = []
    handler = partial(_WithPassword, seen=seen, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1], seen
        finally:
            server.shutdown()
            thread.join(10)


def test_credentials_in_a_url_open_the_remote_and_are_written_nowhere(remote: Remote, tmp_path: Path) -> None:
    commit = remote.push({"iris.yaml": model("iris")})
    git(remote.bare, "update-server-info")
    with _serving(remote.bare) as (port, _):
        repository = remote.repository(url=f"http://ann:hunter2@127.0.0.1:{port}/")
        repository.fetch()
    assert repository.commit() == commit
    written = [place for place in (tmp_path / "cache").rglob("*") if place.is_file()]
    assert not [place for place in written if b"hunter2" in place.read_bytes()]


def test_a_remote_that_refuses_the_credentials_is_told_without_them(remote: Remote, tmp_path: Path) -> None:
    remote.push({})
    with _serving(remote.bare) as (port, seen):
        repository = Repository(f"http://ann:wrong-hunter2@127.0.0.1:{port}/", cache=tmp_path / "cache", timeout=20)
        with pytest.raises(RepositoryError, match="cannot be fetched") as raised:
            repository.fetch()
    assert seen
    assert "hunter2" not in f"{raised.value}{raised.value.why}{raised.value.fix}{raised.value.__cause__}"
