"""A port of a pod on 127.0.0.1, by way of the API server, as `kubectl port-forward` gives it.

Every connection to the local port becomes one WebSocket to the pod's `portforward`, in which each message begins with
the number of its channel. A connection that cannot be forwarded is closed, and `why` says what the API server said::

    gRPC ──TCP── 127.0.0.1:port ── PortForward ──WebSocket── API server ── kubelet ── pod:port
                                   channel 0: bytes, 1: errors; the first message of each is the port, and is skipped
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp

from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.resources import PODS
from reconciler.errors import ReconcilerError

PROTOCOL = "v4.channel.k8s.io"
"""Spoken by API servers and kubelets for as long as there are WebSockets in Kubernetes."""

CHUNK = 64 * 1024
"""Bytes read at a time."""

_BYTES, _ERRORS = 0, 1


class PortForward:
    """Forwards a local port to a port of a pod. Begins with `begin`, ends with `end`.

    Attributes:
        address: where it listens, `127.0.0.1:port`. why: what went wrong last; empty if nothing has.
    """

    def __init__(self, api: Api, pod: str, port: int) -> None:
        self.address = ""
        self.why = ""
        self._api = api
        self._pod = pod
        self._port = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Listens on a free port."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def end(self) -> None:
        """Closes the port and every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._bridge(reader, writer)
        except ReconcilerError as error:
            self.why = ": ".join(filter(None, (error.what, error.why)))
        except (aiohttp.ClientError, OSError) as error:
            self.why = str(error) or type(error).__name__
        except asyncio.CancelledError:
            pass  # the end of everything: asyncio would report it as an error of this connection
        finally:
            self._open.discard(task)
            writer.close()

    async def _bridge(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = PODS.path(self._api.namespace, self._pod, "portforward")
        about = f"forward a port to pod {self._pod} in namespace {self._api.namespace}"
        async with self._api.connection.websocket(path, {"ports": str(self._port)}, (PROTOCOL,), about) as socket:
            ways = {asyncio.create_task(_there(reader, socket)), asyncio.create_task(self._back(socket, writer))}
            try:
                done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
            for way in done:
                way.result()

    async def _back(self, socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
        """Passes on what comes from the pod, until it ends."""
        begun: set[int] = set()
        async for message in socket:
            data = message.data
            if message.type is not aiohttp.WSMsgType.BINARY or not data:
                continue
            channel, content = data[0], data[1:]
            if channel not in begun:
                begun.add(channel)  # the port, as two bytes
                content = content[2:]
            if content and channel == _ERRORS:
                self.why = content.decode(errors="replace").strip()
            if content and channel == _BYTES:
                writer.write(content)
                await writer.drain()


async def _there(reader: asyncio.StreamReader, socket: aiohttp.ClientWebSocketResponse) -> None:
    """Passes on what is to go to the pod, until there is no more."""
    with suppress(ConnectionResetError):
        while content := await reader.read(CHUNK):
            await socket.send_bytes(bytes([_BYTES]) + content)
