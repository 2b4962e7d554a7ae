"""Finds Seldon's scheduler (docs/seldon.md, "The scheduler's service").

given         HOST:PORT                            it is asked, and nothing else; `none`: nobody is asked
in a pod      Service seldon-scheduler             its name and port; then a port-forward, where that is allowed
from outside  the pod behind that Service          a port-forward by the API
else          nobody, and why                      see `conditions` for what is done then

Nobody there and nobody answering are not the same. In a pod only "there is no such Service" means that there is none:
one that does not answer is an error, and another try finds it. From outside it may never be within reach, and then to
look at conditions is better than to see nothing. That the API server does not answer says nothing of the scheduler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.clusters.kubernetes.answers import Refused
from reconciler.clusters.kubernetes.api import Api, Json
from reconciler.clusters.kubernetes.portforward import PortForward
from reconciler.clusters.kubernetes.reported import Reported, ReportedModel
from reconciler.clusters.kubernetes.resources import PODS, SERVICES
from reconciler.clusters.kubernetes.scheduler import GrpcScheduler, Scheduler
from reconciler.errors import ClusterUnavailable, UsageError

SERVICE = "seldon-scheduler"
"""Name of the scheduler's Service, and of its StatefulSet."""

NOBODY = "none"
"""What is given for an address so that the scheduler is not asked."""

PLAIN, MTLS = 9004, 9044
"""Ports of the scheduler's gRPC."""

ANSWER_SECONDS = 5.0
"""Within which a scheduler that was found must take a connection."""


_NOT_ANSWERING = (
    "see whether its pod runs, and whether a NetworkPolicy is in between; --seldon-scheduler none does without"
)


@dataclass(frozen=True, slots=True)
class Found:
    """Attributes:
    scheduler: None when there is none to ask. why: for people, empty when there is one. way: how it is reached, for
        people, where that is not the usual way.
    """

    scheduler: Scheduler | None
    why: str = ""
    way: str = ""


class ForwardedScheduler:
    """A scheduler behind a port-forward, which ends with it."""

    def __init__(self, scheduler: GrpcScheduler, forward: PortForward) -> None:
        self._scheduler = scheduler
        self._forward = forward

    async def snapshot(self) -> Reported:
        """See `Scheduler.snapshot`."""
        return await self._scheduler.snapshot()

    async def model(self, name: str) -> ReportedModel | None:
        """See `Scheduler.model`."""
        return await self._scheduler.model(name)

    async def close(self) -> None:
        """Lets go of the connection and of the port."""
        await self._scheduler.close()
        await self._forward.end()


async def find_scheduler(api: Api, given: str = "", tls: Path | None = None) -> Found:
    """Returns who can say what the scheduler knows.

    Args:
        api: of the namespace that Seldon is in. given: `HOST:PORT`, `none`, or empty to find it.
        tls: folder with `ca.crt`, `tls.crt` and `tls.key`; None for plain text.

    Raises:
        UsageError: a file of `tls` cannot be read. ClusterUnavailable: no answer, of the API server or, where there
            must be one, of the scheduler. Refused: in a pod, the API server does not let us look for it.
    """
    files = None if tls is None else tls_files(tls)
    if given == NOBODY:
        return Found(None, "the settings say that it is not asked")
    if given:
        return Found(GrpcScheduler(given, files))
    if api.connection.inside:
        service = await api.get(SERVICES, SERVICE)
        return _no_service(api) if service is None else await _inside(api, service, files)
    try:
        service = await api.get(SERVICES, SERVICE)
        return _no_service(api) if service is None else await _from_outside(api, service, files)
    except Refused as error:
        return Found(None, _told(error))


def _no_service(api: Api) -> Found:
    return Found(None, f"there is no Service {SERVICE} in namespace {api.namespace}")


def _told(error: Refused) -> str:
    return ": ".join(filter(None, (error.what, error.why)))


def tls_files(folder: Path) -> tuple[Path, Path, Path]:
    """Returns the files of CA, certificate and key in `folder`. Raises UsageError when one cannot be read."""
    files = folder / "ca.crt", folder / "tls.crt", folder / "tls.key"
    for path in files:
        try:
            path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"the TLS files for Seldon's scheduler cannot be read: {path}",
                why=error.strerror or str(error),
                fix="the folder must hold ca.crt, tls.crt and tls.key, as a TLS Secret has them",
            ) from error
    return files


async def _inside(api: Api, service: Json, files: tuple[Path, Path, Path] | None) -> Found:
    """Raises ClusterUnavailable when it answers neither by its Service nor through the API server."""
    port = int(_port(service, tls=files is not None)["port"])
    scheduler = GrpcScheduler(f"{SERVICE}.{api.namespace}.svc:{port}", files)
    why = await scheduler.unreachable(ANSWER_SECONDS)
    if not why:
        return Found(scheduler)
    await scheduler.close()
    try:
        found = await _from_outside(api, service, files)
    except Refused as error:  # as a rule: most need no such right, and have none
        found = Found(None, _told(error))
    if found.scheduler is None:
        raise ClusterUnavailable(why, why=f"nor is there another way: {found.why}", fix=_NOT_ANSWERING)
    return replace(found, way="through a port-forward")


async def _from_outside(api: Api, service: Json, files: tuple[Path, Path, Path] | None) -> Found:
    pod = await _pod(api, service)
    if pod is None:
        return Found(None, f"no pod behind Service {SERVICE} in namespace {api.namespace} is running")
    forward = PortForward(api, pod["metadata"]["name"], _target(pod, _port(service, tls=files is not None)))
    await forward.begin()
    scheduler = GrpcScheduler(forward.address, files, server_name=SERVICE)
    why = await scheduler.unreachable(ANSWER_SECONDS)
    found = ForwardedScheduler(scheduler, forward)
    if why:
        await found.close()
        return Found(None, forward.why or f"{why} (port-forward to pod {pod['metadata']['name']})")
    return Found(found)


def _port(service: Json, *, tls: bool) -> Mapping[str, Any]:
    """Returns the Service's port for the scheduler's gRPC, by its usual number, then by its name."""
    usual, name = (MTLS, "scheduler-mtls") if tls else (PLAIN, "scheduler")
    ports = (service.get("spec") or {}).get("ports") or []
    by_number = [port for port in ports if port.get("port") == usual]
    by_name = [port for port in ports if port.get("name") == name]
    return next(iter(by_number + by_name), {"port": usual})


async def _pod(api: Api, service: Json) -> Json | None:
    """Returns a pod behind the Service that is running."""
    selector = (service.get("spec") or {}).get("selector") or {}
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    if labels:
        pods = (await api.list(PODS, labels=labels)).items
    else:
        first = await api.get(PODS, f"{SERVICE}-0")
        pods = [] if first is None else [first]
    running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running" and _stays(pod)]
    return min(running, key=lambda pod: str(pod["metadata"]["name"]), default=None)


def _stays(pod: Json) -> bool:
    return "deletionTimestamp" not in pod["metadata"]


def _target(pod: Json, port: Mapping[str, Any]) -> int:
    """Returns the pod's own port behind a port of the Service, which may give it by name."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for container in (pod.get("spec") or {}).get("containers") or []:
        for offered in container.get("ports") or []:
            if offered.get("name") == target:
                return int(offered["containerPort"])
    return int(port["port"])
