"""Where the models of one commit are taken to be, when no cluster is asked.

By the scheduler's rule (docs/seldon.md, "Capacity"): on one Server that offers what a model needs, on the replicas with
most free memory, then the lowest index; all wanted replicas. What no manifest says is history: in which order models
came, and which of several Servers the scheduler picked. The biggest are taken to have come first, which spreads them
best (by name where that does not fit), each on the Server with most room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.errors import UsageError
from reconciler.model.live import ServerConfig
from reconciler.model.manifests import DesiredState, ModelManifest, ServerManifest, ServerSpec
from reconciler.model.plan import Guards
from reconciler.model.quantity import format_bytes

Places = dict[str, tuple[str, tuple[int, ...]]]
"""By model: its server, and the indices of its replicas."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A server to place on: its manifest and what it offers."""

    manifest: ServerManifest
    offered: frozenset[str]

    @property
    def name(self) -> str:
        """The server's name."""
        return self.manifest.name

    @property
    def size(self) -> int:
        """Number of its replicas."""
        return self.manifest.spec.wanted_replicas

    @property
    def limit(self) -> int:
        """Bytes that may be scheduled on each replica."""
        return self.manifest.spec.limit


def grounds(desired: DesiredState, configs: Iterable[ServerConfig]) -> list[Ground]:
    """Returns the servers of `desired`; `configs` say what their kinds offer."""
    known = {config.name: config for config in configs}
    return [Ground(server, _offered(server.spec, known)) for server in desired.servers]


def places(desired: DesiredState, servers: list[Ground], guards: Guards) -> Places:
    """Returns where each model of `desired` is, every one of them whole.

    Raises:
        UsageError: some model finds no place; says which and why.
    """
    by_size = sorted(desired.models, key=lambda model: _size(model, servers, guards))
    found = _placed(by_size, servers, guards)
    if isinstance(found, ModelManifest):
        stuck, found = found, _placed(desired.models, servers, guards)
        if isinstance(found, ModelManifest):
            raise _no_place(desired, stuck, servers, guards)
    return found


def memory(model: ModelManifest, guards: Guards) -> int | None:
    """Returns the bytes that a replica of `model` takes; None when its manifest does not say and nothing is assumed."""
    return guards.default_model_memory if model.spec.memory is None else model.spec.memory


def candidates(model: ModelManifest, servers: list[Ground], guards: Guards) -> list[Ground]:
    """Returns the servers that could take `model` if they were empty."""
    wanted, amount = model.spec.wanted_replicas, memory(model, guards) or 0
    return [s for s in _matching(model, servers) if s.size >= wanted and s.limit >= amount]


def _offered(spec: ServerSpec, configs: dict[str, ServerConfig]) -> frozenset[str]:
    """What a server offers: its capabilities replace the config's, extra ones are added (docs/seldon.md, "Server")."""
    config = configs.get(spec.server_config)
    own = (config.capabilities if config else frozenset()) if spec.capabilities is None else spec.capabilities
    return frozenset(own) | frozenset(spec.extra_capabilities)


def _matching(model: ModelManifest, servers: list[Ground]) -> list[Ground]:
    """The servers that offer what `model` needs, its pinned one alone if it names one."""
    named = [server for server in servers if model.spec.server in (None, server.name)]
    return [server for server in named if model.spec.needs <= server.offered]


def _size(model: ModelManifest, servers: list[Ground], guards: Guards) -> tuple[int, int, int, str]:
    """The order in which models are placed: least choice, biggest, most replicas, name."""
    amount = memory(model, guards) or 0
    return len(candidates(model, servers, guards)), -amount, -model.spec.wanted_replicas, model.name


def _placed(models: Iterable[ModelManifest], servers: list[Ground], guards: Guards) -> Places | ModelManifest:
    """Returns where `models` go, one after the other; the first that finds no place instead, if one does not."""
    free = {server.name: [server.limit] * server.size for server in servers}
    placement: Places = {}
    for model in models:
        needed, wanted = memory(model, guards) or 0, model.spec.wanted_replicas
        choices = []
        for server in candidates(model, servers, guards):
            fitting = sorted((-room, index) for index, room in enumerate(free[server.name]) if room >= needed)
            if len(fitting) >= wanted:
                indices = sorted(index for _, index in fitting[:wanted])
                choices.append((sum(room for room, _ in fitting), server.name, tuple(indices)))
        if not choices:
            return model
        _, name, taken = min(choices)
        for index in taken:
            free[name][index] -= needed
        placement[model.name] = name, taken
    return placement


def _no_place(desired: DesiredState, first: ModelManifest, servers: list[Ground], guards: Guards) -> UsageError:
    """Says which models find no place and why: all that no empty server would take, else the `first` that did not."""
    impossible = [model for model in desired.models if not candidates(model, servers, guards)]
    stuck = impossible or [first]
    reasons = [_reason(model, servers, guards) for model in stuck[:3]]
    more = f"; and {len(stuck) - 3} more" if len(stuck) > 3 else ""
    fixes = {
        "Server": "add the Server's manifest (its object is then adopted), or plan on the cluster, without --from",
        "offers": "correct `requirements`, write what the Server offers in `capabilities`, or plan without --from",
        "room": "start from a commit whose models fit, or plan on the cluster, without --from",
    }
    return UsageError(
        f"commit {desired.commit[:8]} cannot be assumed live: no place for {some([m.name for m in stuck])}",
        why="; ".join(text for _, text in reasons) + more + ". Without a cluster only the Servers in Git are known",
        fix=fixes[reasons[0][0]],
    )


def _reason(model: ModelManifest, servers: list[Ground], guards: Guards) -> tuple[str, str]:
    """Why `model` finds no place, and of which kind that is."""
    place = f"{model.name} ({model.source})"
    names = {server.name for server in servers}
    if not names:
        return "Server", f"{place}: no manifest describes any Server"
    if model.spec.server is not None and model.spec.server not in names:
        return "Server", f"{place}: no manifest describes Server {model.spec.server}"
    matching = _matching(model, servers)
    if not matching:
        where = f"Server {model.spec.server} does not offer" if model.spec.server else "no Server offers"
        return "offers", f"{place}: {where} {', '.join(sorted(model.spec.needs))}"
    asked = f"{model.spec.wanted_replicas} × {format_bytes(memory(model, guards) or 0)}"
    has = ", ".join(f"{s.name} has {s.size} × {format_bytes(s.limit)}" for s in matching[:3])
    beside = "" if not candidates(model, servers, guards) else ", and the others take too much of it"
    return "room", f"{place} asks for {asked}; {has}{beside}"


def some(names: list[str]) -> str:
    """Returns `names` as a short list for people."""
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
