"""Tells people on the cluster what a pass does: Events on the objects, and a summary in a ConfigMap.

It is done as well as it can be: nothing that goes wrong here ends or spoils a pass. The same notice again is the same
Event again, so that repeated passes fill nothing.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from reconciler.clusters.kubernetes.answers import Conflict
from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.resources import (
    CONFIG_MAPS,
    EVENTS,
    EXPERIMENTS,
    MODELS,
    PIPELINES,
    SERVERS,
    Resource,
)
from reconciler.errors import ClusterError
from reconciler.model.notice import Notice, Summary

Json = dict[str, Any]

COMPONENT = "model-reconciler"
"""Who tells it, in Events; and what the ConfigMap's name begins with."""

MOST = 100
"""Events of one pass; warnings come first."""

AT_ONCE = 8
SECONDS = 5.0
"""For all of it."""

_LONGEST = 1000
"""Characters of a note; the API server takes 1024."""

_LONGEST_NAME = 200
_RESOURCES: Mapping[str, Resource] = {each.kind: each for each in (MODELS, SERVERS, EXPERIMENTS, PIPELINES)}


@dataclass(frozen=True, slots=True)
class Subject:
    """An object that is told about."""

    kind: str
    name: str
    uid: str


class Teller:
    """Tells about the passes of one instance.

    Args:
        namespace: of the summary.
    """

    def __init__(self, api: Api, instance: str, namespace: str = "") -> None:
        self._api, self._instance = api, instance
        self._namespace = namespace or api.namespace

    async def tell(self, notices: Mapping[Subject, Notice], summary: Summary | None) -> None:
        """Writes `notices` as Events, and `summary` if there is one."""
        chosen = sorted(notices.items(), key=lambda pair: (not pair[1].warning, pair[1]))[:MOST]
        turn = asyncio.Semaphore(AT_ONCE)

        async def event(subject: Subject, notice: Notice) -> None:
            async with turn:
                with suppress(ClusterError):
                    await self._event(subject, notice)

        with suppress(TimeoutError, ClusterError):
            async with asyncio.timeout(SECONDS):
                if summary is not None:
                    with suppress(ClusterError):
                        await self._summary(summary)
                await asyncio.gather(*(event(*pair) for pair in chosen))

    async def _event(self, subject: Subject, notice: Notice) -> None:
        document = event_of(subject, notice, self._api.namespace, self._instance, _now())
        try:
            await self._api.create(EVENTS, document)
        except Conflict:
            again = {"lastTimestamp": document["lastTimestamp"]}
            await self._api.merge(EVENTS, document["metadata"]["name"], again)

    async def _summary(self, summary: Summary) -> None:
        name = config_map_name(self._instance)
        data = data_of(summary)
        found = await self._api.get(CONFIG_MAPS, name, namespace=self._namespace)
        if found is not None and _same(found.get("data") or {}, data):
            return
        labels = {"app.kubernetes.io/managed-by": COMPONENT}
        document = {
            "apiVersion": CONFIG_MAPS.api_version,
            "kind": CONFIG_MAPS.kind,
            "metadata": {"name": name, "labels": labels},
            "data": data,
        }
        await self._api.apply(CONFIG_MAPS, document, force=True, namespace=self._namespace)


def event_of(subject: Subject, notice: Notice, namespace: str, instance: str, now: str) -> Json:
    """Returns the Event that tells `notice`; the same notice on the same object has the same name.

    Args:
        now: a timestamp as the API has them.
    """
    text = notice.text if len(notice.text) <= _LONGEST else notice.text[: _LONGEST - 1] + "…"
    same = hashlib.sha256("\0".join((subject.uid, notice.reason, text, instance)).encode()).hexdigest()[:16]
    resource = _RESOURCES[subject.kind]
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": f"{subject.name[:_LONGEST_NAME]}.{same}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": resource.api_version,
            "kind": subject.kind,
            "name": subject.name,
            "namespace": namespace,
            "uid": subject.uid,
        },
        "type": "Warning" if notice.warning else "Normal",
        "reason": notice.reason,
        "message": text,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def config_map_name(instance: str) -> str:
    """Returns the name of the ConfigMap of an instance, whose own name need not be one that objects can have."""
    plain = re.sub(r"[^a-z0-9.-]+", "-", instance.lower()).strip("-.")
    if plain != instance:
        plain = f"{plain}-{hashlib.sha256(instance.encode()).hexdigest()[:6]}".lstrip("-")
    return f"{COMPONENT}-{plain}"


def data_of(summary: Summary) -> dict[str, str]:
    """Returns what the ConfigMap says."""
    return {
        "summary": summary.text[:_LONGEST],
        "verdict": summary.verdict,
        "commit": summary.commit,
        "exitCode": str(summary.exit_code),
        "ended": summary.ended,
    }


def _same(found: Mapping[str, str], data: Mapping[str, str]) -> bool:
    """Whether nothing is news but the time: what stays blocked is not told with every pass."""
    return {**found, "ended": ""} == {**data, "ended": ""}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
