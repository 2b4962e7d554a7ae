"""A running control plane: its processes, who may do what on it, and a kubeconfig for each of them."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.clusters.local.process import free_port
from tests.controlplane.build import binaries

ADMIN = "admin"
"""The one user there is, with all rights; everybody else is a ServiceAccount or is impersonated."""

_TOKEN = "token-of-the-test-admin"
READY_WITHIN = 60.0
_ENDS_WITHIN = 10.0


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane.

    Attributes:
        url: of its API. ca: file with the certificate to check it by. folder: for whatever belongs to it.
        kubeconfig: of the admin. kubectl: the executable. pids: of its processes. audit: its audit log.
    """

    url: str
    ca: Path
    folder: Path
    kubeconfig: Path
    kubectl_path: Path
    pids: tuple[int, ...]
    audit: Path

    def kubeconfig_for(self, name: str, token: str, namespace: str = "default") -> Path:
        """Writes a kubeconfig for the bearer of `token`, and returns its path."""
        path = self.folder / f"kubeconfig-{name}"
        path.write_text(yaml.safe_dump(_kubeconfig(self.url, self.ca, name, token, namespace)), encoding="utf-8")
        path.chmod(0o600)
        return path

    def kubectl(self, *arguments: str, stdin: str = "", kubeconfig: Path | None = None, check: bool = True) -> str:
        """Runs kubectl, as the admin if no `kubeconfig` is given; returns what it prints.

        Raises:
            AssertionError: it failed and `check` is True; holds what it said.
        """
        done = subprocess.run(
            [str(self.kubectl_path), f"--kubeconfig={kubeconfig or self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "KUBECTL_KUBERC": "false", "HOME": str(self.folder)},
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout


@contextmanager
def control_plane(flags: Sequence[str] = ()) -> Iterator[ControlPlane]:
    """Starts a control plane and ends it.

    Args:
        flags: more of kube-apiserver's.

    Raises:
        NotBuilt: there are no binaries. RuntimeError: it does not come up; holds the end of its log.
    """
    built = binaries()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="controlplane-")))
        etcd, port = f"http://127.0.0.1:{free_port()}", free_port()
        processes = []
        if built.etcd is not None:
            processes.append(stack.enter_context(_process(_etcd(built.etcd, etcd, folder), folder, "etcd", {})))
        command = [str(built.apiserver), f"--etcd-servers={etcd}", *_api_flags(folder, port), *flags]
        embedded = {"CONTROLPLANE_ETCD_URL": etcd, "CONTROLPLANE_ETCD_DIR": str(folder / "etcd")}
        processes.append(stack.enter_context(_process(command, folder, "kube-apiserver", embedded)))
        _wait_ready(port, processes[-1], folder)
        url, ca = f"https://127.0.0.1:{port}", folder / "apiserver.crt"
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(url, ca, ADMIN, _TOKEN, "default")), encoding="utf-8")
        pids = tuple(process.pid for process in processes)
        yield ControlPlane(url, ca, folder, kubeconfig, built.kubectl, pids, folder / "audit.log")


def _api_flags(folder: Path, port: int) -> list[str]:
    key = folder / "service-account.key"
    key.write_bytes(_private_key())
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{_TOKEN},{ADMIN},1,"system:masters"\n', encoding="utf-8")
    policy = folder / "audit-policy.yaml"
    policy.write_text(_AUDIT_POLICY, encoding="utf-8")
    return [
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={tokens}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/24",
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--v=0",
    ]


_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    users: ["system:apiserver"]
  - level: Metadata
"""


def _private_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _etcd(executable: Path, url: str, folder: Path) -> list[str]:
    peer = f"http://127.0.0.1:{free_port()}"
    return [
        str(executable),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=error",
    ]


@contextmanager
def _process(
    command: Sequence[str], folder: Path, name: str, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment}
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)  # its data is thrown away; an orderly end would take seconds
        process.wait(_ENDS_WITHIN)


def _wait_ready(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        if process.poll() is not None or _ready(port):
            break
        time.sleep(0.05)
    if process.poll() is not None or not _ready(port):
        log = (folder / "kube-apiserver.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"the test control plane does not come up:\n{log[-3000:]}")


def _ready(port: int) -> bool:
    unchecked = ssl._create_unverified_context()  # whether it answers at all; clients check its certificate
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=unchecked)
    try:
        connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {_TOKEN}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _kubeconfig(url: str, ca: Path, user: str, token: str, namespace: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(ca)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": namespace}}],
    }
