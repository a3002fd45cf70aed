"""Benchmarks: one file a format, each giving a `Benchmark`."""
