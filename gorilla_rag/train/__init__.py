"""Training the retriever on documents: questions, negatives, batches and what comes of them."""
