"""What the planner knows about one model before it decides: what Git says, what is live, what it may do."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from reconciler.health import serving_version
from reconciler.model.codec import MODEL_ANNOTATIONS, model_policy, model_policy_annotations
from reconciler.model.live import LiveModel, LiveVersion, Rollout, Traits, VersionState
from reconciler.model.manifests import ModelManifest, ModelPolicy, Source
from reconciler.model.plan import Guards, ProbePolicy
from reconciler.model.records import ROLLOUT_ANNOTATION, rollout_to_json
from reconciler.planner.ownership import marked, metadata_differs


@dataclass(frozen=True, slots=True)
class Situation:
    """One model: `desired` is None when Git has none of that name, `live` when the cluster has none; never both.

    `commit` is the desired state's, `now` the Unix time of the observation.
    """

    name: str
    desired: ModelManifest | None
    live: LiveModel | None
    guards: Guards
    traits: Traits
    commit: str
    now: float

    @property
    def ours(self) -> bool:
        """Whether the live object carries our instance's label."""
        return self.live is not None and self.live.instance == self.guards.instance

    @property
    def foreign(self) -> bool:
        """Whether the live object carries another instance's label."""
        return self.live is not None and self.live.instance not in (None, self.guards.instance)

    @property
    def serving(self) -> LiveVersion | None:
        """The version that answers now."""
        return None if self.live is None else serving_version(self.live)

    @property
    def live_version(self) -> LiveVersion | None:
        """The last version written."""
        return None if self.live is None else self.live.live_version

    @property
    def same_version(self) -> bool:
        """Whether the live version is the one Git asks for.

        The cluster may not know a version's digest; then the live object's spec stands for it.
        """
        if self.desired is None or self.live is None:
            return False
        version = self.live.live_version
        digest = (version.digest if version is not None else None) or self.live.spec.digest
        return digest == self.desired.spec.digest

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
        if self.desired is None:
            return None
        memory = self.desired.spec.memory
        return self.guards.default_model_memory if memory is None else memory

    @property
    def replicas(self) -> int:
        """Replicas of the desired version: Git's number, else (an HPA's) live one, else 1."""
        assert self.desired is not None
        if self.desired.spec.replicas is None and self.live is not None:
            return self.live.spec.wanted_replicas
        return self.desired.spec.wanted_replicas

    @property
    def probes(self) -> bool:
        """Whether the scheduler is asked before a load (docs/planning-decisions.md, "Probes")."""
        if not self.traits.leaks or self.guards.probe is ProbePolicy.NEVER:
            return False
        version = self.live_version
        refused = version is not None and version.state is VersionState.SCHEDULE_FAILED
        return refused or self.serving is not None or self.guards.probe is ProbePolicy.ALWAYS

    @property
    def most_unavailable(self) -> int:
        """How many replicas a stepped rollout may do without: a number or a share, rounded up; half by default."""
        assert self.desired is not None
        text = self.desired.policy.max_unavailable or "50%"
        share = -(-self.replicas * int(text[:-1]) // 100) if text.endswith("%") else int(text)
        return max(0, min(share, self.replicas - 1))

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
        return marked(dataclasses.replace(self.desired, spec=spec), self.guards.instance, self.commit)

    def written_as_live(self) -> ModelManifest:
        """Returns what is live as a manifest, to finish what was begun towards it; Git's policy if there is one.

        A stepped rollout on record stays there: writing this ends none.
        """
        assert self.live is not None
        if self.desired is not None:
            return on_record(dataclasses.replace(self.written(), spec=self.live.spec), self.live.rollout)
        policy, _ = model_policy(dict(self.live.annotations))
        return _as_manifest(self.live, policy)

    def with_replicas(self, manifest: ModelManifest, replicas: int, rollout: Rollout | None = None) -> ModelManifest:
        """Returns `manifest` with another number of replicas and, while a stepped rollout lasts, its annotation."""
        spec = dataclasses.replace(manifest.spec, replicas=replicas)
        return on_record(dataclasses.replace(manifest, spec=spec), rollout)

    def metadata_differs(self) -> bool:
        """Returns whether metadata that Git sets is not live, or a policy of ours is live and not in Git."""
        assert self.desired is not None
        assert self.live is not None
        policy = model_policy_annotations(self.desired.policy)
        return metadata_differs(self.desired, policy, MODEL_ANNOTATIONS, self.live.labels, self.live.annotations)


def on_record(manifest: ModelManifest, rollout: Rollout | None) -> ModelManifest:
    """Returns `manifest` with the annotation that keeps `rollout`, or with none."""
    annotations = dict(manifest.annotations)
    annotations.pop(ROLLOUT_ANNOTATION, None)
    if rollout is not None:
        annotations[ROLLOUT_ANNOTATION] = rollout_to_json(rollout)
    return dataclasses.replace(manifest, annotations=tuple(sorted(annotations.items())))


def _as_manifest(live: LiveModel, policy: ModelPolicy) -> ModelManifest:
    return ModelManifest(live.name, live.spec, Source("", 0), policy, live.namespace, live.labels, live.annotations)
