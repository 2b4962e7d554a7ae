"""Random clusters and commits: every state of a version that Seldon has a name for, and what a killed pass may leave.

Names, sizes and artifacts come from small sets, so that the same version, the same server and the last bit of room meet
often. A state may be odd (nobody promises that what is observed is consistent), but it never holds what cannot be: a
version sits on replicas of one server, and room is what the limit leaves or less.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from reconciler.model.live import (
    Failure,
    LiveModel,
    LiveReplica,
    LiveServer,
    LiveState,
    LiveVersion,
    ReplicaState,
    Rollout,
    ServerConfig,
    VersionState,
)
from reconciler.model.manifests import (
    DesiredState,
    ModelManifest,
    ModelPolicy,
    ModelSpec,
    ServerManifest,
    ServerPolicy,
    ServerSpec,
    Source,
    Strategy,
)
from reconciler.model.plan import Guards, ProbePolicy
from tests.planner.case import TRAITS

SERVERS = ("a", "b")
MODELS = ("m0", "m1", "m2", "m3")
NOW = 1000.0
NOWHERE = Source("x.yaml", 1)

_V, _R = VersionState, ReplicaState
UP, LOADING, LOADED, FAILED = _R.AVAILABLE, _R.LOADING, _R.LOADED, _R.LOAD_FAILED
LEAVING, DRAINING, STOPPED, GONE = _R.UNLOADING, _R.DRAINING, _R.LOADED_UNAVAILABLE, _R.UNLOADED


@dataclass(frozen=True)
class Shape:
    """A version's state: of itself, of its replicas in turn (the last one repeats), and how many more it asks for."""

    state: VersionState
    replicas: tuple[ReplicaState, ...]
    missing: int = 0


WHOLE = Shape(_V.AVAILABLE, (UP,))
LIVE_SHAPES = (
    *([WHOLE] * 24),
    Shape(_V.AVAILABLE, (UP,), missing=1),
    Shape(_V.AVAILABLE, (UP, LEAVING)),
    Shape(_V.AVAILABLE, (STOPPED,)),
    Shape(_V.PROGRESSING, (LOADING,)),
    Shape(_V.PROGRESSING, (LOADING, LOADED)),
    Shape(_V.PROGRESSING, (UP, LOADING)),
    Shape(_V.PROGRESSING, (DRAINING, LOADING)),
    Shape(_V.FAILED, (FAILED,)),
    Shape(_V.FAILED, (UP, FAILED)),
    Shape(_V.FAILED, (FAILED, LOADING)),
    Shape(_V.FAILED, (FAILED, UP, LOADING)),
    Shape(_V.SCHEDULE_FAILED, ()),
    Shape(_V.SCHEDULE_FAILED, (), missing=1),
    Shape(_V.SCHEDULE_FAILED, (UP,), missing=1),
    Shape(_V.SCHEDULE_FAILED, (UP, LOADING), missing=2),
    Shape(_V.SCALED_DOWN, ()),
    Shape(_V.TERMINATING, (LEAVING,)),
    Shape(_V.TERMINATE_FAILED, (_R.UNLOAD_FAILED,)),
    Shape(_V.UNKNOWN, ()),
)
OLDER_SHAPES = (
    *([WHOLE] * 6),
    Shape(_V.AVAILABLE, (UP,), missing=1),
    Shape(_V.FAILED, (UP, FAILED)),
    Shape(_V.PROGRESSING, (LOADING,)),
    Shape(_V.PROGRESSING, (UP, LOADING)),
    Shape(_V.TERMINATING, (LEAVING,)),
    Shape(_V.TERMINATING, (LOADED,)),
    Shape(_V.TERMINATED, (GONE,)),
    Shape(_V.SCHEDULE_FAILED, (UP,), missing=1),
)


def often(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Draws `usual` half of the time."""
    return st.sampled_from([*([usual] * len(others)), *others])


def model_specs() -> st.SearchStrategy[ModelSpec]:
    """What a manifest or a live object may say of a model; replicas and their bounds agree."""
    return st.builds(
        lambda spec, least: dataclasses.replace(
            spec, min_replicas=None if least is None else min(least, spec.wanted_replicas)
        ),
        st.builds(
            ModelSpec,
            storage_uri=st.sampled_from(["v1", "v2"]),
            requirements=st.sampled_from([("sklearn",)] * 8 + [("torch",), ("sklearn", "torch")]),
            memory=st.sampled_from([300, 300, 100, 450, 450, 600, 600, 600, None]),
            replicas=st.sampled_from([None, 1, 1, 2, 2, 3]),
            server=st.sampled_from([None, None, None, "a", "b"]),
            logger_percent=often(None, 10),
        ),
        often(None, 1, 2),
    )


def policies() -> st.SearchStrategy[ModelPolicy]:
    """What our annotations on a model may say."""
    return st.builds(
        ModelPolicy,
        strategy=st.sampled_from([Strategy.ROLLING] * 4 + [Strategy.RECREATE]),
        max_unavailable=often(None, "0", "1", "25%", "100%"),
        suspend=st.sampled_from([False] * 19 + [True]),
        prune=st.sampled_from([True] * 4 + [False]),
        retry=often(None, "again"),
    )


@st.composite
def server_specs(draw: st.DrawFn, live: bool = False) -> ServerSpec:
    """Fixed sizes, ranges, and (on a cluster) what nobody keeps the autoscaler from shrinking."""
    replicas = draw(st.sampled_from([1, 2, 2, 3]))
    memory = draw(st.sampled_from([1000, 1000, 1500]))
    least, most = draw(st.sampled_from([(None, None), (None, None), (1, 3), (replicas, 3), (None, 3)]))
    if live and least is None and draw(st.booleans()):
        least = replicas
    extra = draw(often((), ("torch",)))
    return ServerSpec(
        "mlserver",
        replicas,
        None if least is None else min(least, replicas),
        most,
        extra_capabilities=extra,
        memory=memory,
        overcommit_percent=0,
    )


@dataclass
class _Builder:
    """Puts models on servers, by first fit; what does not fit anywhere is put down as not placed."""

    draw: st.DrawFn
    specs: dict[str, ServerSpec]
    room: dict[tuple[str, int], int]
    twice: bool

    def version(self, number: int, spec: ModelSpec, shape: Shape) -> LiveVersion:
        wanted, memory = spec.wanted_replicas, spec.memory or 0
        digest = spec.digest if self.draw(st.sampled_from([True] * 7 + [False])) else None
        server = self._server(spec, memory, wanted) if shape.replicas else None
        replicas: list[tuple[int, ReplicaState]] = []
        if server is not None:
            for place, index in enumerate(self._free(server, memory)[:wanted]):
                loaded = shape.replicas[min(place, len(shape.replicas) - 1)]
                replicas.append((index, loaded))
                if loaded not in (FAILED, GONE):
                    self.room[server, index] -= memory * (2 if self.twice and loaded is LOADING else 1)
        state = shape.state if replicas or not shape.replicas else _V.SCHEDULE_FAILED
        asked = max(len(replicas) + shape.missing, 0 if state is _V.SCALED_DOWN else 1)
        placed = tuple(sorted(replicas))
        return LiveVersion(number, digest, memory, server or "", state, placed, max(asked, 1) if replicas else wanted)

    def _server(self, spec: ModelSpec, memory: int, wanted: int) -> str | None:
        names = [name for name in ([spec.server] if spec.server else list(self.specs)) if name in self.specs]
        fitting = [name for name in names if len(self._free(name, memory)) >= wanted]
        fitting = fitting or [name for name in names if self._free(name, memory)]
        return self.draw(st.sampled_from(fitting)) if fitting else None

    def _free(self, server: str, memory: int) -> list[int]:
        return [index for (name, index), room in sorted(self.room.items()) if name == server and room >= memory]

    def model(self, name: str, desired: ModelSpec | None) -> LiveModel:
        draw = self.draw
        spec = draw(model_specs())
        if desired is not None and draw(st.booleans()):
            spec = desired
        elif desired is not None and draw(st.booleans()):
            spec = dataclasses.replace(desired, storage_uri="v1" if desired.storage_uri == "v2" else "v2")
        spec = dataclasses.replace(spec, replicas=spec.wanted_replicas)
        numbers = draw(st.sampled_from([1, 1, 1, 1, 2, 2, 3]))
        versions: list[LiveVersion] = []
        for number in range(1, numbers + 1):
            newest = number == numbers
            own = spec if newest else self._other(spec)
            versions.append(self.version(number, own, draw(st.sampled_from(LIVE_SHAPES if newest else OLDER_SHAPES))))
        return LiveModel(
            name,
            _asking(spec, max(versions[-1].wanted, 1)),
            draw(st.sampled_from(["default"] * 10 + [None, "team-b"])),
            versions=tuple(versions) if draw(st.sampled_from([True] * 15 + [False])) else (),
            route=self._route(versions),
            deleting=draw(st.sampled_from([False] * 19 + [True])),
            failure=self._failure(spec, desired),
            rollout=self._rollout(spec, desired, versions),
        )

    def _other(self, spec: ModelSpec) -> ModelSpec:
        if self.draw(st.booleans()):
            return dataclasses.replace(spec, storage_uri="v0")
        return dataclasses.replace(self.draw(model_specs()), server=spec.server)

    def _route(self, versions: list[LiveVersion]) -> tuple[tuple[int, int], ...]:
        able = [version.number for version in versions if version.available]
        if not able or self.draw(st.sampled_from([False] * 7 + [True])):
            return ()
        if len(able) > 1 and self.draw(st.sampled_from([False] * 4 + [True])):
            return tuple((number, 50) for number in able)
        return ((self.draw(st.sampled_from(able)), 100),)

    def _failure(self, spec: ModelSpec, desired: ModelSpec | None) -> Failure | None:
        draw = self.draw
        if draw(st.sampled_from([True] * 3 + [False])):
            return None
        digest = draw(st.sampled_from([spec.digest, (desired or spec).digest, "gone"]))
        since = draw(st.sampled_from([10.0, 100.0]))
        return Failure(digest, draw(st.sampled_from([1, 3])), NOW - since, "why", None, "", draw(st.booleans()))

    def _rollout(self, spec: ModelSpec, desired: ModelSpec | None, versions: list[LiveVersion]) -> Rollout | None:
        draw = self.draw
        if draw(st.sampled_from([True] * 3 + [False])):
            return None
        digest = draw(st.sampled_from([spec.digest, (desired or spec).digest, "gone"]))
        same = dataclasses.replace(spec, storage_uri=draw(st.sampled_from(["v0", spec.storage_uri, "v1"])))
        previous = dataclasses.replace(draw(st.one_of(st.just(same), model_specs())), replicas=None, memory=same.memory)
        return Rollout(digest, previous, draw(st.sampled_from([1, 2, 3])), NOW - 20)


def _asking(spec: ModelSpec, replicas: int) -> ModelSpec:
    least = None if spec.min_replicas is None else min(spec.min_replicas, replicas)
    return dataclasses.replace(spec, replicas=replicas, min_replicas=least)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[DesiredState, LiveState]:
    """A commit, and a cluster that has something to do with it."""
    crowd = MODELS[: draw(st.sampled_from([1, 2, 3, 4, 4]))]
    here = st.sampled_from([True, True, True, False])
    manifests = [ModelManifest(name, draw(model_specs()), NOWHERE, draw(policies())) for name in crowd if draw(here)]
    specs = {name: draw(server_specs(live=True)) for name in SERVERS if name == "a" or draw(st.booleans())}
    room = {(name, index): spec.limit for name, spec in specs.items() for index in range(spec.wanted_replicas)}
    traits = draw(st.sampled_from(["local", "seldon", "seldon"]))
    builder = _Builder(draw, specs, room, twice=traits == "seldon" and draw(st.booleans()))
    wanted = {manifest.name: manifest.spec for manifest in manifests}
    names = [name for name in crowd if draw(here)]
    models = [builder.model(name, wanted.get(name)) for name in names]
    live = LiveState(
        NOW,
        tuple(models),
        tuple(_live_server(draw, name, spec, room) for name, spec in specs.items()),
        (ServerConfig("mlserver", frozenset({"sklearn"})),),
        TRAITS[traits],
    )
    return DesiredState("c0ffee", tuple(manifests), tuple(_servers(draw, specs))), live


def _live_server(draw: st.DrawFn, name: str, spec: ServerSpec, room: dict[tuple[str, int], int]) -> LiveServer:
    leaked = draw(often(0, 100, 400))
    replicas = tuple(
        LiveReplica(
            index,
            spec.limit,
            room[name, index] - (leaked if index == 0 else 0),
            draw(st.sampled_from([True] * 14 + [False])),
        )
        for index in range(spec.wanted_replicas)
    )
    owner = draw(st.sampled_from(["default"] * 5 + [None, "team-b"]))
    deleting = draw(st.sampled_from([False] * 19 + [True]))
    offers = frozenset({"sklearn", *spec.extra_capabilities})
    return LiveServer(name, spec, offers, replicas, owner, deleting=deleting)


def _servers(draw: st.DrawFn, live: dict[str, ServerSpec]) -> list[ServerManifest]:
    found = []
    for name in SERVERS:
        spec = draw(server_specs())
        if name in live and draw(st.booleans()):
            spec = dataclasses.replace(live[name], min_replicas=draw(often(None, live[name].min_replicas)))
        if draw(st.sampled_from([True] * 3 + [False])):
            policy = ServerPolicy(suspend=draw(st.sampled_from([False] * 9 + [True])))
            found.append(ServerManifest(name, spec, NOWHERE, policy))
    return found


STAGES = ("before", "shrunk", "loading", "loaded", "shifted", "unloaded", "failed", "refused", "back")
"""How far a stepped rollout came before its pass was killed; `back`: the one before is being loaded again."""


@st.composite
def tight_worlds(draw: st.DrawFn) -> tuple[DesiredState, LiveState]:
    """A server of fixed size that has little room, and models on it of which some are being rolled out in steps."""
    count = draw(st.sampled_from([2, 2, 3, 4]))
    size = ServerSpec("mlserver", count, None, memory=1000, overcommit_percent=0)
    written = dataclasses.replace(size, min_replicas=draw(st.sampled_from([count, count, None])))
    room = {("a", index): 1000 for index in range(count)}
    builder = _Builder(draw, {"a": written}, room, twice=False)
    manifests, models = [], []
    for name in MODELS[: draw(st.sampled_from([1, 2, 3]))]:
        manifest, model = _stepping(builder, name, count)
        manifests += [manifest] if draw(st.sampled_from([True] * 7 + [False])) else []
        models += [model] if model is not None else []
    traits = TRAITS[draw(st.sampled_from(["local", "seldon"]))]
    live = LiveState(NOW, tuple(models), (_live_server(draw, "a", written, room),), (), traits)
    servers = (ServerManifest("a", size, NOWHERE),) if draw(st.sampled_from([True] * 3 + [False])) else ()
    return DesiredState("c0ffee", tuple(manifests), servers), live


def _stepping(builder: _Builder, name: str, count: int) -> tuple[ModelManifest, LiveModel | None]:
    draw = builder.draw
    replicas, memory = draw(st.integers(1, count)), draw(st.sampled_from([150, 300, 450, 600, 700]))
    old = ModelSpec("v1", requirements=("sklearn",), memory=memory, replicas=replicas)
    new = dataclasses.replace(old, storage_uri="v2", memory=draw(st.sampled_from([memory, memory, 300, 500])))
    wanted = dataclasses.replace(
        draw(st.sampled_from([new, new, new, old, dataclasses.replace(new, storage_uri="v3")])),
        replicas=draw(st.sampled_from([replicas, replicas, replicas, None, 1, min(replicas + 1, count)])),
        min_replicas=draw(st.sampled_from([None, None, None, 1])),
    )
    manifest = ModelManifest(name, wanted, NOWHERE, draw(policies()))
    stage = draw(st.sampled_from(STAGES))
    keep = draw(st.integers(1, max(1, replicas - 1))) if stage != "before" else replicas
    begin = replicas if stage in ("unloaded", "before") and draw(st.booleans()) else keep
    shapes = _shapes(stage, keep)
    versions = []
    for number, (spec, shape) in enumerate(shapes, 1):
        asked = dataclasses.replace({"old": old, "new": new}[spec], replicas=keep if number == 1 else begin)
        versions.append(builder.version(number, asked, shape))
        if shape.replicas and not versions[-1].replicas:
            return manifest, None
    last = {"old": old, "new": new}[shapes[-1][0]]
    serving = len(versions) if stage in ("shifted", "unloaded") else 1
    record = Rollout(new.digest, dataclasses.replace(old, replicas=None), replicas, NOW - 20)
    failure = Failure(new.digest, 1, NOW - draw(st.sampled_from([10.0, 100.0])), "why", None, "", stage == "refused")
    model = LiveModel(
        name,
        dataclasses.replace(last, replicas=versions[-1].wanted),
        "default",
        versions=tuple(versions),
        route=((serving, 100),) if versions[serving - 1].available else (),
        failure=failure if stage in ("failed", "refused", "back") and draw(st.booleans()) else None,
        rollout=None if stage == "before" else record,
    )
    return manifest, model


def _shapes(stage: str, keep: int) -> list[tuple[str, Shape]]:
    loading, failed = Shape(_V.PROGRESSING, (LOADING,)), Shape(_V.FAILED, (FAILED,))
    old = ("old", WHOLE)
    return {
        "before": [old],
        "shrunk": [old],
        "loading": [old, ("new", loading)],
        "loaded": [old, ("new", WHOLE)],
        "shifted": [("old", Shape(_V.TERMINATING, (LEAVING,))), ("new", WHOLE)],
        "unloaded": [("old", Shape(_V.TERMINATED, (GONE,))), ("new", WHOLE)],
        "failed": [old, ("new", failed)],
        "refused": [old],
        "back": [old, ("new", failed), ("old", loading)],
    }[stage]


def guards() -> st.SearchStrategy[Guards]:
    """What the planner may do."""
    return st.builds(
        Guards,
        max_deletions=st.sampled_from(["0", "1", "100%"]),
        headroom=st.sampled_from([0, 0, 10]),
        default_model_memory=st.sampled_from([None, 200]),
        probe=st.sampled_from(list(ProbePolicy)),
    )
