"""model-reconciler: a GitOps reconciler for model serving."""

__version__ = "0.1.0"
