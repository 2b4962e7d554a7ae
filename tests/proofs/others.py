"""What others do to a cluster behind our back, as plain `kubectl` would."""

from __future__ import annotations

from reconciler.clusters.simulated import Simulation
from tests.proofs.strategies import Foreign


def done(simulation: Simulation, event: Foreign) -> None:
    """Does `event`, and lets its `wait` pass."""
    objects = simulation.world.objects
    model, server = f"Model/{event.name}", f"Server/{event.name}"
    spec = dict(event.spec)
    if event.what == "apply":
        simulation.patch(model, {"spec": spec}) if model in objects else simulation.apply(
            [{"kind": "Model", "name": event.name, "spec": spec}]
        )
    elif event.what == "scale" and model in objects:
        simulation.patch(model, {"spec": {"replicas": spec["replicas"]}})
    elif event.what == "delete" and model in objects:
        simulation.delete(model)
    elif event.what == "new and delete" and "Model/passing" not in objects:
        simulation.apply([{"kind": "Model", "name": "passing", "spec": {**spec, "storageUri": "slow"}}])
        simulation.run_until(simulation.now + 1.0)
        simulation.delete("Model/passing")
    elif event.what == "restart":
        simulation.restart_scheduler()
    elif event.what == "size" and server in objects:
        simulation.patch(server, {"spec": {"replicas": spec["replicas"]}})
    elif event.what == "lose" and event.name in simulation.world.servers:
        _lost_for_a_while(simulation, event.name)
    simulation.run_until(simulation.now + event.wait)


def _lost_for_a_while(simulation: Simulation, name: str) -> None:
    """A replica is lost without draining, and its pod starts anew."""
    world = simulation.world
    replicas = world.servers[name].replicas
    if not replicas:
        return
    index = max(replicas)
    simulation.kill(name, index)
    if name in world.servers and index < world.servers[name].size:
        ticket = world.servers[name].starting[index] = world.ticket()
        world.after(8.0, "connect", name, index, ticket)
