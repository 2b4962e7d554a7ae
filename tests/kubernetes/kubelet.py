"""A kubelet that can do one thing: forward a port of any pod to a local one. The API server finds it by a Node."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.controlplane.running import ControlPlane


@dataclass
class Kubelet:
    """Attributes:
    targets: local port per port of a pod. asked: (path, port) of every request. sockets: open now.
    """

    targets: dict[int, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    sockets: set[web.WebSocketResponse] = field(default_factory=set)

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Serves one port-forward, as `v4.channel.k8s.io` has it."""
        port = int(request.query["port"])
        self.asked.append((request.path, request.query["port"]))
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        for channel in (0, 1):
            await socket.send_bytes(bytes([channel]) + port.to_bytes(2, "little"))
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.targets[port])
        except (KeyError, OSError):
            await socket.send_bytes(b"\x01nobody listens on that port of the pod")
            await socket.close()
            return socket
        self.sockets.add(socket)
        back = asyncio.create_task(_back(reader, socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY and message.data[0] == 0:
                    writer.write(message.data[1:])
        finally:
            self.sockets.discard(socket)
            back.cancel()
            writer.close()
        return socket


async def _back(reader: asyncio.StreamReader, socket: web.WebSocketResponse) -> None:
    while content := await reader.read(1000):  # small, so that what is sent comes in many messages
        await socket.send_bytes(b"\x00" + content)
    await socket.close()


@asynccontextmanager
async def kubelet(folder: Path) -> AsyncIterator[tuple[Kubelet, int]]:
    """Runs one on 127.0.0.1; yields it and its port."""
    found = Kubelet()
    application = web.Application()
    application.router.add_get("/portForward/{namespace}/{pod}", found.forward)
    application.router.add_get("/portForward/{namespace}/{pod}/{uid}", found.forward)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_tls(folder))
    await site.start()
    try:
        yield found, runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _tls(folder: Path) -> ssl.SSLContext:
    """A certificate by nobody for 127.0.0.1: the API server does not check it where it is given no CA for kubelets."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubelet")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "kubelet.pem"
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, *private) + certificate.public_bytes(
        serialization.Encoding.PEM
    )
    path.write_bytes(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def put_scheduler(control_plane: ControlPlane, namespace: str, port: int) -> None:
    """Creates what makes the API server find the kubelet on `port`: a Node, the scheduler's Service, and its pod."""
    node = f"node-{namespace}"
    labels = {"app": "seldon-scheduler"}
    ports = [{"name": "scheduler", "port": 9004, "targetPort": "grpc"}, {"name": "scheduler-mtls", "port": 9044}]
    container = {"name": "scheduler", "image": "none", "ports": [{"name": "grpc", "containerPort": 19004}]}
    _create(control_plane, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    _status(control_plane, "node", node, status)
    meta = {"name": "seldon-scheduler", "namespace": namespace}
    _create(
        control_plane,
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels, "ports": ports}},
    )
    pod = {"name": "seldon-scheduler-0", "namespace": namespace, "labels": labels}
    spec = {"nodeName": node, "containers": [container], "automountServiceAccountToken": False}
    _create(control_plane, {"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": spec})
    _status(control_plane, "pod", "seldon-scheduler-0", {"phase": "Running"}, "-n", namespace)


def _create(control_plane: ControlPlane, document: dict[str, object]) -> None:
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(document))


def _status(control_plane: ControlPlane, kind: str, name: str, status: Mapping[str, object], *more: str) -> None:
    patch = json.dumps({"status": status})
    control_plane.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch, *more)
