"""What each action writes to Seldon's objects on a real API server. Decides nothing and waits for nothing but a probe.

    action                                     written
    load, change, create-server, …             server-side apply (`documents`), lists in the order they have live
    load of what failed or waits, retrigger    the same apply with `spec.preloaded` turned round
    adopt                                      server-side apply of labels and annotations
    probe                                      a throw-away Model (`probe`)
    apply                                      server-side apply of an Experiment or a Pipeline
    withdraw, decommission, delete-server, …   delete of that very object, without waiting
    shift, drain, unload, wait-deleted         nothing: Seldon does it by itself

Never a PUT: it could drop finalizers. A conflict of owners is refused, and every field, owner and value named, except
where the field is ours to take back (docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.clusters.kubernetes.answers import Changed, Conflict, NotFound
from reconciler.clusters.kubernetes.api import Api
from reconciler.clusters.kubernetes.documents import Apply, adoption, carried_apply, model_apply, server_apply
from reconciler.clusters.kubernetes.lock import Fence
from reconciler.clusters.kubernetes.ownership import (
    HANDOVER,
    RECORDS_MANAGER,
    REPLICAS,
    Contested,
    contested,
    left_by_others,
    refusal,
    seized,
)
from reconciler.clusters.kubernetes.probe import Prober
from reconciler.clusters.kubernetes.resources import EXPERIMENTS, MODELS, PIPELINES, SERVERS, Resource
from reconciler.errors import ActionRefused
from reconciler.model.live import Failure, LiveModel, VersionState
from reconciler.model.manifests import ExperimentManifest, PipelineManifest
from reconciler.model.plan import Action, ActionKind
from reconciler.model.records import FAILED_ANNOTATION, failure_to_json

Json = dict[str, Any]

AUTOSCALERS = frozenset({"manager", "scheduler", "seldon-operator", "seldon-scheduler", "seldon-controller-manager"})
"""Field managers of Seldon's own operator and scheduler, whose autoscaler writes `Server.spec.replicas`
(docs/seldon.md, "Servers")."""

_WITHOUT_EFFECT = (".spec.dataflow", ".spec.preloaded", ".spec.imageOverrides")
"""Fields that others may have beside us: they make no difference (docs/seldon.md, "What makes a new version")."""

_DELETES = {
    ActionKind.WITHDRAW: MODELS,
    ActionKind.DECOMMISSION: MODELS,
    ActionKind.DELETE_SERVER: SERVERS,
}
_NOTHING = frozenset({ActionKind.SHIFT, ActionKind.DRAIN, ActionKind.UNLOAD, ActionKind.WAIT_DELETED})
_NEW = frozenset({ActionKind.LOAD, ActionKind.CREATE_SERVER, ActionKind.APPLY})
"""Actions that may make an object; all others write to one that is there."""

Say = Callable[[Action, str], None]


class Writer:
    """Writes what actions ask for.

    Args:
        fence: passed by every write. prober: asks for room. force_conflicts: whether fields of others are taken over.
        say: told what was taken back from others, one sentence for people.
    """

    def __init__(
        self,
        api: Api,
        fence: Fence,
        prober: Prober,
        *,
        force_conflicts: bool = False,
        say: Say = lambda action, text: None,
    ) -> None:
        self._api, self._fence, self._prober = api, fence, prober
        self._force, self._say = force_conflicts, say
        self._turned: dict[str, bool] = {}

    async def perform(
        self, action: Action, live: Mapping[str, Any] | None, model: LiveModel | None = None
    ) -> Json | None:
        """Writes what `action` asks for; returns when the API server has taken it. Idempotent.

        Returns:
            The object as it is then, None where nothing was applied.

        Args:
            live: the object, managedFields included, None when there is none. model: as it was observed, if it is one.

        Raises:
            ActionRefused: the API server, or an owner of a field, says no; or a probe found no room.
            ClusterUnavailable: it is not known whether it was taken. Changed: it was not, as somebody wrote to the
                object since `live`. LockLost: another may write now.
        """
        if action.kind in _NOTHING:
            return None
        if action.kind is ActionKind.PROBE and action.model is not None:
            await self._prober.room_for(action.model)
        elif action.kind in _DELETES or action.kind is ActionKind.REMOVE:
            await self._delete(action, live)
        else:
            found = await self._apply(action, self.meant(action, live, model), live)
            self._turned.pop(action.id, None)
            return found
        return None

    def meant(self, action: Action, live: Mapping[str, Any] | None, model: LiveModel | None = None) -> Apply:
        """Returns the apply that `action` asks for. Raises ActionRefused when there is nothing to write (to)."""
        written = action.model or action.server or action.carried
        if written is None:
            raise ActionRefused(f"{action.kind} of {action.subject} says nothing to write")
        _check(action, live, written.namespace, self._api.namespace)
        if action.carried is not None:
            return carried_apply(action.carried, live)
        if action.kind is ActionKind.ADOPT and not isinstance(written, ExperimentManifest | PipelineManifest):
            return adoption(written, live or {})
        if action.server is not None:
            return server_apply(action.server, live)
        assert action.model is not None  # one of the three is there
        apply = model_apply(action.model, live, again=_again(action, model))
        if live is not None and _again(action, model):
            # Tried twice because no answer came, it is turned round only once.
            turned = self._turned.setdefault(action.id, apply.document["spec"]["preloaded"])
            apply.document["spec"]["preloaded"] = turned
        return apply

    async def _apply(self, action: Action, apply: Apply, live: Mapping[str, Any] | None) -> Json:
        """Applies to the very state that `live` is: what was checked before the write holds at the write."""
        if live is not None and not apply.partial:
            live = await self._take_leftovers(action, apply, live)
        if live is None and await self._api.get(apply.resource, name_of(action)) is not None:
            # An apply cannot be told to make an object only: it would become part of theirs without a word.
            raise Changed(f"{apply.resource.kind} {name_of(action)} was made since the cluster was looked at")
        try:
            if apply.handover is not None:
                async with self._fence.passed():
                    document = _at(apply.handover, live)
                    live = await self._api.apply(apply.resource, document, manager=HANDOVER, force=True)
            return await self._sent(apply, live, force=False)
        except Conflict as error:
            return await self._settle(action, apply, live, error)

    async def _sent(self, apply: Apply, live: Mapping[str, Any] | None, *, force: bool) -> Json:
        async with self._fence.passed():
            return await self._api.apply(apply.resource, _at(apply.document, live), force=force)

    async def _settle(self, action: Action, apply: Apply, live: Mapping[str, Any] | None, error: Conflict) -> Json:
        """Takes back what is ours to take back; names everything else."""
        fields = await self._contested(action, apply, error, live)
        if not self._force and not all(_ours_to_take(action, each) for each in fields):
            raise refusal(apply.resource.kind, name_of(action), fields) from error
        try:
            found = await self._sent(apply, live, force=True)
        except Conflict as again:
            raise await self._mistaken(action, apply, live, again) from again
        told = ", ".join(
            f"{each.field[1:]} from {' and '.join(each.managers)}" for each in fields if _worth_saying(each)
        )
        if told:
            self._say(action, f"took back {told}")
        return found

    async def _contested(
        self, action: Action, apply: Apply, error: Conflict, live: Mapping[str, Any] | None
    ) -> list[Contested]:
        names = [cause.field for cause in error.causes if cause.reason == "FieldManagerConflict"]
        if not names:
            raise await self._mistaken(action, apply, live, error) from error
        found = await self._api.get(apply.resource, name_of(action))
        return contested(names, apply.document, found)

    async def _mistaken(
        self, action: Action, apply: Apply, live: Mapping[str, Any] | None, error: Conflict
    ) -> ActionRefused | Changed:
        """Returns what a conflict means that is none of field managers: another state, or another object."""
        found = await self._api.get(apply.resource, name_of(action))
        if live is not None and found is not None and found["metadata"]["uid"] == live["metadata"]["uid"]:
            return Changed(f"{apply.resource.kind} {name_of(action)} changed since it was looked at", why=error.why)
        what = f"{apply.resource.kind} {name_of(action)} is not the object that was planned for"
        return ActionRefused(what, why=error.why, fix="plan again")

    async def _take_leftovers(self, action: Action, apply: Apply, live: Mapping[str, Any]) -> Mapping[str, Any]:
        """What others wrote and Git has not would stay, and be a difference for ever. Returns the object afterwards."""
        left = _leftovers(action, apply, live)
        if not left:
            return live
        if not self._force:
            raise refusal(apply.resource.kind, name_of(action), left)
        found = await self._api.get(apply.resource, name_of(action))
        if found is None or found["metadata"]["resourceVersion"] != live["metadata"].get("resourceVersion"):
            raise Changed(f"{apply.resource.kind} {name_of(action)} changed since it was looked at")
        metadata = {
            "resourceVersion": found["metadata"]["resourceVersion"],
            "managedFields": seized(found, [each.field for each in left]),
        }
        async with self._fence.passed():
            try:
                found = await self._api.merge(apply.resource, name_of(action), {"metadata": metadata})
            except Conflict as error:
                raise await self._mistaken(action, apply, live, error) from error
        self._say(action, f"took over {', '.join(each.field[1:] for each in left)}, which Git does not have")
        return found

    async def admitted(self, action: Action, live: Mapping[str, Any] | None, model: LiveModel | None = None) -> None:
        """Asks the API server whether it would take what `action` writes. Writes nothing. Raises as `perform`."""
        apply = self.meant(action, live, model)
        self._turned.pop(action.id, None)
        left = [] if live is None or apply.partial or self._force else _leftovers(action, apply, live)
        try:
            await self._api.apply(apply.resource, apply.document, force=self._force, dry_run=True)
        except Conflict as error:
            fields = await self._contested(action, apply, error, live)
            if not all(_ours_to_take(action, each) for each in fields):
                known = {each.field for each in fields}
                left = [*fields, *(each for each in left if each.field not in known)]
                raise refusal(apply.resource.kind, name_of(action), left) from error
            await self._api.apply(apply.resource, apply.document, force=True, dry_run=True)
        if left:
            raise refusal(apply.resource.kind, name_of(action), left)

    async def _delete(self, action: Action, live: Mapping[str, Any] | None) -> None:
        if live is None:
            return
        resource = _deleted(action)
        async with self._fence.passed():
            try:
                await self._api.delete(resource, name_of(action), uid=live["metadata"]["uid"])
            except Conflict as error:
                what = f"{resource.kind} {action.subject} is not the object that was planned for"
                raise ActionRefused(what, why=error.why, fix="plan again") from error

    async def record_failure(self, name: str, failure: Failure | None) -> Json | None:
        """Keeps on the Model `name` that a version failed to load; None clears it. No such Model is no error.

        Returns:
            The object as it is then, None when there is none.

        Raises:
            ClusterUnavailable, LockLost: as `perform`. Refused: the API server said no.
        """
        text = None if failure is None else failure_to_json(failure)
        patch = {"metadata": {"annotations": {FAILED_ANNOTATION: text}}}
        async with self._fence.passed():
            try:
                return await self._api.merge(MODELS, name, patch, manager=RECORDS_MANAGER)
            except NotFound:
                return None


def _at(document: Mapping[str, Any], live: Mapping[str, Any] | None) -> Json:
    """Returns `document` to be applied to no other state than `live`."""
    revision = None if live is None else live["metadata"].get("resourceVersion")
    if not revision:
        return dict(document)
    return {**document, "metadata": {**document["metadata"], "resourceVersion": revision}}


def name_of(action: Action) -> str:
    """Returns the name of the object that `action` is about: what is carried along has its kind before it."""
    return action.subject.rpartition("/")[2]


def kind_of(action: Action) -> str:
    """Returns the kind of the object that `action` is about."""
    if action.carried is not None:
        return action.carried.kind
    return "Server" if action.server is not None else "Model"


def _deleted(action: Action) -> Resource:
    if action.kind is ActionKind.REMOVE:
        return EXPERIMENTS if action.subject.startswith(f"{EXPERIMENTS.kind}/") else PIPELINES
    return _DELETES[action.kind]


def _check(action: Action, live: Mapping[str, Any] | None, namespace: str | None, ours: str) -> None:
    kind = kind_of(action)
    if namespace not in (None, ours):
        why = f"its manifest says namespace {namespace}, and this instance reconciles namespace {ours}"
        raise ActionRefused(f"{kind} {action.subject} belongs elsewhere", why=why, fix="remove metadata.namespace")
    if live is None and action.kind not in _NEW:
        why = "only what is there can be changed"
        raise ActionRefused(f"there is no {kind} {action.subject}", why=why, fix="plan again")
    if live is not None and live["metadata"].get("deletionTimestamp"):
        why = "what is written to it now would be lost with it"
        raise ActionRefused(f"{kind} {action.subject} is being deleted", why=why, fix="plan again once it is gone")


def _again(action: Action, model: LiveModel | None) -> bool:
    """Whether the scheduler must be made to try: what is live, and failed or waits, is no change when written again."""
    if action.kind is ActionKind.RETRIGGER:
        return True
    version = None if model is None else model.live_version
    if action.kind is not ActionKind.LOAD or model is None or version is None or action.model is None:
        return False
    same = (version.digest or model.spec.digest) == action.model.spec.digest
    return same and not version.loading and version.state in (VersionState.FAILED, VersionState.SCHEDULE_FAILED)


def _leftovers(action: Action, apply: Apply, live: Mapping[str, Any]) -> list[Contested]:
    """Fields of others that Git has not and that make a difference; a number that is left to others makes none."""
    written = action.model or action.server
    left_alone = (REPLICAS,) if written is not None and written.leaves_replicas else ()
    left = left_by_others(apply.document, live)
    return [each for each in left if each.field not in (*_WITHOUT_EFFECT, *left_alone)]


def _ours_to_take(action: Action, each: Contested) -> bool:
    """Whether a field is taken back without being asked.

    What we gave away until somebody takes it, nobody took. A Server of fixed size keeps it, or it would lose a replica
    with every update (docs/seldon.md, "Servers"). And nobody reads the field that makes the scheduler try again.
    """
    managers = frozenset(each.managers) - {HANDOVER}
    if each.managers and not managers:
        return True
    if each.field == REPLICAS and action.server is not None:
        spec = action.server.spec
        return not action.server.leaves_replicas and spec.min_replicas == spec.replicas and managers <= AUTOSCALERS
    return each.field == ".spec.preloaded"


def _worth_saying(each: Contested) -> bool:
    return each.managers != (HANDOVER,) and each.field != ".spec.preloaded"
