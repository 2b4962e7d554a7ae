"""Identifies the live state that a plan was made from: versions, placements, routes, owners, limits, what is carried.

Times, requests in flight and free room are left out: they change while nothing that matters to a saved plan does.
"""

from __future__ import annotations

from operator import attrgetter

from reconciler.model.live import LiveState
from reconciler.model.manifests import digest_of, values

_VERSION = attrgetter("number", "digest", "memory", "server", "state", "replicas", "wanted")


def fingerprint(live: LiveState) -> str:
    """Returns 12 hex digits, the same for live states that give the same plan apart from back-off times."""
    models = [
        [
            model.name,
            values(model.spec),
            model.instance,
            sorted(model.labels),
            sorted(model.annotations),
            model.deleting,
            model.route,
            [_VERSION(version) for version in model.versions],
        ]
        for model in live.models
    ]
    servers = [
        [
            server.name,
            values(server.spec),
            server.instance,
            sorted(server.labels),
            sorted(server.annotations),
            server.deleting,
            sorted(server.capabilities),
            sorted([r.index, r.limit, r.ready] for r in server.replicas),
        ]
        for server in live.servers
    ]
    carried = [
        [
            item.ref,
            item.spec.meaning,
            item.instance,
            sorted(item.labels),
            sorted(item.annotations),
            item.deleting,
        ]
        for item in live.carried
    ]
    return digest_of([models, servers, carried])
