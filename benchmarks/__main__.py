"""`python -m benchmarks [NAME…]`: runs all benchmarks or those named; exit code 1 when one misses its goal."""

from __future__ import annotations

import sys

from benchmarks import gateway, kubernetes

BENCHMARKS = {"gateway": gateway.run, "kubernetes": kubernetes.run}


def main(names: list[str]) -> int:
    """Runs the benchmarks of those names, all when there is none; returns the exit code."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there is {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 1
    met = [BENCHMARKS[name]() for name in names or BENCHMARKS]
    return 0 if all(met) else 1


sys.exit(main(sys.argv[1:]))
