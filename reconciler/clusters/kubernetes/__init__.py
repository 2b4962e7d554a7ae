"""The cluster most users have: Kubernetes with Seldon Core 2."""
