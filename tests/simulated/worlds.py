"""Small simulated clusters to test rules on: replicas of 1M without overcommit, artifacts named for what they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.clusters.simulated import Artifact, Choices, Rules, Simulation

Manifest = dict[str, Any]

ARTIFACTS = {
    "slow2": Artifact(load_seconds=2.0),
    "slow6": Artifact(load_seconds=6.0),
    "slow6-on-1": Artifact(slow_on={1: 6.0}),
    "broken": Artifact(fails=True),
    "broken-on-1": Artifact(fails_on=frozenset({1})),
    "broken-on-1-slow6-on-0": Artifact(fails_on=frozenset({1}), slow_on={0: 6.0}),
    "missing": Artifact(missing=True),
}


def model(name: str, uri: str = "v1", memory: str = "300k", replicas: int = 1, **spec: Any) -> Manifest:
    """Returns the manifest of a Model."""
    fields = {"storageUri": uri, "requirements": ["sklearn"], "memory": memory, "replicas": replicas}
    return {"kind": "Model", "name": name, "spec": {**fields, **spec}}


def server(name: str = "s", replicas: int = 1, **spec: Any) -> Manifest:
    """Returns the manifest of a Server."""
    return {"kind": "Server", "name": name, "spec": {"serverConfig": "mlserver", "replicas": replicas, **spec}}


def experiment(name: str, default: str | None, /, **weights: int) -> Manifest:
    """Returns the manifest of an Experiment."""
    spec: Manifest = {"candidates": [{"name": who, "weight": weight} for who, weight in weights.items()]}
    return {"kind": "Experiment", "name": name, "spec": spec if default is None else {**spec, "default": default}}


def cluster(
    *servers: Manifest,
    autoscaling: bool = False,
    overcommit: int = 0,
    choices: Choices | None = None,
    take_in_every: float = 0.06,
) -> Simulation:
    """Returns a simulation whose `servers` are up."""
    rules = Rules(1_000_000, overcommit, server_autoscaling=autoscaling, take_in_every=take_in_every)
    simulation = Simulation(rules, ARTIFACTS, choices)
    simulation.apply(servers)
    wait(simulation, 15)
    return simulation


def wait(simulation: Simulation, seconds: float) -> None:
    """Lets simulated time pass."""
    simulation.run_until(simulation.now + seconds)


def settled(simulation: Simulation, *manifests: Manifest) -> None:
    """Applies one after the other, each until all is quiet."""
    for manifest in manifests:
        simulation.apply([manifest])
        wait(simulation, 15)


def version(simulation: Simulation, name: str, number: int) -> Mapping[str, Any]:
    """Returns what the scheduler says of a version."""
    found: Mapping[str, Any] = simulation.snapshot()["scheduler"][name][str(number)]
    return found


def state(simulation: Simulation, name: str, number: int) -> str:
    """Returns the state of a version."""
    return str(version(simulation, name, number)["state"])


def on(simulation: Simulation, name: str, number: int = 1) -> dict[str, str]:
    """Returns the states of a version's replicas."""
    return dict(version(simulation, name, number)["replicas"])


def thing(simulation: Simulation, ref: str) -> Mapping[str, Any]:
    """Returns an object as the API server shows it."""
    found: Mapping[str, Any] = simulation.snapshot()["objects"][ref]
    return found


def free(simulation: Simulation, name: str = "s", replica: int = 0) -> int:
    """Returns the free memory of a replica, as ServerStatus has it."""
    return int(simulation.snapshot()["servers"][name]["replicas"][str(replica)]["free"])


def who(simulation: Simulation, route: str) -> dict[str, float]:
    """Returns who answers: `artifact@server-replica` or the status, with which share."""
    return {
        str(name) if isinstance(name, int) else f"{name[0]}@{name[1]}-{name[2]}": round(share, 3)
        for name, share in simulation.answers(route).items()
    }


class Scripted:
    """Choices told beforehand: the Servers in this order of preference, objects and models in this one."""

    def __init__(self, servers: Sequence[str] = (), order: Sequence[str] = ()) -> None:
        self.servers = servers
        self._order = list(order)

    def server(self, model: str, names: Sequence[str]) -> str:
        """Returns the first preferred one of `names`."""
        return next((name for name in self.servers if name in names), names[0])

    def order(self, names: Sequence[str]) -> list[str]:
        """Returns `names` by preference."""
        return sorted(names, key=lambda n: self._order.index(n) if n in self._order else len(self._order))
