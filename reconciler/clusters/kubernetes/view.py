"""Objects of the API server and reports of the scheduler → `LiveState`. Pure.

An object's status is not read where the scheduler reports: it may be of an older generation without saying so. A
version is the live spec's if its generation is the object's (docs/seldon.md, "Status: what to believe").
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.clusters.kubernetes.carried_view import Words, live_experiment, live_pipeline
from reconciler.clusters.kubernetes.ownership import metadata_of_ours
from reconciler.clusters.kubernetes.probe import PROBE_LABEL
from reconciler.clusters.kubernetes.reported import Reported, ReportedModel, ReportedVersion
from reconciler.clusters.kubernetes.server_view import ServerObjects, Templates, live_servers, server_configs
from reconciler.clusters.kubernetes.texts import texts
from reconciler.model.codec import model_spec_from_json
from reconciler.model.live import LOADS_IN_FLIGHT, SELDON_TRAITS, LiveModel, LiveState, LiveVersion, VersionState
from reconciler.model.manifests import INSTANCE_LABEL, ModelSpec
from reconciler.model.records import Records, records

Json = Mapping[str, Any]
Objects = Mapping[str, Json]
"""Objects of one kind by name."""

PROBE_SECONDS = 120.0
"""Seconds after which a probe's Model counts as left behind."""

NEWEST = 10
"""Generations of an object that are known though no version names them."""

_OVER = (VersionState.TERMINATED, VersionState.SCALED_DOWN)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the API server has. Each attribute: objects of one kind, by name."""

    models: Objects = field(default_factory=dict)
    servers: Objects = field(default_factory=dict)
    server_configs: Objects = field(default_factory=dict)
    stateful_sets: Objects = field(default_factory=dict)
    experiments: Objects = field(default_factory=dict)
    pipelines: Objects = field(default_factory=dict)


class KnownSpecs:
    """Specs by object and generation, as seen by this process: the scheduler names versions by generation only."""

    def __init__(self) -> None:
        self._specs: dict[str, dict[int, ModelSpec]] = {}

    def keep(self, uid: str, generation: int, spec: ModelSpec, named: Collection[int] = ()) -> None:
        """Keeps what an object said at a generation.

        Args:
            named: the generations of its versions, empty if nobody reports any. What no version names is forgotten,
                but for the newest few: the scheduler may not have taken them in yet.
        """
        specs = self._specs.setdefault(uid, {})
        specs[generation] = spec
        if named and len(specs) > NEWEST:
            newest = sorted(specs)[-NEWEST:]
            self._specs[uid] = {each: specs[each] for each in specs if each in newest or each in named}

    def __len__(self) -> int:
        """Returns the number of objects."""
        return len(self._specs)

    def forget_all_but(self, uids: Collection[str]) -> None:
        """Forgets the objects that are gone."""
        self._specs = {uid: specs for uid, specs in self._specs.items() if uid in uids}

    def spec(self, uid: str, generation: int) -> ModelSpec | None:
        """Returns what an object said at a generation, None when nobody looked then."""
        return self._specs.get(uid, {}).get(generation)


class View:
    """Makes a `LiveState` of each look, and of what has not changed since the last one nothing anew."""

    def __init__(self) -> None:
        self._known = KnownSpecs()
        self._templates = Templates()
        self._words = Words()
        self._models: dict[str, tuple[str, ReportedModel | None, LiveModel]] = {}

    def live_state(self, seen: Seen, reported: Reported, observed_at: float, hold: str = "") -> LiveState:
        """Returns what is live. `observed_at`: Unix time in seconds. `hold`: as in `LiveState`, if known already."""
        models = {name: self._model(found, reported.models.get(name)) for name, found in seen.models.items()}
        self._models = {name: self._models[name] for name in models}
        if len(self._known) > len(seen.models):
            self._known.forget_all_but({str(found["metadata"].get("uid", "")) for found in seen.models.values()})
        in_flight = loads_in_flight(models.values())
        new_pods = self._templates.pending(seen.servers, seen.stateful_sets, observed_at)
        servers = ServerObjects(seen.servers, seen.stateful_sets, seen.server_configs, new_pods)
        return LiveState(
            observed_at=observed_at,
            models=tuple(model for name, model in models.items() if not _is_probe(seen.models[name], observed_at)),
            servers=tuple(live_servers(servers, reported, models.values(), in_flight)),
            server_configs=tuple(server_configs(seen.server_configs)),
            traits=SELDON_TRAITS,
            hold=hold or _not_told(reported),
            experiments=tuple(
                live_experiment(found, settled=self._words.settled(found, observed_at))
                for found in seen.experiments.values()
            ),
            pipelines=tuple(
                live_pipeline(found, settled=self._words.settled(found, observed_at))
                for found in seen.pipelines.values()
            ),
        )

    def _model(self, found: Json, reported: ReportedModel | None) -> LiveModel:
        metadata = found["metadata"]
        name, revision = metadata["name"], metadata.get("resourceVersion", "")
        before = self._models.get(name)
        if before is not None and before[0] == revision and before[1] is reported:
            return before[2]
        live = live_model(found, reported, self._known)
        self._models[name] = (revision, reported, live)
        return live


def _is_probe(found: Json, now: float) -> bool:
    """Whether it is a throw-away Model of somebody who is asking. One that was left behind long ago is shown."""
    metadata = found["metadata"]
    if PROBE_LABEL not in (metadata.get("labels") or {}):
        return False
    made = time_of(metadata.get("creationTimestamp"))
    return made is None or now - made < PROBE_SECONDS


def time_of(text: object) -> float | None:
    """Returns the Unix time in seconds of a timestamp of the API, None when it is none."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def _not_told(reported: Reported) -> str:
    if not reported.restarted:
        return ""
    return "Seldon's scheduler has just restarted: routes take up to 10 s to follow"


def live_model(found: Json, reported: ReportedModel | None, known: KnownSpecs) -> LiveModel:
    """Returns one model; what its object says is kept in `known`."""
    metadata = found["metadata"]
    uid, generation = str(metadata.get("uid", "")), int(metadata.get("generation") or 0)
    spec = spec_of(found)
    known.keep(uid, generation, spec, [] if reported is None else [each.generation for each in reported.versions])
    labels, annotations = texts(metadata.get("labels")), texts(metadata.get("annotations"))
    kept = records(annotations)
    model = None if reported is None or reported.deleted else reported
    now = _Now(uid, generation, spec, kept, known)
    versions = () if model is None else model.versions
    shown = [v for v in versions if v is versions[-1] or v.state not in _OVER]
    return LiveModel(
        name=str(metadata["name"]),
        spec=spec,
        instance=labels.get(INSTANCE_LABEL),
        namespace=metadata.get("namespace"),
        labels=tuple(sorted(labels.items())),
        annotations=tuple(sorted(annotations.items())),
        versions=tuple(_version(v, now, latest=v is versions[-1]) for v in shown),
        route=() if model is None else model.route,
        deleting="deletionTimestamp" in metadata,
        failure=kept.failure,
        rollout=kept.rollout,
        deleting_since=time_of(metadata.get("deletionTimestamp")),
        owned=metadata_of_ours(found),
    )


@dataclass(frozen=True, slots=True)
class _Now:
    """What the object says now, and what it said before."""

    uid: str
    generation: int
    spec: ModelSpec
    kept: Records
    known: KnownSpecs


def _version(version: ReportedVersion, now: _Now, *, latest: bool) -> LiveVersion:
    spec = now.known.spec(now.uid, version.generation)
    late = latest and version.generation < now.generation
    asked = version.available + version.unavailable
    return LiveVersion(
        number=version.number,
        digest=_not_taken_in(version) if late or (latest and spec is None) else spec.digest if spec else None,
        memory=_memory(spec, now),
        server=version.server,
        state=version.state,
        replicas=version.replicas,
        wanted=spec.wanted_replicas if spec is not None else asked,
        reason=version.reason,
    )


def _not_taken_in(version: ReportedVersion) -> str:
    """Returns the digest of the latest version while the object says something newer: it equals no other digest.

    What is written may be a version of its own, a change in place or a mere new try. Until the scheduler has taken it
    in, nothing that stands here is the answer to it.
    """
    return f"generation {version.generation}"


def _memory(spec: ModelSpec | None, now: _Now) -> int:
    """Returns the bytes that a version takes. One nobody saw takes what is on record, else what the live one takes."""
    if spec is None:
        spec = now.spec if now.kept.rollout is None else now.kept.rollout.previous
    return spec.memory or 0


def spec_of(found: Json) -> ModelSpec:
    """Returns the spec of a Model's object; memory that is no quantity counts as unset."""
    spec = found.get("spec")
    fields = spec if isinstance(spec, dict) else {}
    try:
        return model_spec_from_json(fields)
    except (ValueError, AttributeError):
        return model_spec_from_json({name: value for name, value in fields.items() if name != "memory"})


def loads_in_flight(models: Iterable[LiveModel]) -> dict[tuple[str, int], int]:
    """Returns the bytes of the loads in flight, per Server and replica index."""
    taken: dict[tuple[str, int], int] = {}
    for model in models:
        for version in model.versions:
            for index, state in version.replicas:
                if state in LOADS_IN_FLIGHT:
                    slot = (version.server, index)
                    taken[slot] = taken.get(slot, 0) + version.memory
    return taken
