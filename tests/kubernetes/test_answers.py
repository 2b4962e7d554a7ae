"""What an API server's errors mean."""

from __future__ import annotations

from reconciler.clusters.kubernetes.answers import NotFound, error_of


def test_a_kind_that_the_cluster_does_not_have_is_said_with_what_to_check() -> None:
    error = error_of(404, b"404 page not found\n", "list models.mlops.seldon.io in namespace seldon-mesh")
    assert isinstance(error, NotFound)
    assert error.why == "the cluster has no such kind"
    assert "Seldon Core 2 is installed" in error.fix


def test_an_object_that_is_not_there_is_told_in_the_words_of_the_api_server() -> None:
    error = error_of(404, b'{"kind": "Status", "message": "models \\"iris\\" not found"}', "get iris")
    assert (error.why, error.fix) == ('models "iris" not found', "")
