"""What our actions write to a real API server, and whose it is afterwards."""

from __future__ import annotations

import asyncio
import dataclasses
import json

import pytest

from reconciler.clusters.kubernetes.answers import Changed
from reconciler.clusters.kubernetes.ownership import HANDOVER, REPLICAS, Owner, owned, owners
from reconciler.clusters.kubernetes.resources import MODELS, SERVERS
from reconciler.errors import ActionRefused
from reconciler.model.live import Failure
from reconciler.model.manifests import INSTANCE_LABEL, Source
from reconciler.model.plan import ActionKind
from reconciler.model.records import FAILED_ANNOTATION
from tests.controlplane.running import ControlPlane
from tests.kubernetes.writing import Writes, action, api_of, as_other, manifest, server_manifest


async def test_a_load_writes_what_git_has_and_owns_nothing_else(writes: Writes) -> None:
    found = await writes.perform(ActionKind.LOAD, manifest(memory="100k", labels={"team/a.b": "x"}))
    assert found["spec"] == {"storageUri": "gs://iris/v1", "memory": "100000", "replicas": 1}
    ours = {".spec.storageUri", ".spec.memory", ".spec.replicas"}
    labels = {f".metadata.labels.{INSTANCE_LABEL}", ".metadata.labels.team/a.b"}
    assert owned(found) == ours | labels


async def test_the_same_load_again_changes_nothing(writes: Writes) -> None:
    first = await writes.perform(ActionKind.LOAD, manifest(memory="100k"))
    again = await writes.perform(ActionKind.LOAD, manifest(memory="100k"))
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_quantity_and_a_list_stay_as_live_says_them(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    await writes.perform(ActionKind.LOAD, manifest())
    patch = {"spec": {"memory": "0.1M", "requirements": ["b", "a"]}}
    as_other(seldon_kinds, namespace, "model", "iris", patch, "somebody")
    found = await writes.perform(ActionKind.CHANGE, manifest(memory="100k", requirements=["a", "b"], maxReplicas=3))
    assert found["spec"]["memory"] == "0.1M"
    assert found["spec"]["requirements"] == ["b", "a"]
    assert found["spec"]["maxReplicas"] == 3


async def test_a_retrigger_turns_the_unread_field_round_and_nothing_else(writes: Writes) -> None:
    first = await writes.perform(ActionKind.LOAD, manifest())
    second = await writes.perform(ActionKind.RETRIGGER, manifest())
    third = await writes.perform(ActionKind.RETRIGGER, manifest())
    assert [found["spec"].get("preloaded") for found in (first, second, third)] == [None, True, False]
    assert third["metadata"]["generation"] == 3


async def test_a_retrigger_that_was_tried_twice_without_an_answer_is_one(writes: Writes) -> None:
    found = await writes.perform(ActionKind.LOAD, manifest())
    again = action(ActionKind.RETRIGGER, manifest())
    asked = writes.writer.meant(again, found)
    await writes.api.apply(asked.resource, asked.document)  # taken, and the answer never came
    await writes.writer.perform(again, await writes.live(MODELS, "iris"))
    assert (await writes.live(MODELS, "iris"))["metadata"]["generation"] == 2


async def test_a_change_leaves_the_unread_field_as_it_is(writes: Writes) -> None:
    await writes.perform(ActionKind.LOAD, manifest())
    await writes.perform(ActionKind.RETRIGGER, manifest())
    found = await writes.perform(ActionKind.CHANGE, manifest(logger={"percent": 5}))
    assert found["spec"]["preloaded"] is True


async def test_replicas_that_git_omits_are_left_to_an_autoscaler(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    first = await writes.perform(ActionKind.LOAD, manifest(leaves=True))
    assert "replicas" not in first["spec"]
    seldon_kinds.kubectl("-n", namespace, "scale", "model.mlops.seldon.io/iris", "--replicas=3")
    found = await writes.perform(ActionKind.CHANGE, manifest(leaves=True, replicas=3, logger={"percent": 5}))
    assert found["spec"]["replicas"] == 3
    assert REPLICAS not in owned(found)


async def test_replicas_that_leave_git_keep_their_value(writes: Writes) -> None:
    await writes.perform(ActionKind.LOAD, manifest(replicas=3))
    found = await writes.perform(ActionKind.CHANGE, manifest(leaves=True, replicas=3))
    assert found["spec"]["replicas"] == 3
    assert owners(found)[REPLICAS] == {Owner(HANDOVER, applies=True)}


async def test_an_autoscaler_takes_handed_over_replicas_and_git_can_have_them_back(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    await writes.perform(ActionKind.LOAD, manifest(replicas=3))
    handed = await writes.perform(ActionKind.CHANGE, manifest(leaves=True, replicas=3))
    back = await writes.perform(ActionKind.CHANGE, manifest(replicas=2))
    assert (handed["spec"]["replicas"], back["spec"]["replicas"]) == (3, 2)
    await writes.perform(ActionKind.CHANGE, manifest(leaves=True, replicas=2))
    seldon_kinds.kubectl("-n", namespace, "scale", "model.mlops.seldon.io/iris", "--replicas=5")
    with pytest.raises(ActionRefused, match="1 field of it belongs to others"):
        await writes.perform(ActionKind.CHANGE, manifest(replicas=2))


async def test_healing_writes_replicas_that_git_omits(writes: Writes) -> None:
    await writes.perform(ActionKind.LOAD, manifest(leaves=True, replicas=1))
    found = await writes.perform(ActionKind.CHANGE, manifest(leaves=True, replicas=2))
    assert found["spec"]["replicas"] == 2
    again = await writes.perform(ActionKind.CHANGE, manifest(leaves=True, replicas=2, logger={"percent": 1}))
    assert again["spec"]["replicas"] == 2


async def test_another_field_that_leaves_git_is_removed(writes: Writes) -> None:
    await writes.perform(ActionKind.LOAD, manifest(minReplicas=1, logger={"percent": 5}, labels={"team": "a"}))
    found = await writes.perform(ActionKind.CHANGE, manifest())
    assert found["spec"] == {"storageUri": "gs://iris/v1", "replicas": 1}
    assert found["metadata"]["labels"] == {INSTANCE_LABEL: "default"}


async def test_every_contested_field_is_named_with_its_owner_and_both_values(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    await writes.perform(ActionKind.LOAD, manifest(memory="100k", minReplicas=1))
    as_other(seldon_kinds, namespace, "model", "iris", {"spec": {"memory": "300k", "minReplicas": 0}}, "dashboard")
    with pytest.raises(ActionRefused) as refused:
        await writes.perform(ActionKind.CHANGE, manifest(memory="200k", minReplicas=1))
    assert refused.value.what == "Model iris: 2 fields of it belong to others"
    assert refused.value.why == (
        ".spec.memory is 300k by dashboard, would become 200000; .spec.minReplicas is 0 by dashboard, would become 1"
    )
    assert "--force-conflicts" in refused.value.fix
    assert (await writes.live(MODELS, "iris"))["spec"]["memory"] == "300k"


async def test_conflicts_are_taken_over_by_force_when_asked_to(seldon_kinds: ControlPlane, namespace: str) -> None:
    async with api_of(seldon_kinds.kubeconfig, namespace) as api:
        writes = Writes(api, force=True)
        await writes.perform(ActionKind.LOAD, manifest(memory="100k"))
        as_other(seldon_kinds, namespace, "model", "iris", {"spec": {"memory": "300k"}}, "dashboard")
        found = await writes.perform(ActionKind.CHANGE, manifest(memory="200k"))
    assert found["spec"]["memory"] == "200000"
    assert writes.said == ["took back spec.memory from dashboard"]


@pytest.mark.parametrize("force", [False, True])
async def test_what_others_wrote_and_git_does_not_have_is_removed_only_by_force(
    seldon_kinds: ControlPlane, namespace: str, force: bool
) -> None:
    document = """{apiVersion: mlops.seldon.io/v1alpha1, kind: Model, metadata: {name: iris},
                   spec: {storageUri: "gs://iris/v1", secretName: s, logger: {percent: 3}, replicas: 1}}"""
    seldon_kinds.kubectl("-n", namespace, "apply", "-f", "-", stdin=document)
    async with api_of(seldon_kinds.kubeconfig, namespace) as api:
        writes = Writes(api, force=force)
        if force:
            found = await writes.perform(ActionKind.LOAD, manifest())
            assert found["spec"] == {"storageUri": "gs://iris/v1", "replicas": 1}
            assert found["metadata"]["generation"] == 2, "one change, one version"
        else:
            with pytest.raises(ActionRefused) as refused:
                await writes.perform(ActionKind.LOAD, manifest())
            assert refused.value.why == (
                ".spec.logger is kubectl-client-side-apply's, and Git has none; "
                ".spec.secretName is kubectl-client-side-apply's, and Git has none"
            )


async def test_a_fixed_size_server_takes_its_replicas_back_from_seldons_autoscaler_and_says_so(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    await writes.perform(ActionKind.CREATE_SERVER, server_manifest(replicas=2, minReplicas=2))
    as_other(seldon_kinds, namespace, "server.mlops.seldon.io", "mlserver", {"spec": {"replicas": 1}}, "scheduler")
    found = await writes.perform(ActionKind.UPDATE_SERVER, server_manifest(replicas=2, minReplicas=2))
    assert found["spec"]["replicas"] == 2
    assert writes.said == ["took back spec.replicas from scheduler"]


async def test_a_fixed_size_server_is_not_taken_back_from_a_person(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    await writes.perform(ActionKind.CREATE_SERVER, server_manifest(replicas=2, minReplicas=2))
    seldon_kinds.kubectl("-n", namespace, "scale", "server.mlops.seldon.io/mlserver", "--replicas=1")
    with pytest.raises(ActionRefused, match="1 field"):
        await writes.perform(ActionKind.UPDATE_SERVER, server_manifest(replicas=2, minReplicas=2))


async def test_a_range_in_git_drops_the_minimum_that_kept_the_size_and_leaves_the_replicas(writes: Writes) -> None:
    await writes.perform(ActionKind.CREATE_SERVER, server_manifest(replicas=2, minReplicas=2))
    found = await writes.perform(ActionKind.UPDATE_SERVER, server_manifest(leaves=True, replicas=2, maxReplicas=4))
    assert found["spec"] == {"serverConfig": "mlserver", "replicas": 2, "maxReplicas": 4}
    assert owners(found)[REPLICAS] == {Owner(HANDOVER, applies=True)}


async def test_adopting_writes_labels_and_drops_nothing(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    document = """{apiVersion: mlops.seldon.io/v1alpha1, kind: Model, metadata: {name: iris, labels: {app: x}},
                   spec: {storageUri: "gs://iris/v1", replicas: 2}}"""
    seldon_kinds.kubectl("-n", namespace, "apply", "-f", "-", stdin=document)
    found = await writes.perform(ActionKind.ADOPT, manifest(replicas=2))
    assert found["metadata"]["labels"] == {"app": "x", INSTANCE_LABEL: "default"}
    assert (found["spec"], found["metadata"]["generation"]) == ({"storageUri": "gs://iris/v1", "replicas": 2}, 1)


async def test_adopting_again_keeps_what_we_own_of_the_spec(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    await writes.perform(ActionKind.LOAD, manifest(memory="100k"))
    seldon_kinds.kubectl("-n", namespace, "label", "model", "iris", f"{INSTANCE_LABEL}-")
    found = await writes.perform(ActionKind.ADOPT, manifest(memory="100k"))
    assert found["spec"] == {"storageUri": "gs://iris/v1", "memory": "100000", "replicas": 1}
    assert found["metadata"]["labels"] == {INSTANCE_LABEL: "default"}


async def test_the_record_of_a_failure_outlives_an_apply_and_is_cleared(writes: Writes) -> None:
    await writes.perform(ActionKind.LOAD, manifest())
    await writes.writer.record_failure("iris", Failure("0123456789ab", 1, 5.0, "no such artifact"))
    found = await writes.perform(ActionKind.CHANGE, manifest(logger={"percent": 5}))
    assert "no such artifact" in found["metadata"]["annotations"][FAILED_ANNOTATION]
    await writes.writer.record_failure("iris", None)
    assert "annotations" not in (await writes.live(MODELS, "iris"))["metadata"]


async def test_a_failure_of_a_model_that_is_gone_is_no_error(writes: Writes) -> None:
    await writes.writer.record_failure("gone", Failure("0123456789ab", 1, 5.0, "why"))


async def test_a_decommission_deletes_that_very_object(writes: Writes) -> None:
    planned = await writes.perform(ActionKind.LOAD, manifest())
    await writes.writer.perform(action(ActionKind.DECOMMISSION, manifest()), planned)
    assert await writes.api.get(MODELS, "iris") is None
    await writes.writer.perform(action(ActionKind.DECOMMISSION, manifest()), planned)
    other = await writes.perform(ActionKind.LOAD, manifest())
    with pytest.raises(ActionRefused, match="not the object that was planned for"):
        await writes.writer.perform(action(ActionKind.DECOMMISSION, manifest()), planned)
    assert (await writes.live(MODELS, "iris"))["metadata"]["uid"] == other["metadata"]["uid"]


async def test_a_change_does_not_make_anew_what_was_deleted_meanwhile(writes: Writes) -> None:
    planned = await writes.perform(ActionKind.LOAD, manifest())
    await writes.api.delete(MODELS, "iris")
    with pytest.raises(ActionRefused, match="not the object that was planned for"):
        await writes.writer.perform(action(ActionKind.CHANGE, manifest(replicas=2)), planned)
    assert await writes.api.get(MODELS, "iris") is None


async def test_nothing_is_written_to_what_is_being_deleted(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    await writes.perform(ActionKind.LOAD, manifest())
    as_other(seldon_kinds, namespace, "model", "iris", {"metadata": {"finalizers": ["test/hangs"]}}, "operator")
    await writes.api.delete(MODELS, "iris")
    with pytest.raises(ActionRefused, match="is being deleted"):
        await writes.perform(ActionKind.LOAD, manifest(memory="1M"))


async def test_what_is_in_no_file_of_git_is_written_without_owning_more(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    await writes.perform(ActionKind.LOAD, manifest(replicas=2))
    as_other(seldon_kinds, namespace, "model", "iris", {"spec": {"maxReplicas": 4}}, "dashboard")
    seldon_kinds.kubectl("-n", namespace, "annotate", "model", "iris", "note=theirs")
    live = dataclasses.replace(
        manifest(replicas=1, maxReplicas=4), source=Source("", 0), annotations=(("note", "theirs"),)
    )
    found = await writes.perform(ActionKind.CHANGE, live)
    assert found["spec"]["replicas"] == 1
    assert not {".spec.maxReplicas", ".metadata.annotations.note"} & owned(found)


async def test_a_manifest_of_another_namespace_is_refused(writes: Writes) -> None:
    with pytest.raises(ActionRefused, match="belongs elsewhere"):
        await writes.perform(ActionKind.LOAD, dataclasses.replace(manifest(), namespace="elsewhere"))


async def test_what_the_schema_refuses_is_refused_with_its_words(writes: Writes) -> None:
    with pytest.raises(ActionRefused) as refused:
        await writes.perform(ActionKind.LOAD, manifest(replicas=-1))
    assert "spec.replicas" in refused.value.why


async def test_asking_beforehand_tells_conflicts_and_schema_and_writes_nothing(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    with pytest.raises(ActionRefused, match="refused"):
        await writes.writer.admitted(action(ActionKind.LOAD, manifest(replicas=-1)), None)
    await writes.writer.admitted(action(ActionKind.LOAD, manifest()), None)
    assert await writes.api.get(MODELS, "iris") is None
    before = await writes.perform(ActionKind.LOAD, manifest(memory="100k"))
    as_other(seldon_kinds, namespace, "model", "iris", {"spec": {"memory": "300k"}}, "dashboard")
    live = await writes.live(MODELS, "iris")
    with pytest.raises(ActionRefused, match="belongs to others"):
        await writes.writer.admitted(action(ActionKind.CHANGE, manifest(memory="200k")), live)
    assert before["spec"]["memory"] == "100000"


async def test_a_hundred_writes_at_once_are_all_taken(writes: Writes) -> None:
    names = [f"m{index}" for index in range(100)]
    await asyncio.gather(*(writes.perform(ActionKind.LOAD, manifest(name)) for name in names))
    assert {found["metadata"]["name"] for found in (await writes.api.list(MODELS)).items} == set(names)
    assert (await writes.api.list(SERVERS)).items == []


async def test_what_somebody_wrote_to_since_it_was_looked_at_is_not_written_over(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    looked_at = await writes.perform(ActionKind.LOAD, manifest(memory="100k"))
    as_other(seldon_kinds, namespace, "model", "iris", {"spec": {"maxReplicas": 4}}, "somebody")
    with pytest.raises(Changed, match="since it was looked at"):
        await writes.writer.perform(action(ActionKind.CHANGE, manifest(memory="100k", replicas=2)), looked_at)
    live = await writes.live(MODELS, "iris")
    assert (live["spec"]["maxReplicas"], live["spec"]["replicas"]) == (4, 1)


async def test_what_somebody_made_meanwhile_is_not_merged_with_ours(
    writes: Writes, seldon_kinds: ControlPlane, namespace: str
) -> None:
    named = {"apiVersion": MODELS.api_version, "kind": MODELS.kind, "metadata": {"name": "iris"}}
    theirs = json.dumps({**named, "spec": {"storageUri": "gs://theirs"}})
    seldon_kinds.kubectl("-n", namespace, "apply", "-f", "-", stdin=theirs)
    with pytest.raises(Changed, match="was made since"):
        await writes.writer.perform(action(ActionKind.LOAD, manifest()), None)
    assert "labels" not in (await writes.live(MODELS, "iris"))["metadata"]
