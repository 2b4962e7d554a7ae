"""The verbs of the API, on plain JSON objects of one namespace.

A LIST is paginated in pages so large that a pass asks a handful of times whatever the number of objects; a list that
expires half way begins anew. A watch goes on where the list ended.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from reconciler.clusters.kubernetes.answers import Expired, NotFound, error_of
from reconciler.clusters.kubernetes.connection import Connection
from reconciler.clusters.kubernetes.decoding import lines_of, not_understood, object_of
from reconciler.clusters.kubernetes.resources import Resource
from reconciler.errors import ClusterUnavailable

Json = dict[str, Any]

FIELD_MANAGER = "model-reconciler"
"""Ours, in every write."""

PAGE = 20_000
"""Objects per page of a LIST: of 10,000 models about 30 MB, in one request."""

RESTARTS = 3
"""Times that a list which expires half way is begun anew: one that never ends in time would keep us for ever."""

WATCH_SECONDS = 240
"""The API server ends a watch after so long, and we begin it anew."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A list, as of `resource_version`."""

    items: list[Json]
    resource_version: str


OPENED = "OPENED"
"""Type of the first event that a watch yields: the server has begun to answer."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch: `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `OPENED`, and the object as it is then."""

    type: str
    object: Json


class Api:
    """What can be asked of the API server; everything in `connection.namespace` unless `namespace` says otherwise.

    Every method raises ClusterUnavailable without an answer, and `Refused` (see `answers`) for a no.

    Args:
        page: objects per page of a LIST.
    """

    def __init__(self, connection: Connection, *, page: int = PAGE) -> None:
        self.connection = connection
        self._page = page
        self.written: Callable[[Resource, Json], None] = lambda resource, found: None
        """Told every object that a write of ours answered with: nobody else knows it so soon."""

    @property
    def namespace(self) -> str:
        """That of the objects we reconcile."""
        return self.connection.namespace

    async def list(self, resource: Resource, *, namespace: str = "", labels: str = "", fields: str = "") -> Listed:
        """Returns all objects of a kind, in a few requests.

        Args:
            labels, fields: selectors, as kubectl's `-l` and `--field-selector`.
        """
        query = _selectors(labels, fields) | {"limit": str(self._page)}
        where = namespace or self.namespace
        for _ in range(1 + RESTARTS):
            try:
                return await self._listed(resource, where, query)
            except Expired as error:
                expired = error  # what was listed so far is too old to go on from
        what = f"a list expired again and again before its end: {_said(resource, '', where)}"
        raise ClusterUnavailable(what, why=expired.why) from expired

    async def _listed(self, resource: Resource, namespace: str, query: Mapping[str, str]) -> Listed:
        """Returns all pages of one list. Raises Expired in their middle."""
        items: list[Json] = []
        following: Mapping[str, str] = {}
        while True:
            page = await self._get(resource, namespace, "", {**query, **following})
            items += page.get("items") or []
            if not page["metadata"].get("continue"):
                return Listed(items, str(page["metadata"].get("resourceVersion", "")))
            following = {"continue": page["metadata"]["continue"]}

    async def get(self, resource: Resource, name: str, *, namespace: str = "") -> Json | None:
        """Returns one object, None when there is none."""
        try:
            return await self._get(resource, namespace or self.namespace, name, {})
        except NotFound:
            return None

    async def _get(self, resource: Resource, namespace: str, name: str, query: Mapping[str, str]) -> Json:
        about = f"{'get' if name else 'list'} {_said(resource, name, namespace)}"
        found = object_of(
            await self.connection.request("GET", resource.path(namespace, name), query=query, about=about), about
        )
        wanted = "" if name else "List"
        if not str(found.get("kind")).endswith(wanted) or not isinstance(found.get("metadata"), dict):
            raise not_understood(about, f"it is no {resource.kind}{wanted}")
        return found

    async def watch(self, resource: Resource, since: str) -> AsyncGenerator[Event, None]:
        """Yields what changes after resource version `since`, until the server ends the watch.

        Raises:
            Expired: `since` is too old; list anew. ClusterUnavailable: it broke, or says what no watch says.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        about = f"watch {_said(resource, '', self.namespace)}"
        async with self.connection.stream(resource.path(self.namespace), query, about) as content:
            yield Event(OPENED, {})
            async with aclosing(lines_of(content, about)) as lines:
                async for line in lines:
                    yield _event(object_of(line, about), about)

    async def apply(
        self,
        resource: Resource,
        document: Mapping[str, Any],
        *,
        force: bool = False,
        dry_run: bool = False,
        manager: str = FIELD_MANAGER,
        namespace: str = "",
    ) -> Json:
        """Applies `document` (all fields the manager means to own) server-side; returns the object as it is then.

        Raises:
            Conflict: fields belong to other managers, and `force` is False; its causes name them.
        """
        name = str(document["metadata"]["name"])
        query = {"fieldManager": manager, "force": "true" if force else "false"} | _dry(dry_run)
        content = "application/apply-patch+yaml"
        return await self._write("PATCH", resource, name, namespace, query, dict(document), content, "apply")

    async def merge(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, Any],
        *,
        dry_run: bool = False,
        manager: str = FIELD_MANAGER,
        namespace: str = "",
        subresource: str = "",
    ) -> Json:
        """Applies a JSON merge patch; returns the object as it is then."""
        query = {"fieldManager": manager} | _dry(dry_run)
        content = "application/merge-patch+json"
        return await self._write(
            "PATCH", resource, name, namespace, query, dict(patch), content, "patch", subresource=subresource
        )

    async def create(
        self, resource: Resource, document: Mapping[str, Any], *, dry_run: bool = False, namespace: str = ""
    ) -> Json:
        """Creates an object. Raises Conflict when there is one of that name already."""
        query = {"fieldManager": FIELD_MANAGER} | _dry(dry_run)
        return await self._write("POST", resource, "", namespace, query, dict(document), "application/json", "create")

    async def replace(self, resource: Resource, document: Mapping[str, Any], *, namespace: str = "") -> Json:
        """Writes a whole object. Raises Conflict when it is not at the resource version in `document` any more."""
        name = str(document["metadata"]["name"])
        query = {"fieldManager": FIELD_MANAGER}
        return await self._write("PUT", resource, name, namespace, query, dict(document), "application/json", "update")

    async def delete(self, resource: Resource, name: str, *, uid: str = "", namespace: str = "") -> bool:
        """Asks for the deletion of an object, of that very `uid` if given; returns False when there is none."""
        body: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self._write("DELETE", resource, name, namespace, {}, body, "application/json", "delete")
        except NotFound:
            return False
        return True

    async def _write(
        self,
        method: str,
        resource: Resource,
        name: str,
        namespace: str,
        query: Mapping[str, str],
        body: Json,
        content_type: str,
        verb: str,
        *,
        subresource: str = "",
    ) -> Json:
        where = namespace or self.namespace
        about = f"{verb} {_said(resource, name, where)}"
        answer = await self.connection.request(
            method,
            resource.path(where, name, subresource),
            query=query,
            body=body,
            content_type=content_type,
            about=about,
        )
        found = object_of(answer, about)
        if found.get("kind") == resource.kind and "dryRun" not in query:
            self.written(resource, found)
        return found


def _event(said: Json, about: str) -> Event:
    found = said.get("object")
    if not isinstance(found, dict):
        raise not_understood(about, "it is no event")
    if said.get("type") == "ERROR":
        code = found.get("code")
        raise error_of(code if isinstance(code, int) else 500, orjson.dumps(found), about)
    if not isinstance(found.get("metadata"), dict):
        raise not_understood(about, "it is no event of an object")
    return Event(str(said.get("type")), found)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _said(resource: Resource, name: str, namespace: str) -> str:
    return f"{resource.name}{f' {name}' if name else ''} in namespace {namespace}"
