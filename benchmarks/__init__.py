"""Benchmarks: one command each, peers measured in the same run."""
