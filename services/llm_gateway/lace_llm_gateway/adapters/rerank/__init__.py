"""Rerankers behind POST /rerank, the wire that Cohere, Jina, vLLM, Infinity and others share."""
