"""Trains and measures the shipped retriever: `python -m tests.benchmarks.retriever --help`."""
