"""Manifests as text, for tests."""

from __future__ import annotations


def model(name: str, **fields: object) -> str:
    """Returns a Model manifest; `fields` go into its spec as they are."""
    spec = {"storageUri": f"gs://models/{name}"} | fields
    lines = "".join(f"  {field}: {value}\n" for field, value in spec.items())
    return f"apiVersion: mlops.seldon.io/v1alpha1\nkind: Model\nmetadata:\n  name: {name}\nspec:\n{lines}"


def server(name: str) -> str:
    """Returns a Server manifest."""
    head = f"apiVersion: mlops.seldon.io/v1alpha1\nkind: Server\nmetadata:\n  name: {name}\n"
    return f"{head}spec:\n  serverConfig: mlserver\n"
