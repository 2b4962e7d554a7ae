"""Random clusters, commits, and things that others do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from reconciler.clusters.documents import NOWHERE as NOWHERE_TO_LOAD
from reconciler.clusters.simulated import Artifact
from reconciler.model.manifests import (
    DesiredState,
    ModelManifest,
    ModelPolicy,
    ModelSpec,
    ServerManifest,
    ServerSpec,
    Source,
    Strategy,
    canonical_json,
)

MODELS = ("m0", "m1", "m2", "m3")
SERVERS = ("a", "b")
MEMORY = 1_000_000
NOWHERE = Source("x.yaml", 1)

ARTIFACTS = {
    "good1": Artifact(),
    "good2": Artifact(),
    "good3": Artifact(),
    "slow": Artifact(load_seconds=4.0),
    "slow-on-0": Artifact(slow_on={0: 3.0}),
    "broken": Artifact(fails=True),
    "broken-on-1": Artifact(fails_on=frozenset({1})),
    "missing": Artifact(missing=True),
    NOWHERE_TO_LOAD: Artifact(missing=True),
}

_URIS = ["good1", "good2", "good3", "good1", "good2", "slow", "slow-on-0", "broken", "broken-on-1", "missing"]


@dataclass(frozen=True)
class Foreign:
    """Something that somebody else does: what, to whom, with what."""

    what: str
    name: str
    spec: tuple[tuple[str, Any], ...] = ()
    wait: float = 0.0


def policies() -> st.SearchStrategy[ModelPolicy]:
    return st.builds(
        ModelPolicy,
        strategy=st.sampled_from([Strategy.ROLLING] * 5 + [Strategy.RECREATE]),
        max_unavailable=st.sampled_from([None, None, None, "1", "0", "100%"]),
        suspend=st.sampled_from([False] * 9 + [True]),
    )


def model_specs() -> st.SearchStrategy[ModelSpec]:
    return st.builds(
        ModelSpec,
        storage_uri=st.sampled_from(_URIS),
        requirements=st.just(("sklearn",)),
        memory=st.sampled_from([100_000, 200_000, 300_000, 450_000, 600_000, 900_000]),
        replicas=st.sampled_from([1, 1, 2, 2, 3, None]),
        min_replicas=st.sampled_from([None, None, None, 1]),
        server=st.sampled_from([None, None, None, "a", "b"]),
    )


def model_manifests(name: str) -> st.SearchStrategy[ModelManifest]:
    return st.builds(ModelManifest, st.just(name), model_specs(), st.just(NOWHERE), policies())


def _server_spec(replicas: int, low: int | None, high: int | None, memory: int = MEMORY) -> ServerSpec:
    container = {"name": "mlserver", "resources": {"requests": {"memory": str(memory)}}}
    agent = {"name": "agent", "env": [{"name": "SELDON_OVERCOMMIT_PERCENTAGE", "value": "0"}]}
    rest = canonical_json({"podSpec": {"containers": [agent, container]}})
    return ServerSpec("mlserver", replicas, low, high, memory=memory, overcommit_percent=0, rest=rest)


def server_manifests(name: str) -> st.SearchStrategy[ServerManifest]:
    sizes = st.sampled_from([(1, None, None), (2, None, None), (2, None, None), (3, None, None), (2, 1, 3), (1, 1, 2)])
    memory = st.sampled_from([MEMORY] * 5 + [1_200_000, 800_000])
    return st.tuples(sizes, memory).map(lambda drawn: ServerManifest(name, _server_spec(*drawn[0], drawn[1]), NOWHERE))


@st.composite
def commits(draw: st.DrawFn) -> DesiredState:
    """A commit: Server a and perhaps b, and some models."""
    servers = [draw(server_manifests("a"))]
    if draw(st.booleans()):
        servers.append(draw(server_manifests("b")))
    models = [draw(model_manifests(name)) for name in MODELS if draw(st.integers(0, 3))]
    return DesiredState("c0ffee", tuple(models), tuple(servers))


@st.composite
def next_commits(draw: st.DrawFn, before: DesiredState) -> DesiredState:
    """A commit that changes some of what was there before."""
    models = []
    for name in MODELS:
        old = next((m for m in before.models if m.name == name), None)
        what = draw(st.sampled_from(["keep", "keep", "new", "replicas", "gone"]))
        if what == "new" or (old is None and what != "gone"):
            models.append(draw(model_manifests(name)))
        elif old is not None and what == "replicas":
            spec = draw(model_specs())
            changed = {field: getattr(old.spec, field) for field in ModelSpec.__dataclass_fields__}
            changed["replicas"] = spec.replicas
            models.append(ModelManifest(name, ModelSpec(**changed), NOWHERE, old.policy))
        elif old is not None and what == "keep":
            models.append(old)
    servers = [
        draw(server_manifests(server.name)) if draw(st.integers(0, 4)) == 0 else server for server in before.servers
    ]
    return DesiredState("facade", tuple(models), tuple(servers))


@st.composite
def foreign(draw: st.DrawFn) -> Foreign:
    """Something that somebody else does between two of our passes."""
    what = draw(st.sampled_from(["apply", "scale", "delete", "new and delete", "restart", "lose", "size"]))
    wait = draw(st.sampled_from([0.0, 0.15, 0.4, 1.0, 3.0, 8.0]))
    if what in ("lose", "size"):
        return Foreign(what, draw(st.sampled_from(SERVERS)), (("replicas", draw(st.integers(1, 3))),), wait)
    spec = {
        "storageUri": draw(st.sampled_from(_URIS)),
        "requirements": ["sklearn"],
        "memory": str(draw(st.sampled_from([100_000, 300_000, 600_000]))),
        "replicas": draw(st.sampled_from([1, 1, 2, 3])),
    }
    name = draw(st.sampled_from([*MODELS, "other"]))
    return Foreign(what, name, tuple(spec.items()), wait)
