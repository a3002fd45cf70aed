"""Measuring function calls: benchmarks of tools, the ways of answering them, and what came out."""
