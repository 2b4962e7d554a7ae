"""The kubectl commands that findings offer. All of them are merge patches: a PUT could drop finalizers
(docs/seldon.md, "Deleting")."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from reconciler.model.live import LiveModel, LiveServer, LiveState


def patch_model(live: LiveState, model: LiveModel, spec: Mapping[str, Any]) -> str:
    """Returns what changes `spec` of a Model; empty where kubectl does not reach (see `kubectl`)."""
    return kubectl(live, "patch", "model", model.name, model.namespace, merge={"spec": spec})


def patch_server(live: LiveState, server: LiveServer, spec: Mapping[str, Any]) -> str:
    """Returns what changes `spec` of a Server; empty where kubectl does not reach (see `kubectl`)."""
    return kubectl(live, "patch", "server", server.name, server.namespace, merge={"spec": spec})


def retrigger(live: LiveState, model: LiveModel) -> str:
    """Returns what has a model scheduled once more without a new version: a field that is never read changes
    (docs/seldon.md, "When the scheduler tries again")."""
    return patch_model(live, model, {"preloaded": not model.spec.preloaded})


def delete_model(live: LiveState, model: LiveModel) -> str:
    """Returns what deletes a Model."""
    return kubectl(live, "delete", "model", model.name, model.namespace)


def restart_scheduler(live: LiveState, namespace: str | None) -> str:
    """Returns what restarts Seldon's scheduler, which interrupts no request (docs/seldon.md, "Servers")."""
    return kubectl(live, "rollout restart", "statefulset", "seldon-scheduler", namespace)


def pods(live: LiveState, namespace: str | None) -> str:
    """Returns what lists the pods of a namespace."""
    return (
        ""
        if live.traits.commands_traffic
        else f"kubectl get pods{f' -n {shlex.quote(namespace)}' if namespace else ''}"
    )


def kubectl(
    live: LiveState,
    verb: str,
    resource: str,
    name: str,
    namespace: str | None,
    merge: Mapping[str, Any] | None = None,
    *rest: str,
) -> str:
    """Returns a command line; empty on a cluster whose traffic we command, because there is no kubectl there.

    Args:
        merge: a JSON merge patch. rest: further words.
    """
    if live.traits.commands_traffic:
        return ""
    words = ["kubectl", *verb.split(), resource, name, *(["-n", namespace] if namespace else []), *rest]
    if merge is not None:
        words += ["--type", "merge", "-p", json.dumps(merge, separators=(",", ":"))]
    return shlex.join(words)
