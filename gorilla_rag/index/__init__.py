"""The index: documents, BM25 and dense vectors on disk, and the search over them. Knows nothing of generation."""
