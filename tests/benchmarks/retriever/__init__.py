"""Trains and measures the shipped retriever: `make train` and `make retrieval`, with published data in DATA."""
