"""Whether what was not placed would find a place now, and what would help. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.doctor import commands
from reconciler.doctor.examined import Examined
from reconciler.doctor.finding import Fix
from reconciler.doctor.words import several
from reconciler.model.live import LiveModel, LiveServer
from reconciler.model.quantity import format_bytes


@dataclass(frozen=True, slots=True)
class Placing:
    """Whether there is a place now, as a sentence, and what would help, the gentlest first."""

    told: str
    fixes: tuple[Fix, ...]


def placing(examined: Examined, model: LiveModel) -> Placing:
    """Returns what would become of the live version of `model`, which found no place, if it was tried now."""
    pinned, known = model.spec.server, examined.servers
    if pinned is not None and pinned not in known:
        there = f"; there {'is' if len(known) == 1 else 'are'} {', '.join(sorted(known))}" if known else ""
        return Placing(f"It asks for Server {pinned}, which does not exist{there}", (_repin(pinned),))
    if not _matching(examined, model):
        return Placing(f"There is no place for it: {_unoffered(examined, model)}", tuple(_fixes(examined, model)))
    attempt = examined.again(model)
    if attempt.fits:
        again = "have it scheduled once more (a field that nobody reads changes); of several models one at a time"
        leaked = Fix(
            "if that is refused again, room has leaked (`reconciler doctor --probe` asks): restart the scheduler, "
            "which then tries again what waits",
            commands.restart_scheduler(examined.live, model.namespace),
        )
        retrigger = Fix(again, commands.retrigger(examined.live, model))
        return Placing("By what the cluster shows there is room for it now", (retrigger, leaked))
    return Placing(f"There is no place for it now: {attempt.detail}", tuple(_fixes(examined, model)))


def growth(examined: Examined, model: LiveModel, beside: bool) -> Fix | None:
    """Returns the smallest growth of one Server that makes room for a version of `model`, None if none does.

    Growing a Server has everything that waits tried again, by itself (docs/seldon.md, "Servers").

    Args:
        beside: for another version, where its own replicas cannot be used again.
    """
    best: tuple[int, str, LiveServer] | None = None
    for server in _matching(examined, model):
        largest = max((r.limit for r in server.replicas), default=0)
        if (model.spec.memory or 0) > largest:
            continue
        more = model.spec.wanted_replicas - _fitting(examined, model, server, beside)
        if more > 0 and (best is None or (more, server.name) < best[:2]):
            best = (more, server.name, server)
    if best is None:
        return None
    more, name, server = best
    if more <= (missing := server.spec.wanted_replicas - sum(replica.ready for replica in server.replicas)):
        return Fix(f"bring the {several(missing, 'replica')} back that Server {name} lacks")
    size = server.spec.wanted_replicas + more
    spec: dict[str, int] = {"replicas": size, "minReplicas": size}
    if server.spec.max_replicas is not None and server.spec.max_replicas < size:
        spec["maxReplicas"] = size
    text = f"grow Server {name} to {size} replicas" + ("" if beside else ": what waits is then tried again by itself")
    return Fix(text, commands.patch_server(examined.live, server, spec))


def _fixes(examined: Examined, model: LiveModel) -> Iterator[Fix]:
    if not _matching(examined, model):
        yield Fix("correct spec.requirements, or add what is missing to a Server (spec.extraCapabilities)")
        yield _revert(examined, model)
        return
    most = max(_fitting(examined, model, server, beside=False) for server in _matching(examined, model))
    if 0 < most < model.spec.wanted_replicas:
        text = f"ask for {several(most, 'replica')}, which is what there is room for"
        yield Fix(text, commands.patch_model(examined.live, model, fewer(model, most)))
    if (grow := growth(examined, model, beside=False)) is not None:
        yield grow
    held = sum(version.memory for version in model.versions if version.occupied)
    occupied = any(version.occupied for version in model.versions)
    # A cluster may not tell what an older version takes.
    if occupied and (not held or examined.recreated(model).fits):
        what = f"the {format_bytes(held)} that it holds is free then" if held else "whatever it holds is free then"
        text = f"delete it and, when it is gone, apply it again: nothing answers anyway, and {what}"
        yield Fix(text, commands.delete_model(examined.live, model))
    yield _revert(examined, model)


def _unoffered(examined: Examined, model: LiveModel) -> str:
    """What no Server offers; of the one that offers most."""
    named = [server for server in examined.live.servers if model.spec.server in (None, server.name)]
    if not named:
        return "there is no Server at all"
    closest = min(named, key=lambda server: (len(model.spec.needs - server.capabilities), server.name))
    lacking = ", ".join(sorted(model.spec.needs - closest.capabilities))
    if not lacking:
        return f"Server {closest.name} is being deleted"
    whose = "its Server" if model.spec.server else "the closest Server" if len(named) > 1 else "Server"
    return f"it requires {', '.join(sorted(model.spec.needs))}; {whose} {closest.name} does not offer {lacking}"


def _revert(examined: Examined, model: LiveModel) -> Fix:
    held = any(version.available for version in model.versions)
    again = "; with any version that finds a place, the one that is loaded answers again at once" if held else ""
    return Fix(f"apply a version that finds a place (going back to the old spec is a new version too){again}")


def _repin(pinned: str) -> Fix:
    return Fix(f"create Server {pinned}, or name another one in spec.server")


def fewer(model: LiveModel, replicas: int) -> dict[str, int]:
    """Returns the change of spec to so many replicas: Seldon takes no Model with `minReplicas` above `replicas`."""
    least = model.spec.min_replicas
    return {"replicas": replicas} | ({"minReplicas": replicas} if least is not None and least > replicas else {})


def _matching(examined: Examined, model: LiveModel) -> list[LiveServer]:
    named = [s for s in examined.live.servers if not s.deleting and model.spec.server in (None, s.name)]
    return [server for server in named if model.spec.needs <= server.capabilities]


def _fitting(examined: Examined, model: LiveModel, server: LiveServer, beside: bool) -> int:
    """How many replicas of `server` the live version could be on: those that it is on and those with room."""
    version = model.live_version
    held = set(version.staying) if version is not None and version.server == server.name and not beside else set()
    roomy = {r.index for r in server.replicas if r.ready and r.room >= (model.spec.memory or 0)}
    return len(held | roomy)
