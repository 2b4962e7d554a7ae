"""A whole pass as the pods do it: the settings file, the variables, the credentials and the rights that are shipped."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from reconciler.clusters.documents import NOWHERE
from reconciler.clusters.simulated import Artifact, Rules
from tests.controlplane.crds import install
from tests.controlplane.running import ControlPlane
from tests.deploy.conftest import Build
from tests.deploy.kustomize import EVERYWHERE, Combination, of_kind, pods
from tests.deploy.shipped import WHO, kubeconfig_as_shipped
from tests.deploy.test_permissions import EXPECTED, Right
from tests.repository.git_hosts import http_host
from tests.repository.remotes import Remote, git
from tests.standin.standin import stand_in

SERVER = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Server
metadata: {name: mlserver}
spec:
  serverConfig: mlserver
  replicas: 1
  podSpec: {containers: [{name: mlserver, resources: {requests: {memory: 1G}}}]}
"""
MODEL = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Model
metadata: {name: %s}
spec: {storageUri: "gs://models/%s/%d", requirements: [sklearn], memory: 100k}
"""

Where = tuple[str, str, Path, int]
"""URL of the repository, namespace, kubeconfig, and port of the scheduler."""


class Deployed:
    """A reconciler set up as its pod is, for a repository behind a token and a namespace with a Seldon in it."""

    def __init__(self, build: Build, overlay: str, folder: Path) -> None:
        built = build(Combination((overlay, EVERYWHERE)))
        (pod,) = pods(built)
        (container,) = pod["spec"]["containers"]
        (settings,) = of_kind(built, "ConfigMap")
        self._folder = folder = folder / "pod"
        folder.mkdir()
        self._settings = yaml.safe_load(settings["data"]["reconciler.yaml"])
        self._arguments = container["args"]
        places = {each["mountPath"]: folder / each["name"] for each in container["volumeMounts"]}
        for place in places.values():
            place.mkdir()
        (places["/etc/model-reconciler/git"] / "password").write_text("hunter2")
        self._environ = {each["name"]: self._moved(each["value"], places) for each in container["env"]}

    @property
    def heartbeat(self) -> Path:
        """The file that the probes look at."""
        return Path(self._environ["RECONCILER_HEARTBEAT"])

    async def start(self, repo: str, namespace: str, kubeconfig: Path, scheduler: int) -> asyncio.subprocess.Process:
        """Starts the container's command; what it prints can be read from its standard output."""
        said = self._settings | {"repo": repo, "namespace": namespace, "seldonScheduler": f"127.0.0.1:{scheduler}"}
        Path(self._environ["RECONCILER_SETTINGS"]).write_text(yaml.safe_dump(said))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RECONCILER_")}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reconciler", *self._arguments),
            cwd=Path(__file__).parents[2],
            env=kept | self._environ | {"KUBECONFIG": str(kubeconfig), "TMPDIR": str(self._folder / "tmp")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    @staticmethod
    def _moved(value: str, places: dict[str, Path]) -> str:
        for place, instead in places.items():
            if value == place or value.startswith(f"{place}/"):
                return str(instead) + value.removeprefix(place)
        return value


def asked(control_plane: ControlPlane, namespace: str) -> tuple[set[Right], list[str]]:
    """The rights that the account has made use of in `namespace`, and what it was refused."""
    used: set[Right] = set()
    refused = []
    for line in control_plane.audit.read_text().splitlines():
        event = json.loads(line)
        about = event.get("objectRef", {})
        if event["user"]["username"] != WHO or about.get("namespace") != namespace:
            continue
        resource = "/".join(filter(None, [about["resource"], about.get("subresource")]))
        right = (about.get("apiGroup", ""), resource, about.get("name", ""), event["verb"])
        if event["responseStatus"]["code"] == 403:
            refused.append(str(right))
        else:
            used.add(right)
    return used, refused


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Waits for the end of a process; returns its exit code and what it printed. One that does not end is killed."""
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 100)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()


def granted(right: Right) -> bool:
    """Whether `right` is among those that are documented."""
    group, resource, _, verb = right
    return right in EXPECTED or (group, resource, "", verb) in EXPECTED


SERVED = {"s.yaml": SERVER, "a.yaml": MODEL % ("a", "a", 1), "b.yaml": MODEL % ("b", "b", 1)}


@asynccontextmanager
async def installed(control_plane: ControlPlane, namespace: str, remote: Remote) -> AsyncIterator[Where]:
    """A Seldon, an account with the rights as shipped, and the remote behind a token."""
    install(control_plane)
    git(remote.bare, "config", "http.receivepack", "true")
    config = kubeconfig_as_shipped(control_plane, namespace)
    artifacts = {NOWHERE: Artifact(missing=True)}
    async with stand_in(control_plane.kubeconfig, namespace, Rules(), artifacts, speed=20.0) as seldon:
        with http_host(remote.bare.parent, ["git:hunter2"]) as url:
            yield f"{url}/remote.git", namespace, config, seldon.ports.scheduler


def served(control_plane: ControlPlane, namespace: str) -> list[tuple[str, str]]:
    """Name and artifact of every Model."""
    models = json.loads(control_plane.kubectl("-n", namespace, "get", "models", "-o", "json"))["items"]
    return [(each["metadata"]["name"], each["spec"]["storageUri"]) for each in models]


@pytest.mark.timeout(300)
async def test_a_job_with_what_is_shipped_brings_git_to_the_cluster_and_a_report_to_git(
    control_plane: ControlPlane, namespace: str, remote: Remote, build: Build, tmp_path: Path
) -> None:
    pod = Deployed(build, "overlays/cronjob", tmp_path)
    async with installed(control_plane, namespace, remote) as where:
        remote.push(SERVED)
        first = await ended(await pod.start(*where))
        assert first[0] == 0, first[1]
        remote.push({"a.yaml": MODEL % ("a", "a", 2), "b.yaml": None})
        second = await ended(await pod.start(*where))
    assert second[0] == 0, second[1]
    assert served(control_plane, namespace) == [("a", "gs://models/a/2")]
    assert git(remote.bare, "rev-list", "--count", "reconciler-reports")
    assert "hunter2" not in first[1] + second[1]
    used, refused = asked(control_plane, namespace)
    assert refused == []
    assert [right for right in used if not granted(right)] == []


@pytest.mark.timeout(300)
async def test_a_deployment_beats_while_it_lives_and_ends_when_it_is_told(
    control_plane: ControlPlane, namespace: str, remote: Remote, build: Build, tmp_path: Path
) -> None:
    pod = Deployed(build, "overlays/deployment", tmp_path)
    async with installed(control_plane, namespace, remote) as where:
        remote.push(SERVED)
        process = await pod.start(*where)
        try:
            async with asyncio.timeout(100):
                while not pod.heartbeat.exists() or len(served(control_plane, namespace)) < 2:
                    assert process.returncode is None
                    await asyncio.sleep(0.2)
            process.terminate()
        finally:
            code, said = await ended(process)
    assert code == 0, said
    assert not pod.heartbeat.exists()
    assert asked(control_plane, namespace)[1] == []
