"""The state of a local cluster without a process, driven by actions and facts."""

from __future__ import annotations

from reconciler.clusters.local import actions, facts, scheduler
from reconciler.clusters.local.records import LoadKey, ReplicaKey, State
from reconciler.model.live import ReplicaState
from reconciler.model.manifests import ModelManifest, ServerManifest, Source
from reconciler.model.plan import Action, ActionKind
from tests.local.serving import action, server_spec

INSTALLED = frozenset({"mlserver", "python", "sklearn"})
S = ReplicaState


class World:
    """A state with the replicas that are up, driven by actions and facts."""

    def __init__(self) -> None:
        self.state = State()
        self.up: set[ReplicaKey] = set()

    def server(self, name: str, *memories: int, kind: ActionKind = ActionKind.CREATE_SERVER, **fields: object) -> None:
        """A server with one replica, all up, for each entry; its memory is the first entry."""
        spec = server_spec(replicas=len(memories), memory=memories[0] if memories else 1000, **fields)
        self.act(action(kind, name, server=ServerManifest(name, spec, Source("s", 1))))
        self.up |= {key for key, _ in self.state.replicas()}

    def act(self, what: Action) -> None:
        """Performs an action."""
        self.state = actions.perform(self.state, actions.World(self.up, INSTALLED), what)

    def load(self, manifest: ModelManifest, **fields: object) -> int:
        """Asks for a load; returns the number of the live version."""
        self.act(action(ActionKind.LOAD, manifest.name, model=manifest, **fields))
        return self.state.models[manifest.name].live.number

    def do(self, kind: ActionKind, manifest: ModelManifest, **fields: object) -> None:
        """Any other action on a model."""
        self.act(action(kind, manifest.name, model=manifest, **fields))

    def becomes(self, name: str, number: int, *indices: int, to: ReplicaState = S.AVAILABLE) -> None:
        """A fact about a version on some replicas; all it is on when none is named."""
        version = self.version(name, number)
        for index in indices or [i for i, _ in version.replicas]:
            key = LoadKey(name, number, ReplicaKey(version.server, index))
            if to is S.LOAD_FAILED:
                self.state = facts.load_failed(self.state, key, "broken")
            else:
                self.state = facts.moved(self.state, key, to)

    def serve(self, manifest: ModelManifest) -> int:
        """Loads, all goes well, and shifts."""
        number = self.load(manifest)
        self.becomes(manifest.name, number)
        self.do(ActionKind.SHIFT, manifest, number=number)
        return number

    def version(self, name: str, number: int):  # type: ignore[no-untyped-def]  # a VersionRecord that must be there
        """Returns a version that must be there."""
        found = self.state.models[name].version(number)
        assert found is not None
        return found

    def states(self, name: str, number: int) -> dict[int, ReplicaState]:
        """Returns the states of a version by replica."""
        return dict(self.version(name, number).replicas)

    def room(self, server: str) -> list[int]:
        """Returns the room of all replicas of a server."""
        return [scheduler.room(self.state, ReplicaKey(server, r.index)) for r in self.state.servers[server].replicas]
