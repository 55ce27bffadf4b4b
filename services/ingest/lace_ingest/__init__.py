"""Sources: extraction, chunks and retrieval."""
