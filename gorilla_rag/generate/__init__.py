"""The language model: prompts, grammars and backends. Knows candidates; nothing of how they were found."""
