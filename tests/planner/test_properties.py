"""Random desired and live states: every plan survives its replay and says something about everything."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.live import LiveModel, LiveReplica, LiveServer, LiveState, LiveVersion, ReplicaState, VersionState
from reconciler.model.manifests import (
    DesiredState,
    ModelManifest,
    ModelPolicy,
    ModelSpec,
    ServerManifest,
    ServerSpec,
    Source,
    Strategy,
)
from reconciler.model.plan import Guards, Verb
from reconciler.planner import plan
from tests.planner.case import TRAITS

SERVERS = ("a", "b")
MODELS = ("m0", "m1", "m2", "m3", "m4")
NOWHERE = Source("x.yaml", 1)


def model_specs() -> st.SearchStrategy[ModelSpec]:
    return st.builds(
        ModelSpec,
        storage_uri=st.sampled_from(["v1", "v2", "v3"]),
        requirements=st.just(("sklearn",)),
        memory=st.sampled_from([100, 200, 300, 450, 600]),
        replicas=st.sampled_from([1, 1, 1, 2]),
        server=st.sampled_from([None, None, "a", "b"]),
    )


def server_specs() -> st.SearchStrategy[ServerSpec]:
    return st.builds(
        lambda n, memory: ServerSpec("mlserver", n, n, memory=memory, overcommit_percent=0),
        st.sampled_from([1, 2, 3]),
        st.sampled_from([1000, 1500]),
    )


@st.composite
def live_states(draw: st.DrawFn) -> LiveState:
    """Servers with models placed by first fit; versions whole, loading, failed or waiting for their shift."""
    specs = {name: draw(server_specs()) for name in SERVERS if draw(st.booleans()) or name == "a"}
    room = {(name, index): spec.limit for name, spec in specs.items() for index in range(spec.wanted_replicas)}
    models = []
    for name in MODELS:
        if draw(st.booleans()):
            models.append(_live_model(draw, name, room))
    servers = tuple(
        LiveServer(
            name,
            spec,
            frozenset({"sklearn"}),
            tuple(LiveReplica(i, spec.limit, room[name, i]) for i in range(spec.wanted_replicas)),
            "default",
        )
        for name, spec in specs.items()
    )
    traits = TRAITS[draw(st.sampled_from(["local", "seldon"]))]
    return LiveState(1000.0, tuple(m for m in models if m), servers, (), traits)


def _live_model(draw: st.DrawFn, name: str, room: dict[tuple[str, int], int]) -> LiveModel | None:
    spec = draw(model_specs())
    versions: list[LiveVersion] = []
    states = draw(
        st.sampled_from([("whole",), ("whole", "loading"), ("whole", "whole"), ("whole", "failed"), ("loading",)])
    )
    for number, state in enumerate(states, 1):
        own = dataclasses.replace(spec, storage_uri=f"{spec.storage_uri}" if number == len(states) else "v0")
        version = _placed(number, own, state, room)
        if version is None:
            return None
        versions.append(version)
    route = ((1, 1),) if states[0] == "whole" else ()
    return LiveModel(name, spec, "default", versions=tuple(versions), route=route)


def _placed(number: int, spec: ModelSpec, state: str, room: dict[tuple[str, int], int]) -> LiveVersion | None:
    memory = spec.memory or 0
    replica = {"whole": ReplicaState.AVAILABLE, "loading": ReplicaState.LOADING, "failed": ReplicaState.LOAD_FAILED}[
        state
    ]
    kind = {"whole": VersionState.AVAILABLE, "loading": VersionState.PROGRESSING, "failed": VersionState.FAILED}[state]
    for server in [spec.server] if spec.server else SERVERS:
        slots = [slot for slot in room if slot[0] == server and room[slot] >= memory][: spec.wanted_replicas]
        if len(slots) == spec.wanted_replicas:
            for slot in slots if state != "failed" else ():
                room[slot] -= memory
            replicas = tuple((index, replica) for _, index in slots)
            return LiveVersion(number, spec.digest, memory, str(server), kind, replicas, spec.wanted_replicas)
    return None


@st.composite
def desired_states(draw: st.DrawFn) -> DesiredState:
    policies = st.builds(ModelPolicy, strategy=st.sampled_from([Strategy.ROLLING, Strategy.ROLLING, Strategy.RECREATE]))
    models = [ModelManifest(n, draw(model_specs()), NOWHERE, draw(policies)) for n in MODELS if draw(st.booleans())]
    servers = [ServerManifest(n, draw(server_specs()), NOWHERE) for n in SERVERS if draw(st.booleans())]
    fixed = [dataclasses.replace(s, spec=dataclasses.replace(s.spec, min_replicas=None)) for s in servers]
    return DesiredState("c0ffee", tuple(models), tuple(fixed))


@settings(max_examples=200, deadline=None)
@given(desired_states(), live_states(), st.sampled_from(["0", "1", "100%"]))
def test_every_plan_survives_its_replay_and_decides_about_everything(
    desired: DesiredState, live: LiveState, deletions: str
) -> None:
    result = plan(desired, live, Guards(max_deletions=deletions))
    names = {("Model", m.name) for m in desired.models} | {("Model", m.name) for m in live.models}
    names |= {("Server", s.name) for s in desired.servers} | {("Server", s.name) for s in live.servers}
    assert {(d.kind, d.name) for d in result.decisions} == names
    assert len(result.decisions) == len(names)
    assert all(row.peak <= row.limit for row in result.capacity)
    acting = {Verb.LOAD, Verb.ROLL_OUT, Verb.RECREATE, Verb.CHANGE, Verb.CREATE, Verb.DECOMMISSION}
    subjects = {action.subject for action in result.actions}
    assert all(d.name in subjects for d in result.decisions if d.verb in acting)
