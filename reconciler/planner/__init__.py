"""The planner: desired state and live state in, plan out. Pure: no I/O, no clock, no randomness.

    decide     per model and server, what should become of it          table, verdicts, failures, servers, guards
    forms      which actions that takes                                forms, stepped, rescue, unit
    arrange    who takes memory from where, what comes before what     ordering, waves, room, sequence, retirement
    outline    all of that, for one desired and one live state         outline
    fixes      what would help, found by outlining once more           fixes, changes, shortfall
    replay     a second opinion: is any order of execution safe?       replay, replay_world, replay_servers

The same input in any order gives the same plan, and a plan that the replay refuses never leaves this package.
"""

from reconciler.planner.planning import plan, plan_unfinished

__all__ = ["plan", "plan_unfinished"]
