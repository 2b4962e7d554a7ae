"""Seldon Core 2 on Kubernetes, behind the `Cluster` protocol.

    connection   requests to the API server: credentials, retries, what its errors mean
    resources    the kinds we read and write, and their paths
    api          the verbs: list, watch, get, apply, merge, delete
    scheduler    the scheduler's gRPC: what it knows of versions, replicas and memory
    view         objects and scheduler → `LiveState`; pure
    client       `KubernetesCluster`

The rules are in docs/seldon.md; nothing in here decides what is done.
"""
