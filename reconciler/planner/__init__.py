"""The planner: desired state and live state in, plan out. Pure: no I/O, no clock, no randomness.

    decide     per model and server, what should become of it          table, servers, guards
    forms      which actions that takes                                forms, unit
    arrange    who takes memory from where, what comes before what     ordering, waves, room, retirement
    replay     a second opinion: is any order of execution safe?       replay

The same input in any order gives the same plan, and a plan that the replay refuses never leaves this package.
"""

from reconciler.planner.planning import plan, plan_unfinished

__all__ = ["plan", "plan_unfinished"]
