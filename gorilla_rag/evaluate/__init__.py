"""Benchmarks, metrics, and modes side by side."""
