"""Requests to the API server: whose they are, when they are tried again, and what went wrong.

The official client reads kubeconfig and ServiceAccount, renews tokens and keeps the TLS connections; what is asked and
how answers are read is ours (JSON by orjson: the client's own models take ten times as long).
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from reconciler import __version__
from reconciler.clusters.kubernetes.answers import error_of
from reconciler.errors import ClusterUnavailable, UsageError

IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod finds its own namespace."""

INSIDE = "kubernetes (in this cluster)"
"""How the cluster is named whose pod we are in."""

READ_SECONDS = 120.0
WRITE_SECONDS = 30.0
SILENCE_SECONDS = 30.0
"""A connection that says nothing for so long is given up."""

_CLOSE = aiohttp.ClientWSTimeout(ws_close=1.0)
"""Seconds within which the other side of a WebSocket has to say goodbye as well."""

STREAM_SILENCE_SECONDS = 90.0
"""The same for a watch, on which the API server sends a bookmark about every minute."""

_PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between the tries of what may be asked again."""

_LONGEST_PAUSE = 15.0
"""Seconds that a Retry-After is obeyed at most."""


@dataclass(frozen=True, slots=True)
class Address:
    """Which cluster, and as whom; kubectl's flags of the same names.

    Attributes:
        kubeconfig: None for $KUBECONFIG or ~/.kube/config, and the pod's own ServiceAccount where there is neither.
        context: None for the current one. namespace: None for the context's, or the pod's. as_user: impersonated.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    as_user: str | None = None


class Connection:
    """An open connection to an API server; made by `connect`.

    Attributes:
        name: how reports name the cluster. namespace: that of the objects we reconcile. inside: we run in a pod of it.
        stream_silence: seconds after which an answer that goes on, and says nothing, is given up.
    """

    def __init__(self, address: Address, name: str, namespace: str, client: Any, *, inside: bool = False) -> None:
        self.inside = inside
        self.stream_silence = STREAM_SILENCE_SECONDS
        self.name = name
        self.namespace = namespace
        self.requests = 0
        self._address = address
        self._client = client

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        about: str = "",
    ) -> bytes:
        """Asks the API server and returns its answer.

        Reads are tried again for a few seconds; of the rest only what it asked to be tried later (429).

        Raises:
            ClusterUnavailable: no answer, or one that may be better later. Refused: it said no. Expired: 410.
        """
        reads, pauses = method == "GET", iter(_PAUSES)
        while True:
            try:
                return await self._once(method, path, query, body, content_type, about or f"{method} {path}")
            except _TryLater as error:
                pause = next(pauses, None)
                if pause is None or not (reads or error.later):
                    raise error.meant from error
                await asyncio.sleep(max(pause, min(error.later, _LONGEST_PAUSE)))

    async def _once(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, content_type: str, about: str
    ) -> bytes:
        seconds = READ_SECONDS if method == "GET" else WRITE_SECONDS
        try:
            async with self._answer(method, path, query, body, content_type, seconds, about) as answer:
                content: bytes = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _TryLater(self._no_answer(error, about)) from error
        if answer.status < 300:
            return content
        meant = error_of(answer.status, content, about)
        if isinstance(meant, ClusterUnavailable):
            raise _TryLater(meant, _retry_after(answer) if answer.status == 429 else 0.0)
        raise meant

    @asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str], about: str) -> AsyncIterator[aiohttp.StreamReader]:
        """Opens an answer that goes on, such as that of a watch. Errors as `request`, without another try."""
        try:
            async with self._answer("GET", path, query, None, "application/json", None, about) as answer:
                if answer.status >= 300:
                    raise error_of(answer.status, await answer.read(), about)
                try:
                    yield answer.content
                finally:
                    _cut_off(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._no_answer(error, about) from error

    @asynccontextmanager
    async def websocket(
        self, path: str, query: Mapping[str, str], protocols: tuple[str, ...], about: str
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Opens a WebSocket that speaks one of `protocols`. Errors as `request`, without another try."""
        self.requests += 1
        headers, url = await self._asked("GET", path, query, None, {})
        rest = self._client.rest_client
        session = rest.pool_manager or rest._create_pool_manager()
        rest.pool_manager = session
        try:
            opened = await session.ws_connect(
                url, headers=headers, protocols=protocols, max_msg_size=0, proxy=rest.proxy, timeout=_CLOSE
            )
        except aiohttp.WSServerHandshakeError as error:
            raise error_of(error.status, b"", about) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._no_answer(error, about) from error
        try:
            yield opened
        finally:
            await opened.close()

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        seconds: float | None,
        about: str,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        limits = aiohttp.ClientTimeout(
            total=seconds, sock_connect=10, sock_read=SILENCE_SECONDS if seconds else self.stream_silence
        )
        for attempt in (1, 2):
            answer = await self._send(method, path, query, body, content_type, limits)
            try:
                if answer.status == 401 and attempt == 1:
                    await self._renew()  # a token may have been renewed on disk
                    continue
                yield answer
                return
            finally:
                answer.release()

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        self.requests += 1
        wanted = {"Accept": "application/json", "Content-Type": content_type}
        headers, url = await self._asked(method, path, query, body, wanted)
        found = await self._client.rest_client.request(method, url, headers=headers, body=body, _request_timeout=limits)
        answer: aiohttp.ClientResponse = found.response
        return answer

    async def _asked(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, wanted: Mapping[str, str]
    ) -> tuple[dict[str, str], str]:
        """Returns the headers of a request, which say who we are, and its URL."""
        headers = {**wanted, **self._client.default_headers}
        parameters: list[tuple[str, str]] = []
        await self._client.update_params_for_auth(headers, parameters, ["BearerToken"], path, method, body)
        return headers, self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")

    async def _renew(self) -> None:
        """Reads the credentials anew."""
        old, self._client = self._client, (await _client(self._address))[0]
        await _closed(old)

    def _no_answer(self, error: BaseException, about: str) -> ClusterUnavailable:
        why = str(error) or type(error).__name__
        fix = "check that it can be reached from here: kubectl version, with the same kubeconfig and context"
        return ClusterUnavailable(f"no answer from the API server of {self.name}: {about}", why=why, fix=fix)

    async def close(self) -> None:
        """Lets go of the connections."""
        await _closed(self._client)


async def _closed(client: Any) -> None:
    """Closes a client and its connections, at once: TLS would say goodbye in its own time, which may be after ours."""
    session = client.rest_client.pool_manager
    if session is not None:
        await session.connector.close(abort_ssl=True)
    await client.close()


def _cut_off(answer: aiohttp.ClientResponse) -> None:
    """Ends the connection of an answer that goes on, at once: an orderly end would outlive us."""
    connection = answer.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


class _TryLater(Exception):
    """`meant` is raised when all tries are over. `later`: seconds that the server asked for, 0 when it did not."""

    def __init__(self, meant: ClusterUnavailable, later: float = 0.0) -> None:
        super().__init__(meant.what)
        self.meant = meant
        self.later = later


def _retry_after(answer: aiohttp.ClientResponse) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 1.0


async def connect(address: Address) -> Connection:
    """Opens a connection; asks nothing yet.

    Raises:
        UsageError: there is no such kubeconfig or context, or none at all.
    """
    client, name, namespace = await _client(address)
    return Connection(address, name, namespace, client, inside=name == INSIDE)


async def _client(address: Address) -> tuple[Any, str, str]:
    from kubernetes.aio import client as official  # noqa: PLC0415 - half a second of imports, only where they are used
    from kubernetes.aio import config  # noqa: PLC0415 - see above

    configuration = official.Configuration()
    configuration.client_side_validation = False
    path = _kubeconfig(address)
    if path is not None and not path.is_file():
        raise UsageError(
            f"there is no kubeconfig {path}",
            why="it was named by --kubeconfig or $KUBECONFIG",
            fix="correct the name, or leave it out to take ~/.kube/config",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the official client about itself
            if path is None and not address.context:
                config.load_incluster_config(client_configuration=configuration)
                name, namespace = INSIDE, _own_namespace()
            else:
                loader = await config.load_kube_config(
                    config_file=None if path is None else str(path),
                    context=address.context,
                    client_configuration=configuration,
                    persist_config=False,
                )
                context = loader.current_context
                name = f"kubernetes (context {context['name']})"
                namespace = (context.get("context") or {}).get("namespace") or "default"
    except config.ConfigException as error:
        raise _no_config(address, path, error) from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _no_config(address, path, error) from error
    opened = official.ApiClient(configuration=configuration)
    opened.user_agent = f"model-reconciler/{__version__}"
    if address.as_user:
        opened.set_default_header("Impersonate-User", address.as_user)
    return opened, name, address.namespace or namespace


def _kubeconfig(address: Address) -> Path | None:
    """Returns the kubeconfig that kubectl would read, None where there is none."""
    if address.kubeconfig is not None:
        return address.kubeconfig
    named = [Path(text) for text in os.environ.get("KUBECONFIG", "").split(os.pathsep) if text]
    for path in named or [Path.home() / ".kube" / "config"]:
        if path.is_file():
            return path
    return named[0] if named else None


def _own_namespace() -> str:
    try:
        return IN_CLUSTER_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return "default"


def _no_config(address: Address, path: Path | None, error: Exception) -> UsageError:
    if path is None and not address.context:
        return UsageError(
            "no Kubernetes cluster is configured",
            why="there is no kubeconfig ($KUBECONFIG, ~/.kube/config), and this is no pod with a ServiceAccount",
            fix="name one with --kubeconfig FILE, or choose another --cluster",
        )
    where = f"{path or 'the kubeconfig'}{f', context {address.context}' if address.context else ''}"
    why = " ".join(str(error).split())[:300]
    return UsageError(f"the kubeconfig cannot be used: {where}", why=why, fix="see: kubectl config get-contexts")
