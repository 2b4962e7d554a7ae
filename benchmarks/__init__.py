"""Benchmarks: figures of one run, as ratios, so that they say the same on any machine."""
