"""Good manifests: every field arrives, and what is not ours stays out."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.errors import ManifestsInvalid
from reconciler.model.codec import MODEL_ANNOTATIONS, SERVER_ANNOTATIONS
from reconciler.model.manifests import PREFIX, Explainer, Llm, ModelPolicy, Parameter, Source, Strategy
from reconciler.repository import load_stream, schema
from tests.repository.manifest_texts import model, server

FULL_MODEL = """\
# a comment
---
apiVersion: mlops.seldon.io/v1alpha1
kind: Model
metadata:
  name: iris
  namespace: prod
  creationTimestamp: null
  labels: {team: ml, "on": "yes"}
  annotations:
    owner: "ann"
    model-reconciler.io/strategy: recreate
    model-reconciler.io/max-unavailable: 50%
    model-reconciler.io/suspend: "true"
    model-reconciler.io/prune: disabled
    model-reconciler.io/load-timeout: 1h30m
    model-reconciler.io/drain-timeout: 2.5s
    model-reconciler.io/smoke-request: '{"inputs": [{"name": "x"}]}'
    model-reconciler.io/retry: "2"
spec:
  storageUri: gs://models/iris
  artifactVersion: 3
  modelType: sklearn
  schemaUri: gs://schemas/iris
  secretName: bucket
  requirements: [a, b]
  memory: 1.5Gi
  replicas: 2
  minReplicas: 1
  maxReplicas: 3
  server: mlserver
  preloaded: true
  dedicated: false
  logger: {percent: 10}
  llm: {modelRef: other}
  parameters:
  - {name: threshold, value: "0.5"}
  dataflow: {cleanTopicsOnDelete: true}
"""

FULL_SERVER = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Server
metadata:
  name: mlserver
  annotations: {model-reconciler.io/surge-replicas: "1", model-reconciler.io/prune: enabled}
spec:
  serverConfig: mlserver
  replicas: 2
  minReplicas: 1
  maxReplicas: 4
  capabilities: [sklearn]
  extraCapabilities: [custom]
  imageOverrides: {any: thing}
  podSpec:
    nodeSelector: {disk: fast}
    containers:
    - name: agent
      env:
      - {name: SELDON_OVERCOMMIT_PERCENTAGE, value: "25"}
    - name: mlserver
      image: example/mlserver
      resources: {requests: {memory: 2G, cpu: "1"}, limits: {memory: 2G}}
"""


def test_every_field_of_a_model_arrives() -> None:
    state = load_stream((FULL_MODEL + "---\n" + model("other")).encode())
    iris = state.models[0]
    assert (iris.name, iris.namespace, iris.source) == ("iris", "prod", Source("-", 3))
    assert iris.labels == (("on", "yes"), ("team", "ml"))
    assert iris.annotations == (("owner", "ann"),)
    assert iris.policy == ModelPolicy(
        Strategy.RECREATE, "50%", True, False, 5400.0, 2.5, '{"inputs":[{"name":"x"}]}', "2"
    )
    spec = iris.spec
    assert (spec.storage_uri, spec.artifact_version, spec.model_type) == ("gs://models/iris", 3, "sklearn")
    assert (spec.schema_uri, spec.secret_name, spec.requirements) == ("gs://schemas/iris", "bucket", ("a", "b"))
    assert (spec.memory, spec.replicas, spec.min_replicas, spec.max_replicas) == (1_610_612_736, 2, 1, 3)
    assert (spec.server, spec.preloaded, spec.dedicated, spec.logger_percent) == ("mlserver", True, False, 10)
    assert (spec.llm, spec.explainer) == (Llm("other"), None)
    assert (spec.parameters, spec.clean_topics_on_delete) == ((Parameter("threshold", "0.5"),), True)


def test_an_explainer_of_a_model_in_the_repository_is_valid() -> None:
    text = model("iris") + "---\n" + model("why", explainer="{type: anchor_tabular, modelRef: iris}")
    assert load_stream(text.encode()).models[1].spec.explainer == Explainer("anchor_tabular", "iris")


def test_every_field_of_a_server_arrives() -> None:
    mlserver = load_stream(FULL_SERVER.encode()).servers[0]
    spec = mlserver.spec
    assert (spec.server_config, spec.replicas, spec.min_replicas, spec.max_replicas) == ("mlserver", 2, 1, 4)
    assert (spec.capabilities, spec.extra_capabilities) == (("sklearn",), ("custom",))
    assert (spec.memory, spec.overcommit_percent) == (2_000_000_000, 25)
    rest = json.loads(spec.rest)
    assert rest["podSpec"]["nodeSelector"] == {"disk": "fast"}
    assert rest["imageOverrides"] == {"any": "thing"}
    assert (mlserver.policy.surge_replicas, mlserver.policy.prune) == (1, True)


def test_documents_of_other_api_groups_are_skipped_and_counted_whatever_they_hold() -> None:
    text = "apiVersion: v1\nkind: Secret\na: on\na: off\nb: !tag x\n---\n---\n" + model("iris") + "---\n# nothing\n"
    state = load_stream(text.encode())
    assert (state.skipped, [m.name for m in state.models], state.servers, state.commit) == (1, ["iris"], (), "")


def test_a_stream_without_documents_is_an_empty_desired_state() -> None:
    state = load_stream(b"")
    assert (state.models, state.servers, state.skipped) == ((), (), 0)


def test_the_items_of_a_list_are_read_as_manifests_of_their_own_line() -> None:
    item = "".join(f"  {line}\n" for line in server("mlserver").splitlines())
    text = f"apiVersion: v1\nkind: List\nitems:\n-{item[1:]}"
    assert load_stream(text.encode()).servers[0].source == Source("-", 4)


def test_anchors_and_merge_keys_are_read_and_written_keys_win() -> None:
    text = model("iris", parameters="[&p {name: a, value: one}, {<<: *p, name: b}, {<<: [*p, {value: two}], name: c}]")
    parameters = load_stream(text.encode()).models[0].spec.parameters
    assert parameters == (Parameter("a", "one"), Parameter("b", "one"), Parameter("c", "one"))


def test_the_order_and_place_of_manifests_make_no_difference_to_what_is_desired() -> None:
    one = load_stream((model("a") + "---\n" + model("b") + "---\n" + server("s")).encode(), "x.yaml")
    two = load_stream(("# moved\n" + server("s") + "---\n" + model("b") + "---\n" + model("a")).encode())
    assert one.digest == two.digest
    assert one.models[0].source != two.models[0].source


@pytest.mark.parametrize(
    "uri",
    [
        "gs://bucket/a",
        "models/iris",
        "/abs/iris",
        "file:///a/b",
        "abfss://box@account.example/a",
        "a/../b",
        "hf://org/name",
    ],
)
def test_a_storage_uri_without_a_secret_is_valid(uri: str) -> None:
    assert load_stream(model("iris", storageUri=uri).encode()).models[0].spec.storage_uri == uri


@pytest.mark.parametrize("kind", ["Model", "Server"])
def test_the_published_schemas_are_valid_and_describe_every_field(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))

    def check(rule: dict[str, Any], path: str) -> None:
        assert rule.get("description"), path
        for name, below in rule.get("properties", {}).items():
            check(below, f"{path}.{name}")
        for key in ("items", "additionalProperties"):
            if isinstance(rule.get(key), dict):
                check(rule[key], f"{path}.{key}")

    check(schema(kind), kind)


@pytest.mark.parametrize(("kind", "known"), [("Model", MODEL_ANNOTATIONS), ("Server", SERVER_ANNOTATIONS)])
def test_the_schemas_name_exactly_the_annotations_that_are_understood(kind: str, known: dict[str, object]) -> None:
    annotations = schema(kind)["properties"]["metadata"]["properties"]["annotations"]["properties"]
    assert set(annotations) == {PREFIX + name for name in known}


@pytest.mark.parametrize("kind", ["Model", "Server"])
def test_the_examples_in_the_schemas_are_valid_themselves(kind: str) -> None:
    def check(rule: dict[str, Any]) -> None:
        for example in rule.get("examples", ()):
            assert Draft202012Validator(rule).is_valid(example)
        for below in rule.get("properties", {}).values():
            check(below)

    check(schema(kind))


def test_a_reference_is_not_called_absent_while_a_file_cannot_be_read() -> None:
    text = model("why", explainer="{type: a, modelRef: iris}") + "---\na: [\n"
    with pytest.raises(ManifestsInvalid) as raised:
        load_stream(text.encode())
    assert [problem.field for problem in raised.value.problems] == [""]


def test_a_long_text_is_refused_without_being_shown() -> None:
    text = model("iris", modelType="x" * 300_000)
    with pytest.raises(ManifestsInvalid) as raised:
        load_stream(text.encode())
    assert len(str(raised.value.problems[0])) < 200


def test_a_stream_of_more_than_32_mib_is_refused_unread() -> None:
    with pytest.raises(ManifestsInvalid, match="1 problem"):
        load_stream(b"#" * (32 * 1024 * 1024 + 1))


def test_the_examples_in_the_documentation_are_valid() -> None:
    text = (Path(__file__).parents[2] / "docs" / "manifests.md").read_text(encoding="utf-8")
    state = load_stream(text.split("```yaml\n")[1].split("```")[0].encode())
    assert ([m.name for m in state.models], [s.name for s in state.servers]) == (["iris"], ["mlserver"])


def test_the_documentation_names_every_field_and_annotation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "manifests.md").read_text(encoding="utf-8")
    fields = [
        *schema("Model")["properties"]["spec"]["properties"],
        *schema("Server")["properties"]["spec"]["properties"],
    ]
    assert [name for name in (*fields, *MODEL_ANNOTATIONS, *SERVER_ANNOTATIONS) if f"`{name}" not in text] == []


def test_a_control_character_in_a_key_is_not_printed() -> None:
    text = model("iris") + '  "\\e[31mred": 1\n'
    with pytest.raises(ManifestsInvalid) as raised:
        load_stream(text.encode())
    assert "\x1b" not in "".join(f"{p}{p.why}{p.fix}" for p in raised.value.problems)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_otherwise_than_by_problems(data: bytes) -> None:
    with contextlib.suppress(ManifestsInvalid):  # which is how it may end
        load_stream(data)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["1G", "iris"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted(
    {*schema("Model")["properties"]["spec"]["properties"], *schema("Server")["properties"]["spec"]["properties"]}
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["Model", "Server"]),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
    st.dictionaries(st.sampled_from(["name", "namespace", "labels", "annotations"]), VALUES, max_size=4),
)
def test_no_value_in_any_field_makes_the_checks_fail_otherwise_than_by_problems(
    kind: str, spec: dict[str, Any], metadata: dict[str, Any]
) -> None:
    document = {"apiVersion": "mlops.seldon.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
    with contextlib.suppress(ManifestsInvalid):  # which is how it may end
        load_stream(json.dumps(document).encode())
