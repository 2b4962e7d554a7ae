"""What the planner knows about one model before it decides: what Git says, what is live, what it may do."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

from reconciler.health import is_whole, rollout_under_way, serving_version
from reconciler.model.codec import MODEL_ANNOTATIONS, model_policy, model_policy_annotations
from reconciler.model.live import LiveModel, LiveVersion, Rollout, Traits, VersionState
from reconciler.model.manifests import ModelManifest, ModelPolicy, ModelSpec, Source
from reconciler.model.plan import Guards, ProbePolicy
from reconciler.model.records import ROLLOUT_ANNOTATION, rollout_to_json
from reconciler.planner.ownership import marked, metadata_differs


@dataclass(frozen=True)
class Situation:
    """One model: `desired` is None when Git has none of that name, `live` when the cluster has none; never both.

    `commit` is the desired state's, `now` the Unix time of the observation. `unverified` is whether what is live was
    confirmed by nobody (`LiveState.unverified`). What several rows ask is reckoned once.
    """

    name: str
    desired: ModelManifest | None
    live: LiveModel | None
    guards: Guards
    traits: Traits
    commit: str
    now: float
    unverified: bool = False

    @property
    def ours(self) -> bool:
        """Whether the live object carries our instance's label."""
        return self.live is not None and self.live.instance == self.guards.instance

    @property
    def foreign(self) -> bool:
        """Whether the live object carries another instance's label."""
        return self.live is not None and self.live.instance not in (None, self.guards.instance)

    @cached_property
    def serving(self) -> LiveVersion | None:
        """The version that answers now."""
        return None if self.live is None else serving_version(self.live)

    @property
    def live_version(self) -> LiveVersion | None:
        """The last version written."""
        return None if self.live is None else self.live.live_version

    @cached_property
    def same_version(self) -> bool:
        """Whether the live version is the one Git asks for.

        The cluster may not know a version's digest; then the live object's spec stands for it.
        """
        if self.desired is None or self.live is None:
            return False
        version = self.live.live_version
        digest = (version.digest if version is not None else None) or self.live.spec.digest
        return digest == self.desired.spec.digest

    @cached_property
    def under_way(self) -> bool:
        """Whether the way to the live version has begun and goes on by itself."""
        return self.live is not None and rollout_under_way(self.live)

    @property
    def taken_in(self) -> bool:
        """Whether the cluster has taken in what was written to the object last: until then it shows what was before."""
        if self.live is None or self.live.live_version is None:
            return False
        version, spec = self.live.live_version, self.live.spec
        return version.digest in (None, spec.digest) and version.wanted == spec.wanted_replicas

    @property
    def held_until(self) -> float | None:
        """Unix time until which a failed load of the desired version is not tried again, None when nothing holds it."""
        failure = None if self.live is None else self.live.failure
        if failure is None or self.desired is None or failure.digest != self.desired.spec.digest:
            return None
        policy = self.desired.policy
        asked_again = policy.retry is not None and policy.retry != failure.retry
        if asked_again or policy.load_terms != (failure.terms or policy.load_terms) or failure.held_until <= self.now:
            return None
        return failure.held_until

    @property
    def memory(self) -> int | None:
        """Bytes that a replica of the desired version takes, as reckoned; None when unknown and not assumed."""
        return None if self.desired is None else self.memory_of(self.desired.spec)

    def memory_of(self, spec: ModelSpec) -> int | None:
        """Bytes that a replica of `spec` takes, as reckoned; None when unknown and not assumed."""
        return self.guards.default_model_memory if spec.memory is None else spec.memory

    @property
    def replicas(self) -> int:
        """Replicas of the desired version: Git's number, else (an HPA's) live one, else 1.

        A live number that a stepped rollout lowered is not the autoscaler's: the one to return to counts.
        """
        assert self.desired is not None
        if self.desired.spec.replicas is None and self.live is not None:
            record = self.live.rollout
            return self.live.spec.wanted_replicas if record is None else record.replicas
        return self.desired.spec.wanted_replicas

    @property
    def probes(self) -> bool:
        """Whether the scheduler is asked before a load (docs/planning-decisions.md, "Probes")."""
        if not self.traits.leaks or self.guards.probe is ProbePolicy.NEVER:
            return False
        if self.unverified:
            return True
        version = self.live_version
        refused = version is not None and version.state is VersionState.SCHEDULE_FAILED
        return refused or self.serving is not None or self.guards.probe is ProbePolicy.ALWAYS

    @property
    def unsafe(self) -> bool:
        """Whether a new version may be an outage: what is live is not known for sure, and nothing may be asked."""
        there = self.live is not None and (self.serving is not None or any(v.occupied for v in self.live.versions[:-1]))
        return there and self.unverified and self.traits.leaks and self.guards.probe is ProbePolicy.NEVER

    @property
    def policy(self) -> ModelPolicy:
        """What our annotations say: Git's, else those of the live object."""
        if self.desired is not None:
            return self.desired.policy
        assert self.live is not None
        return model_policy(dict(self.live.annotations))[0]

    @property
    def may_step(self) -> bool:
        """Whether the number of replicas is ours to lower: Git says it, or we have lowered it already."""
        recorded = self.live is not None and self.live.rollout is not None
        return recorded or (self.desired is not None and self.desired.spec.replicas is not None)

    @property
    def serves_previous(self) -> bool:
        """Whether what answers is what the stepped rollout on record has to return to.

        The cluster may not know the digest of an older version; then it is the one before the live version, if the
        rollout leads to that.
        """
        live, serving = self.live, self.serving
        if live is None or live.rollout is None or serving is None:
            return False
        if serving.digest is None and serving != live.live_version:
            return live.spec.digest == live.rollout.digest
        return serving.digest == live.rollout.previous.digest

    @property
    def route_at_risk(self) -> bool:
        """Whether what answers would lose its route to whatever version is scheduled, and cannot be healed in place.

        Where the scheduler moves the route, only a version that is `ModelAvailable` keeps it (docs/seldon.md, "How a
        rolling update really runs"), and only the live version can be changed.
        """
        serving = self.serving
        if serving is None or serving == self.live_version or self.traits.commands_traffic:
            return False
        return not is_whole(serving)

    def most_unavailable(self, replicas: int) -> int:
        """How many of `replicas` a stepped rollout may do without: a number or a share, rounded up; half by default."""
        text = self.policy.max_unavailable or "50%"
        share = -(-replicas * int(text[:-1]) // 100) if text.endswith("%") else int(text)
        return max(0, min(share, replicas - 1))

    def written(self) -> ModelManifest:
        """Returns the manifest as it is written to the cluster: replicas resolved, owner and commit marked.

        Where only the order of requirements or parameters differs from live, the live order is written: on Seldon
        another order would be a new version (docs/seldon.md, "What makes a new version").
        """
        assert self.desired is not None
        spec = dataclasses.replace(self.desired.spec, replicas=self.replicas)
        if self.live is not None and self.live.spec.digest == spec.digest:
            spec = dataclasses.replace(
                spec, requirements=self.live.spec.requirements, parameters=self.live.spec.parameters
            )
        manifest = dataclasses.replace(self.desired, spec=spec, leaves_replicas=self.desired.spec.replicas is None)
        return marked(manifest, self.guards.instance, self.commit)

    def written_as_live(self) -> ModelManifest:
        """Returns what is live as a manifest, to finish what was begun towards it; Git's policy if there is one.

        A stepped rollout on record stays there: writing this ends none.
        """
        assert self.live is not None
        if self.desired is None:
            return self.recorded(_as_manifest(self.live, self.policy))
        return self.recorded(dataclasses.replace(self.written(), spec=self.live.spec))

    def recorded(self, manifest: ModelManifest) -> ModelManifest:
        """Returns `manifest` with the rollout that is on record: a write without it would remove it."""
        return on_record(manifest, None if self.live is None else self.live.rollout)

    def with_replicas(self, manifest: ModelManifest, replicas: int, rollout: Rollout | None = None) -> ModelManifest:
        """Returns `manifest` with another number of replicas and, while a stepped rollout lasts, its annotation.

        `minReplicas` is never more than that: Seldon takes no Model that asks for fewer than it.
        """
        least = manifest.spec.min_replicas
        spec = dataclasses.replace(
            manifest.spec, replicas=replicas, min_replicas=None if least is None else min(least, replicas)
        )
        return on_record(dataclasses.replace(manifest, spec=spec), rollout)

    def metadata_differs(self) -> bool:
        """Returns whether metadata that Git sets is not live, or a policy of ours is live and not in Git."""
        assert self.desired is not None
        assert self.live is not None
        policy = model_policy_annotations(self.desired.policy)
        return metadata_differs(self.desired, policy, MODEL_ANNOTATIONS, self.live)


def on_record(manifest: ModelManifest, rollout: Rollout | None) -> ModelManifest:
    """Returns `manifest` with the annotation that keeps `rollout`, or with none."""
    annotations = dict(manifest.annotations)
    annotations.pop(ROLLOUT_ANNOTATION, None)
    if rollout is not None:
        annotations[ROLLOUT_ANNOTATION] = rollout_to_json(rollout)
    return dataclasses.replace(manifest, annotations=tuple(sorted(annotations.items())))


def _as_manifest(live: LiveModel, policy: ModelPolicy) -> ModelManifest:
    return ModelManifest(live.name, live.spec, Source("", 0), policy, live.namespace, live.labels, live.annotations)
