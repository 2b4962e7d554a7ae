"""The desired state: what the manifests of one commit say, as frozen data.

Field names follow the kinds of Seldon Core 2 (docs/seldon.md, "Objects"), in Python's spelling. Memory is always in
bytes. Nothing here reads a file or knows YAML.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar

import orjson

from reconciler.model.canonical import canonical_json as canonical_json  # noqa: PLC0414 - whoever reads manifests needs it
from reconciler.model.experiments import ExperimentSpec
from reconciler.model.pipelines import PipelineSpec

PREFIX = "model-reconciler.io/"
"""Prefix of all our labels and annotations."""

INSTANCE_LABEL = PREFIX + "instance"
"""Label that says which instance owns an object."""

COMMIT_ANNOTATION = PREFIX + "commit"
"""Annotation that says which commit last changed an object; never a difference by itself."""

DEFAULT_SERVER_MEMORY = 1_000_000_000
"""Bytes of a replica whose podSpec requests none: Seldon's default install has 1 GB (docs/seldon.md, "Capacity")."""

DEFAULT_OVERCOMMIT_PERCENT = 10
"""SELDON_OVERCOMMIT_PERCENTAGE when unset (docs/seldon.md, "Capacity")."""


_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def _compact(content: object) -> bytes:
    """Returns `content` as JSON without spaces; the quick way cannot say numbers of more than 64 bits."""
    try:
        return orjson.dumps(content)
    except TypeError:
        return _COMPACT(content).encode()


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Where a manifest stands: path inside the repository folder and 1-based line of its document."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Strategy(enum.StrEnum):
    """How a rollout is done, as the user says (annotation `strategy`)."""

    ROLLING = "rolling"
    RECREATE = "recreate"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of `Model.spec.parameters`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Explainer:
    """`Model.spec.explainer`: its type and the model or pipeline it explains."""

    type: str
    model_ref: str | None = None
    pipeline_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Llm:
    """`Model.spec.llm`: exactly one of the two references."""

    model_ref: str | None = None
    pipeline_ref: str | None = None


@dataclass(frozen=True)
class ModelSpec:
    """`Model.spec`. `memory` is in bytes, None when unknown; `replicas` is None when the manifest omits it.

    Without slots, unlike its neighbours: the digest, which every row of the decision table asks for, is reckoned once.
    """

    storage_uri: str
    artifact_version: int | None = None
    model_type: str | None = None
    schema_uri: str | None = None
    secret_name: str | None = None
    requirements: tuple[str, ...] = ()
    memory: int | None = None
    replicas: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    server: str | None = None
    preloaded: bool = False
    dedicated: bool = False
    logger_percent: int | None = None
    explainer: Explainer | None = None
    llm: Llm | None = None
    parameters: tuple[Parameter, ...] = ()
    clean_topics_on_delete: bool | None = None

    @property
    def needs(self) -> frozenset[str]:
        """The capabilities a Server must have: `requirements` and, if set, `modelType`."""
        return frozenset(self.requirements) | ({self.model_type} if self.model_type else frozenset())

    @property
    def wanted_replicas(self) -> int:
        """Replicas asked for; Kubernetes' default of the field is 1."""
        return 1 if self.replicas is None else self.replicas

    @functools.cached_property
    def digest(self) -> str:
        """What identifies a version: 12 hex digits over the artifact-affecting fields, quantities in bytes, order-free.

        Which fields those are: docs/seldon.md, "What makes a new version".
        """
        canonical = [
            self.storage_uri,
            self.artifact_version,
            self.model_type,
            sorted(self.requirements),
            self.memory,
            self.server,
            self.secret_name,
            sorted((p.name, p.value) for p in self.parameters),
            None if self.explainer is None else [getattr(self.explainer, f) for f in Explainer.__slots__],
            None if self.llm is None else [self.llm.model_ref, self.llm.pipeline_ref],
        ]
        return hashlib.sha256(_compact(canonical)).hexdigest()[:12]

    @property
    def in_place(self) -> tuple[int | None, int | None, int | None, int | None]:
        """The fields that change a version without a new load: replicas, minReplicas, maxReplicas, logger."""
        return (self.replicas, self.min_replicas, self.max_replicas, self.logger_percent)


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """What our annotations on a Model say. Times are in seconds.

    `smoke_request` is a V2 inference request as canonical JSON text; a new value of `retry` ends a hold.
    """

    strategy: Strategy = Strategy.ROLLING
    max_unavailable: str | None = None
    suspend: bool = False
    prune: bool = True
    load_timeout: float = 600.0
    drain_timeout: float = 60.0
    smoke_request: str | None = None
    retry: str | None = None

    @property
    def load_terms(self) -> str:
        """Identifies on which terms a load counts as good: 12 hex digits over smoke request and time limit."""
        return hashlib.sha256(f"{self.load_timeout:g} {self.smoke_request}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """What our annotations on a Server say."""

    surge_replicas: int = 0
    suspend: bool = False
    prune: bool = True


@dataclass(frozen=True, slots=True)
class CarriedPolicy:
    """What our annotations on an Experiment or a Pipeline say."""

    suspend: bool = False
    prune: bool = True


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """`Server.spec`.

    `memory` is the `resources.requests.memory` of the container named as `server_config` in `podSpec`, in bytes;
    `overcommit_percent` the container `agent`'s `SELDON_OVERCOMMIT_PERCENTAGE`; both None when unset.
    `rest` holds every other field of the spec (podSpec as a whole among them) as canonical JSON text, so that nothing
    a user wrote is lost when the object is written.
    """

    server_config: str
    replicas: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    capabilities: tuple[str, ...] | None = None
    extra_capabilities: tuple[str, ...] = ()
    memory: int | None = None
    overcommit_percent: int | None = None
    rest: str = "{}"

    @property
    def wanted_replicas(self) -> int:
        """Replicas asked for; the field's default is 1."""
        return 1 if self.replicas is None else self.replicas

    @property
    def fixed_size(self) -> bool:
        """Whether the manifest leaves no room for an autoscaler (docs/planning-decisions.md, "Servers")."""
        return self.min_replicas is None and self.max_replicas is None

    @property
    def limit(self) -> int:
        """Bytes that may be scheduled on one replica: memory × (1 + overcommit/100)."""
        memory = DEFAULT_SERVER_MEMORY if self.memory is None else self.memory
        percent = DEFAULT_OVERCOMMIT_PERCENT if self.overcommit_percent is None else self.overcommit_percent
        return memory * (100 + percent) // 100


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """One Model document. `labels` and `annotations` are the user's own, ours (`PREFIX`) left out.

    `leaves_replicas` is set by the planner where Git says no `spec.replicas`: the number in `spec` is only what is live
    or would be, and is written only where it differs from live.
    """

    name: str
    spec: ModelSpec
    source: Source
    policy: ModelPolicy = ModelPolicy()
    namespace: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    leaves_replicas: bool = False


@dataclass(frozen=True, slots=True)
class ServerManifest:
    """One Server document. `labels` and `annotations` are the user's own, ours (`PREFIX`) left out.

    `leaves_replicas`: as for a `ModelManifest`; also where minReplicas and maxReplicas leave the number to others.
    """

    name: str
    spec: ServerSpec
    source: Source
    policy: ServerPolicy = ServerPolicy()
    namespace: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    leaves_replicas: bool = False


@dataclass(frozen=True, slots=True)
class ExperimentManifest:
    """One Experiment document. `labels` and `annotations` are the user's own, ours (`PREFIX`) left out."""

    kind: ClassVar[str] = "Experiment"
    name: str
    spec: ExperimentSpec
    source: Source
    namespace: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    policy: CarriedPolicy = CarriedPolicy()

    @property
    def ref(self) -> str:
        """Kind and name: those of different kinds may have the same name."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class PipelineManifest:
    """One Pipeline document. `labels` and `annotations` are the user's own, ours (`PREFIX`) left out."""

    kind: ClassVar[str] = "Pipeline"
    name: str
    spec: PipelineSpec
    source: Source
    namespace: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    policy: CarriedPolicy = CarriedPolicy()

    @property
    def ref(self) -> str:
        """Kind and name: those of different kinds may have the same name."""
        return f"{self.kind}/{self.name}"


CarriedManifest = ExperimentManifest | PipelineManifest
"""One document of what is carried along (docs/glossary.md)."""


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The manifests of one commit, all of them valid, each kind sorted by name.

    Attributes:
        commit: full hash of the commit; empty for an uncommitted folder.
        skipped: number of documents of other API groups, which are not ours to read.
    """

    commit: str
    models: tuple[ModelManifest, ...] = ()
    servers: tuple[ServerManifest, ...] = ()
    skipped: int = 0
    experiments: tuple[ExperimentManifest, ...] = ()
    pipelines: tuple[PipelineManifest, ...] = ()

    def __post_init__(self) -> None:
        for attribute in ("models", "servers", "experiments", "pipelines"):
            object.__setattr__(self, attribute, tuple(sorted(getattr(self, attribute), key=lambda item: item.name)))

    @property
    def carried(self) -> tuple[CarriedManifest, ...]:
        """What is carried along: the pipelines, then the experiments."""
        return (*self.pipelines, *self.experiments)

    @property
    def digest(self) -> str:
        """Identifies what is desired, whatever commit, file or line says it."""
        content: list[object] = [
            (m.name, values(m.spec), values(m.policy), m.namespace, m.labels, m.annotations)
            for manifests in (self.models, self.servers)
            for m in manifests
        ]
        content += [
            (c.ref, values(c.spec), values(c.policy), c.namespace, c.labels, c.annotations) for c in self.carried
        ]
        return digest_of(content)


def values(record: Any) -> object:
    """Returns what the fields of `record` hold as a tuple, which says as much as its `repr` at a tenth of the cost."""
    kind: Any = type(record)
    return _reader(kind)(record)


@cache
def _reader(kind: Any) -> Callable[[object], object]:
    return attrgetter(*(item.name for item in fields(kind) if item.compare))


def digest_of(content: object) -> str:
    """Returns 12 hex digits that identify `content`: tuples, lists and records of plain values, in their order."""
    try:
        said = orjson.dumps(content)
    except TypeError:  # a number of more than 64 bits, say
        said = repr(content).encode()
    return hashlib.sha256(said).hexdigest()[:12]
