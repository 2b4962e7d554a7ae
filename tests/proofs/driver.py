"""One story: commits, passes of ours that may be killed, and what others write in between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.clusters.simulated import Simulation
from reconciler.clusters.simulated.view import live_state
from reconciler.errors import PlanUnsafe
from reconciler.executor import execute
from reconciler.model.codec import server_spec_to_json
from reconciler.model.manifests import DesiredState, Strategy
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Guards, Plan, Verb
from reconciler.planner import plan
from tests.executor.virtual_time import run
from tests.proofs.cluster import EPOCH, MortalCluster
from tests.proofs.watch import Harm, watched

INTERVAL = 5.0
"""Simulated seconds between two passes, as a daemon would make them."""

MOST_PASSES = 16
"""A run that needs more does not end."""

GUARDS = Guards(max_deletions="100%")


@dataclass
class Story:
    """What has happened so far.

    Attributes:
        told: one line per pass and per thing that others did, to read when it went wrong.
        outside: the cluster is seen as Kubernetes shows it; each pass is a process of its own.
    """

    simulation: Simulation
    desired: DesiredState
    told: list[str] = field(default_factory=list)
    outside: bool = False

    def one_pass(self, kill_after: int | None = None) -> Plan:
        """Makes one pass and returns its plan; `kill_after` so many writes our process is killed."""
        cluster = MortalCluster(self.simulation, kill_after, outside=self.outside)
        try:
            made = plan(self.desired, run(cluster.observe()), GUARDS)
        except PlanUnsafe as error:
            raise AssertionError("\n".join([str(error), "after:", *self.told, seen(self.simulation)])) from error
        began = self.simulation.now
        with watched(self.simulation, self._may_go()) as harm:
            outcomes = run(_carried_out(made, cluster))
            self.simulation.run_until(self.simulation.now + INTERVAL)
        self.told.append(f"pass at {began:.1f} s, wrote {cluster.written}")
        self.told += [f"    {o.action}: {o.status} {o.detail}" for o in outcomes]
        self.told.append(f"    then {seen(self.simulation)}")
        self.blame(harm)
        return made

    def _may_go(self) -> frozenset[str]:
        """What Git wants gone, or allows a gap for; and what can be loaded on some replicas only, as nobody foresees
        that when a Server loses, or restarts, the one that it is on."""
        wanted = {m.name for m in self.desired.models if m.policy.strategy is not Strategy.RECREATE}
        models = {
            ref.removeprefix("Model/"): o for ref, o in self.simulation.world.objects.items() if o.kind == "Model"
        }
        choosy = {name for name, found in models.items() if found.spec.get("storageUri") == "broken-on-1"}
        shaken = any(
            s.spec.wanted_replicas < len(live.replicas) or _pods(server_spec_to_json(s.spec)) != _pods(live.spec)
            for s in self.desired.servers
            if (live := self.simulation.world.servers.get(s.name)) is not None
        )
        return frozenset(models.keys() - wanted) | (choosy if shaken else set())

    def to_the_end(self) -> Plan:
        """Makes passes until one finds nothing to do; raises AssertionError when that takes too many."""
        for _ in range(MOST_PASSES):
            at_rest = self.simulation.next_event_at() is None
            made = self.one_pass()
            if made.actions or self._due(made):
                continue
            if at_rest:
                return made
            self._come_to_rest()
        raise AssertionError("it never ends:\n" + "\n".join([*self.told, *map(str, made.decisions)]))

    def _come_to_rest(self) -> None:
        """Lets what others began come to its end."""
        while (due := self.simulation.next_event_at()) is not None:
            self.simulation.run_until(due)

    def _due(self, made: Plan) -> bool:
        return made.next_step_at is not None and made.next_step_at <= EPOCH + self.simulation.now

    def blame(self, harm: list[Harm]) -> None:
        """Raises AssertionError when harm was done."""
        assert not harm, "\n".join([*map(str, harm), "after:", *self.told])

    def settled(self, made: Plan) -> None:
        """Checks that what the last plan calls in sync is, and that everything else has a reason."""
        for decision in made.decisions:
            if decision.kind == "Model" and decision.verb is Verb.IN_SYNC:
                spec = next(m.spec for m in self.desired.models if m.name == decision.name)
                found = self.simulation.answers(decision.name)
                wrong = [who for who in found if not isinstance(who, tuple) or who[0] != spec.storage_uri]
                assert not wrong, f"{decision.name} is in sync, but {found} answers\n" + "\n".join(self.told)
            else:
                assert decision.reason


def _pods(spec: Mapping[str, Any]) -> tuple[Any, ...]:
    """Returns what the pods of a Server are made from."""
    return tuple(spec.get(name) for name in ("serverConfig", "podSpec", "capabilities", "extraCapabilities"))


async def _carried_out(made: Plan, cluster: MortalCluster) -> tuple[Outcome, ...]:
    """Executes the plan; returns the outcomes, none when our process was killed."""
    work = asyncio.create_task(execute(made, cluster, on_outcome=lambda _: None))
    death = asyncio.create_task(cluster.dead.wait())
    await asyncio.wait({work, death}, return_when=asyncio.FIRST_COMPLETED)
    for task in (work, death):
        task.cancel()
    await asyncio.wait({work, death})
    return () if work.cancelled() else work.result()


def told(desired: DesiredState) -> str:
    """Returns a commit in one line."""
    models = [
        f"{m.name}={m.spec.storage_uri}/{(m.spec.memory or 0) // 1000}k*{m.spec.replicas}"
        f"{f' min {m.spec.min_replicas}' if m.spec.min_replicas else ''}"
        f"{f' on {m.spec.server}' if m.spec.server else ''}"
        f"{'' if m.policy.strategy is Strategy.ROLLING else ' recreate'}{' suspend' if m.policy.suspend else ''}"
        f"{f' unavailable {m.policy.max_unavailable}' if m.policy.max_unavailable else ''} [{m.spec.digest}]"
        for m in desired.models
    ]
    servers = [f"{s.name}:{s.spec.replicas},{s.spec.min_replicas},{s.spec.max_replicas}" for s in desired.servers]
    return "; ".join([*servers, *models])


def seen(simulation: Simulation) -> str:
    """Returns what is live in one line: servers with the room of their replicas, models with their versions."""
    live = live_state(simulation.world, EPOCH)
    servers = [
        f"{s.name}:{s.spec.replicas} {[(r.index, r.room // 1000, '' if r.ready else 'not ready') for r in s.replicas]}"
        for s in live.servers
    ]
    models = [
        f"{m.name} {[(v.number, v.state.value, v.server, dict(v.replicas)) for v in m.versions]} route {m.route}"
        for m in live.models
    ]
    return "; ".join([*servers, *models]).replace("ReplicaState.", "")
