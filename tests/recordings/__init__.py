"""Recordings of the real Seldon Core 2 (tests/recorded/README.md), played on a simulation and compared with it.

`recording` reads a file, `fields` takes states apart, `player` plays, `choices` and `orders` follow what was random in
the recording, `compare` tells what differs, `verdict` says it in one line. Only `player` knows the engine.
"""
