"""What Seldon's autoscaler of Servers would do to others when something is unloaded (docs/seldon.md, "Servers").

An unload that leaves a replica empty makes it shrink the Server to max(`minReplicas` or 1, replicas - empty). The
highest indices go; what is on them moves if it fits on the rest, and is off the air for good if not. A Server of a
fixed size is safe. On any other a plan must not empty a replica unless everything that may be on those that go surely
fits elsewhere.
"""

from __future__ import annotations

import dataclasses

from reconciler.model.live import LiveServer, LiveState
from reconciler.model.plan import ActionKind, Decision, Reason, Verb
from reconciler.planner.ordering import Arrangement
from reconciler.planner.restarts import moves
from reconciler.planner.retirement import Stay, released_by, stays
from reconciler.planner.servers import Outlook
from reconciler.planner.unit import Priority, Unit


def stranding(arrangement: Arrangement, outlooks: tuple[Outlook, ...], live: LiveState) -> dict[str, Decision]:
    """Returns, by model, why what the plan has for it would take others off the air; empty where nothing does."""
    found: dict[str, Decision] = {}
    for outlook in outlooks:
        server = live.server(outlook.name)
        if server is not None and not outlook.steady:
            found |= _on(server, outlook.least, arrangement, live)
    return found


def _on(server: LiveServer, least: int, arrangement: Arrangement, live: LiveState) -> dict[str, Decision]:
    staying, _ = stays(server, live, arrangement, released_by(arrangement))
    indices = [replica.index for replica in server.replicas]
    empty = set(indices) - {index for _, version in staying for index in version.occupied}
    units = [unit for unit in arrangement.placed if _unloads(unit, server.name, arrangement)]
    left = max(least, len(indices) - len(empty) - _may_empty(server, arrangement, staying))
    if not units or left >= len(indices):
        return {}
    victims = _victims(server, left, arrangement, staying, live)
    if not victims:
        return {}
    return {unit.decision.name: _blocked(unit, server, left, victims) for unit in units}


def _may_empty(server: LiveServer, arrangement: Arrangement, staying: list[Stay]) -> int:
    """Returns how many replicas may be left empty by versions that stay and give up some of theirs, at most."""
    fewer = {
        action.subject: use.replicas
        for unit in arrangement.placed
        for action in unit.actions
        for use in action.frees
        if action.kind is ActionKind.CHANGE and use.server == server.name
    }
    shared = {index for name, version in staying if name not in fewer for index in version.occupied}
    return sum(min(fewer[name], len(set(version.occupied) - shared)) for name, version in staying if name in fewer)


def _unloads(unit: Unit, server: str, arrangement: Arrangement) -> bool:
    """Whether `unit` takes something off the server, if only a probe or a replica, whereupon the autoscaler looks.

    What is under way does so whatever we do, and what heals is worth it.
    """
    if unit.priority is Priority.UNDER_WAY:
        return False
    if any(release.server == server for release in unit.releases):
        return True
    if unit.need is not None and unit.need.asked_by is not None:
        return any(name == server for name, _ in arrangement.reach.get(unit.need.action, frozenset()))
    return any(use.server == server for action in unit.actions for use in action.frees)


def _victims(
    server: LiveServer, left: int, arrangement: Arrangement, staying: list[Stay], live: LiveState
) -> list[str]:
    """Names what may be on a replica that goes and may not fit on those that stay, all of it moved at once."""
    rest = {replica.index for replica in server.replicas if replica.index < left}
    moving = [(name, v.memory, len([i for i in v.occupied if i >= left]), set(v.occupied)) for name, v in staying]
    moving = [item for item in moving if item[2]]
    for unit in arrangement.placed:
        need = unit.need
        reach = arrangement.reach.get(need.action, frozenset()) if need is not None else frozenset()
        going = {index for name, index in reach if name == server.name and index >= left}
        if need is not None and going:
            moving.append((unit.decision.name, need.amount, min(need.replicas, len(going)), set()))
    demand = sum(amount for _, amount, _, _ in moving)
    bounds = arrangement.rooms.bounds
    roomy = {i for i in rest if (server.name, i) in bounds and bounds[server.name, i].low >= demand}
    stuck = {name for name, v in staying if max(v.occupied) >= left and not moves(name, v, live)}
    return sorted({name for name, _, count, held in moving if len(roomy - held) < count} | stuck)


def _blocked(unit: Unit, server: LiveServer, left: int, victims: list[str]) -> Decision:
    names = ", ".join(victims[:5])
    detail = (
        f"it would leave a replica of Server {server.name} empty; Seldon's autoscaler would shrink it to {left}, "
        f"and {names} may find no room on the rest"
    )
    fix = f"set minReplicas: {len(server.replicas)} on Server {server.name}, or leave out its min and max"
    return dataclasses.replace(unit.decision, verb=Verb.BLOCKED, reason=Reason.AUTOSCALER, detail=detail, fixes=(fix,))
