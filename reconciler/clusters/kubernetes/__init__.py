"""Seldon Core 2 on Kubernetes, behind the `Cluster` protocol.

    connection   requests to the API server: credentials, retries, what its errors mean
    resources    the kinds we read and write, and their paths
    api          the verbs: list, watch, get, apply, merge, delete
    scheduler    the scheduler's gRPC: what it knows of versions, replicas and memory
    view         objects and scheduler → `LiveState`; pure
    client       `KubernetesCluster`

    documents    what an action applies; pure
    ownership    who owns which field, and what a conflict says; pure
    writer       actions → applies, patches and deletes
    probe        asks the scheduler whether there is room
    lock         the Lease, and the fence that every write passes
    admission    asks the API server whether it would take a plan
    permissions  asks it what we are allowed
    telling      Events and the summary

The rules are in docs/seldon.md; nothing in here decides what is done.
"""
