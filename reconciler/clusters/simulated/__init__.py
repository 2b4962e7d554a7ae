"""The simulated cluster: Seldon Core 2's rules with a clock of its own, in memory only.

It is the second opinion on every plan and the adversary of the property tests, so it shares no code with the planner.
It is true when it reproduces the recordings of the real one (tests/recorded). One module per subject; each names the
section of docs/seldon.md whose rules it holds::

    simulation  the way in, and the table of what can happen
      api         objects are applied, patched, deleted; the operator takes them in
      versions    what makes a new version, and its state
      scheduling  a model is placed, or waits ─┬─ placement   where, by room
                                               ├─ loading ─ eviction
                                               └─ unloading, deletion
      servers     replicas start, drain, get lost
      autoscaling the scheduler resizes Servers
      routes      who answers             experiments  which are in effect
      status      what the operator writes on objects; snapshot  what can be observed
      restart     of the scheduler
    rules, timing the settings, the durations      records, plain  the state, and its plain form
"""

from reconciler.clusters.simulated.rules import Artifact, Choices, Rules
from reconciler.clusters.simulated.simulation import Simulation

__all__ = ["Artifact", "Choices", "Rules", "Simulation"]
