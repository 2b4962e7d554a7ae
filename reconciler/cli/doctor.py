"""`reconciler doctor`: what is hazardous on a cluster, whoever made it so."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import build
from reconciler.cli.options import CLUSTER, SHOWING, with_settings
from reconciler.errors import ClusterError
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.clusters.base import Cluster
    from reconciler.doctor.finding import Diagnosis

# What examines is imported inside the functions: `--help` and usage errors should not wait for it.


@with_settings(*CLUSTER, "lock_timeout", *SHOWING, markdown=False)
def doctor(
    settings: Settings,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Also ask the scheduler by throw-away models whether the room shown is there."),
    ] = False,
) -> int:
    """Name the hazards of a cluster, what will happen, and how to fix them. Needs no repository.

    Writes nothing, except for the throw-away models of --probe. Exit code 4 when there is any hazard.
    """
    diagnosis = asyncio.run(_diagnosis(settings, probe=probe))
    _print(diagnosis, settings)
    return diagnosis.exit_code


async def _diagnosis(settings: Settings, *, probe: bool) -> Diagnosis:
    from reconciler.doctor.examination import examine  # noqa: PLC0415 - see above

    async with build.cluster(settings) as cluster:
        if probe:
            holder = f"doctor, process {os.getpid()} on {socket.gethostname()}"
            async with cluster.lock(holder, settings.lock_timeout):
                return await _probed(cluster)
        live = await cluster.observe()
        if not (live.servers or live.models):
            raise ClusterError(
                f"there is nothing to examine on {cluster.name}: no Server and no Model",
                why=live.unverified or "the doctor looks at what runs",
                fix="check what it was to look at: --context and -n on Kubernetes, --state elsewhere",
            )
        return examine(live, cluster.name)


async def _probed(cluster: Cluster) -> Diagnosis:
    from reconciler.doctor.examination import examine  # noqa: PLC0415 - see above
    from reconciler.doctor.leaks import ask  # noqa: PLC0415 - see above

    live = await cluster.observe()
    found, asked = examine(live, cluster.name), await ask(cluster, live)
    return dataclasses.replace(found, findings=(*found.findings, *asked.findings), notes=(*found.notes, *asked.notes))


def _print(diagnosis: Diagnosis, settings: Settings) -> None:
    if settings.output == "json":
        from reconciler.doctor.diagnosis_json import diagnosis_json  # noqa: PLC0415 - see above

        sys.stdout.write(diagnosis_json(diagnosis).decode())
    else:
        from reconciler.doctor.text import show  # noqa: PLC0415 - see above

        show(diagnosis, build.console(settings))
