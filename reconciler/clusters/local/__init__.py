"""The local cluster: real MLServer processes behind a gateway that routes, counts, drains and places, on one machine.

How the parts hang together (arrows are imports)::

    lifecycle  starts, stops and finds the gateway process                (in the process of the user's command)
    client     LocalCluster: the `Cluster` protocol over the admin socket (in the process of the user's command)
    __main__   the gateway process ─┬─ admin     the admin API on a Unix socket
                                    ├─ gateway   the data plane on 127.0.0.1
                                    └─ engine    holds the state, runs what it asks for ─┬─ supervisor ─ process
                                         │                                               ├─ loader ─ artifacts
                                         │                                               └─ traffic
                                         └─ pure: actions, facts, scheduler, view ─ records (kept by `store`)

The pure part decides; the engine only starts what the state says should run, so a gateway killed anywhere goes on
from its state file. Nothing is imported here: `mlserver_repository` is imported inside every MLServer process.
"""
