"""Embeddings and reranking: calls that give numbers."""
