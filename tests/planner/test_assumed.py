"""What is assumed live where no cluster is asked."""

from __future__ import annotations

import pytest

from reconciler.errors import UsageError
from reconciler.health import is_whole, on_the_air
from reconciler.model.live import LiveState, Traits
from reconciler.model.manifests import DesiredState
from reconciler.model.plan import Guards, Verb
from reconciler.planner import plan
from reconciler.planner.assumed import assumed_configs, doubts, whole
from tests.planner.case import Json, desired_state


def server(name: str, memory: str = "1000", replicas: int = 1, config: str = "mlserver", **spec: object) -> Json:
    return {
        "kind": "Server",
        "name": name,
        "spec": {"serverConfig": config, "memory": memory, "replicas": replicas, **spec},
    }


def model(name: str, memory: str | None = "100", **spec: object) -> Json:
    size = {} if memory is None else {"memory": memory}
    return {"kind": "Model", "name": name, "spec": {"storageUri": f"{name}/1", **size, **spec}}


GUARDS = Guards()


def assumed(*documents: Json, guards: Guards = GUARDS) -> LiveState:
    desired = desired_state(list(documents))
    return whole(desired, guards, configs=assumed_configs(desired))


def places(live: LiveState) -> dict[str, str]:
    """Server and replicas of each model, such as `small/0,1`."""
    versions = {m.name: m.versions[0] for m in live.models}
    return {name: f"{v.server}/{','.join(str(index) for index in v.occupied)}" for name, v in versions.items()}


MIXED = (
    server("small", "1000"),
    server("wide", "600", 3, minReplicas=2, maxReplicas=4),
    {**model("a", "300", replicas=2, requirements=["sklearn"]), "annotations": {"strategy": "recreate"}},
    model("b", "700"),
    {**model("c", "200"), "labels": {"team": "x"}},
    model("d", "100", server="small"),
)


@pytest.mark.parametrize("traits", [Traits(False, False), Traits(True, True)], ids=["seldon", "local"])
def test_what_is_assumed_live_is_in_sync_with_its_own_manifests(traits: Traits) -> None:
    desired = desired_state(list(MIXED))
    live = whole(desired, Guards(), configs=assumed_configs(desired), traits=traits)
    result = plan(desired, live, Guards())
    assert {(d.name, d.verb) for d in result.decisions} == {(n, Verb.IN_SYNC) for n in ("small", "wide", *"abcd")}
    assert result.actions == ()


def test_every_model_is_whole_and_on_the_air_and_no_replica_over_its_limit() -> None:
    live = assumed(*MIXED)
    assert all(on_the_air(m) and is_whole(m.versions[0]) for m in live.models)
    assert all(0 <= replica.room <= replica.limit for s in live.servers for replica in s.replicas)
    taken = sum(replica.limit - replica.room for s in live.servers for replica in s.replicas)
    assert taken == 2 * 300 + 700 + 200 + 100


def test_the_order_of_manifests_does_not_matter() -> None:
    assert places(assumed(*MIXED)) == places(assumed(*reversed(MIXED)))


def test_a_model_goes_where_most_is_free_then_to_the_lowest_index() -> None:
    live = assumed(server("s", "1000", 3), model("a", "300"), model("b", "200"), model("c", "100", replicas=2))
    assert places(live) == {"a": "s/0", "b": "s/1", "c": "s/1,2"}


def test_of_two_servers_that_match_the_one_with_most_room_is_assumed() -> None:
    live = assumed(server("a", "1000"), server("b", "2000"), model("m"))
    assert places(live) == {"m": "b/0"}


def test_those_with_the_least_choice_are_placed_first() -> None:
    live = assumed(
        server("a", "400"),
        server("b", "500", extraCapabilities=["x"]),
        model("m", "400"),
        model("n", "300", requirements=["x"]),
    )
    assert places(live) == {"m": "a/0", "n": "b/0"}


def test_where_the_biggest_first_do_not_fit_the_order_of_names_is_tried() -> None:
    sizes = {"a": "500", "b": "400", "c": "300", "d": "500", "e": "300"}
    live = assumed(server("s", "1000", 2), *(model(name, size) for name, size in sizes.items()))
    assert {replica.room for replica in live.servers[0].replicas} == {0}


def test_capabilities_are_those_of_the_default_install_or_the_manifest() -> None:
    live = assumed(
        server("m"), server("t", config="triton"), server("own", capabilities=["sklearn"], extraCapabilities=["x"])
    )
    offered = {s.name: s.capabilities for s in live.servers}
    assert "sklearn" in offered["m"]
    assert "onnx" in offered["t"]
    assert "sklearn" not in offered["t"]
    assert offered["own"] == {"sklearn", "x"}


def test_unknown_memory_is_the_assumed_one_or_none() -> None:
    documents = server("s"), model("m", None)
    assert assumed(*documents).models[0].versions[0].memory == 0
    live = assumed(*documents, guards=Guards(default_model_memory=300))
    assert (live.models[0].versions[0].memory, live.models[0].spec.memory) == (300, None)


@pytest.mark.parametrize(
    ("documents", "why", "fix"),
    [
        ([model("m")], "no manifest describes any Server", "add the Server's manifest"),
        ([server("s"), model("m", server="t")], "no manifest describes Server t", "add the Server's manifest"),
        ([server("s"), model("m", requirements=["onnx"])], "no Server offers onnx", "capabilities"),
        ([server("s", config="own"), model("m", requirements=["x"])], "no Server offers x", "capabilities"),
        ([server("s"), model("m", server="s", modelType="x")], "Server s does not offer x", "capabilities"),
        ([server("s"), model("m", replicas=2)], "asks for 2 × 100; s has 1 × 1k", "whose models fit"),
        ([server("s"), model("m", "1001")], "asks for 1 × 1.001k; s has 1 × 1k", "whose models fit"),
        ([server("s"), model("m", "900"), model("n", "200")], "the others take too much of it", "whose models fit"),
    ],
)
def test_what_finds_no_place_is_refused_with_why_and_what_to_do(documents: list[Json], why: str, fix: str) -> None:
    with pytest.raises(UsageError) as raised:
        assumed(*documents)
    assert "commit c0ffee cannot be assumed live" in raised.value.what
    assert "case.yaml:" in raised.value.why
    assert why in raised.value.why
    assert fix in raised.value.fix


def test_of_many_that_find_no_place_all_are_counted() -> None:
    with pytest.raises(UsageError, match="no place for m0, m1, m2 and 4 more"):
        assumed(*(model(f"m{number}") for number in range(7)))


def test_what_rests_on_a_guess_is_named() -> None:
    desired = desired_state(
        [server("a"), server("b"), server("c", config="own"), model("m"), model("n", None, server="a")]
    )
    said = doubts(desired, Guards(), assumed_configs(desired))
    assert len(said) == 3
    assert "several servers could have m:" in said[0]
    assert "no memory is set for n:" in said[1]
    assert "serverConfig own" in said[2]


def test_nothing_is_doubted_where_nothing_is_guessed() -> None:
    desired = desired_state([server("a"), server("c", config="own", capabilities=["x"]), model("m", server="a")])
    assert doubts(desired, Guards(), assumed_configs(desired)) == ()


def test_an_empty_commit_is_an_empty_live_state() -> None:
    live = whole(DesiredState("c0ffee"), Guards())
    assert (live.models, live.servers) == ((), ())
