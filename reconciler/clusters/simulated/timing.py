"""How long everything takes, in seconds: one table, read off the recordings.

The noise of the real system is not modelled: each figure is a typical one, and the order in which things happen is what
counts. Where two figures decide an order, the comment says so.
"""

from __future__ import annotations

TAKE_IN = 0.1
"""From a written object to the scheduler, by way of the operator. Until then the object's status is stale."""

STATUS = 0.05
"""From a change in the scheduler to the object's status."""

LOADED_MODELS = 0.25
"""The same for `Server.status.loadedModels`, which comes later than the rest."""

EXPECTED = 0.1
"""From the operator's status of a Server to the scheduler's `expected`."""

LOAD_REQUESTED = 0.02
"""From LoadRequested to Loading."""

LOAD = 0.1
"""From Loading to Loaded, for an artifact that takes no time of its own."""

LOAD_NEXT_REPLICA = 0.03
"""What each further replica of one placement is behind the one before it. Less than AVAILABLE: all of them are Loaded
before the first is Available."""

AVAILABLE = 0.2
"""From Loaded to Available: Envoy takes changes in batches."""

LOAD_FAILED = 4.0
"""From Loading to LoadFailed: the agent tries several times."""

LOAD_MISSING = 0.15
"""The same for an artifact that does not exist: there is nothing to try again."""

LOAD_CANNOT_EVICT = 3.0
"""The same for a version that finds no physical memory."""

UNLOAD_REQUESTED = 0.05
"""From UnloadRequested to Unloading. The grace period (`Rules.unload_grace`) follows, then Unloaded."""

OBJECT_GONE = 0.05
"""From the last unload of a deleted model to the end of its object."""

REPLICA_STARTS = 3.6
"""From the operator's status of a Server that grows to the connection of its new replica."""

SERVER_READY = 5.2
"""From the connection of a new replica to Ready True of its Server."""

DRAIN_STARTS = 0.5
"""From the operator's status of a Server that shrinks to the draining of a replica. Later than EXPECTED."""

DRAIN_PLACES = 0.5
"""From the draining of a replica to the new placement of its models."""

DRAIN_ENDS = 3.3
"""From the settled placement of all of them to the end of the replica."""

DRAIN_AT_MOST = 120.0
"""A replica that drains ends after so long, settled or not."""

EXPERIMENT_GONE = 1.4
"""From the deletion of an Experiment to the end of it and of its routes; taken for a Pipeline as well."""

SCHEDULER_STARTS = 1.1
"""From the end of the scheduler to its return, knowing nothing."""

AGENTS_REPORT = 0.05
"""From its return to the reports of the agents on what they have loaded."""

SCHEDULER_TOLD = 1.0
"""From these reports to the moment when the operator has told it the objects again."""

ENVOY_RECONNECTS = 10.0
"""From the end of the scheduler to the first new route."""
